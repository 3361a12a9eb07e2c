package node

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/policies"
)

// Plan is what somebody must say to make a node; everything else follows.
type Plan struct {
	Party     gateway.OIN
	Name      string
	Kind      gateway.PartyKind
	Gemeenten []gateway.GemeenteFor
	Endpoint  string // where other nodes reach this one: https://host:port
	Contact   gateway.Functional
	Listen    config.Listen // empty: the defaults
	Anchors   []string      // key ids that sign the register
	// Template is the shipped policy to start from, with its expectations; empty
	// is that of the kind of party, without.
	Template string
	WorksFor []gateway.Gemeente // whom a template says the party works for
}

// Files that Create makes in a node's folder, beside data/.
const (
	ConfigFile = "config.yaml"
	PolicyFile = "policy.yaml"
	ExpectFile = "policy_test.yaml" // made with a Template
	PartyFile  = "party.json"
	TokenFile  = "token"
)

// Create lays out a node's folder: keys, a commented configuration, a policy
// to start from, a token for the person who runs it, and the entry that the
// registrar needs. It never overwrites: a folder that has a configuration is a
// Conflict. A plan that is wrong leaves nothing behind.
func Create(dir string, p Plan, now time.Time) (gateway.Party, error) {
	if _, err := os.Stat(filepath.Join(dir, ConfigFile)); err == nil {
		return gateway.Party{}, gateway.Errorf(gateway.Conflict, "there is a node in this folder already")
	}
	f, err := draft(p)
	if err != nil {
		return gateway.Party{}, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return gateway.Party{}, gateway.Wrap(gateway.Invalid, err, "the folder cannot be made")
	}
	party, err := createKeys(data, p, now)
	if err != nil {
		return gateway.Party{}, err
	}
	if err := f.write(dir, party); err != nil {
		return gateway.Party{}, err
	}
	return party, nil
}

func createKeys(data string, p Plan, now time.Time) (gateway.Party, error) {
	keys := filepath.Join(data, "keys")
	if err := identity.Create(keys, p.Party, p.Name, now); err != nil {
		return gateway.Party{}, fmt.Errorf("make TLS keys: %w", err)
	}
	signing, err := seal.GenerateKey()
	if err != nil {
		return gateway.Party{}, fmt.Errorf("make signing key: %w", err)
	}
	backup, err := seal.GenerateBackupKey()
	if err != nil {
		return gateway.Party{}, fmt.Errorf("make backup key: %w", err)
	}
	encryption, err := seal.GenerateEncryptionKey()
	if err != nil {
		return gateway.Party{}, fmt.Errorf("make encryption key: %w", err)
	}
	if err := errors.Join(
		identity.WriteSecret(filepath.Join(keys, signingKey), signing.PEM()),
		identity.WriteSecret(filepath.Join(keys, encryptionKey), encryption.PEM()),
		identity.WriteSecret(filepath.Join(keys, backupKey), backup),
	); err != nil {
		return gateway.Party{}, err
	}
	own, err := identity.Load(keys)
	if err != nil {
		return gateway.Party{}, fmt.Errorf("read back TLS keys: %w", err)
	}
	leaf, err := x509.ParseCertificate(own.TLS.Certificate[0])
	if err != nil {
		return gateway.Party{}, fmt.Errorf("read back certificate: %w", err)
	}
	from := now.UTC().Truncate(time.Second)
	encryptionPublic := encryption.Public(from)
	party := gateway.Party{
		OIN: p.Party, Name: p.Name, Kind: p.Kind, Gemeenten: p.Gemeenten, Endpoint: p.Endpoint,
		SigningKeys: []gateway.Key{signing.Public(from)}, Encryption: &encryptionPublic,
		TLSPins: []string{identity.Pin(leaf)}, Contact: p.Contact,
	}
	if party.KeyStatement, err = register.MakeKeyStatement(party, signing); err != nil {
		return gateway.Party{}, fmt.Errorf("state keys: %w", err)
	}
	return party, nil
}

// files are what a new node's folder holds beside its keys.
type files struct {
	config, policy, expect []byte
	token                  string
}

func draft(p Plan) (files, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	f := files{token: hex.EncodeToString(secret)}
	var err error
	if f.policy, f.expect, err = policyTemplate(p); err != nil {
		return f, err
	}
	f.config, err = config.New(config.Initial{
		Party: p.Party, Name: p.Name, Peers: p.Listen.Peers, Public: p.Listen.Public, Ops: p.Listen.Ops, Anchors: p.Anchors,
		Callers: []config.Caller{{
			Name: "beheer", SHA256: gateway.Hash([]byte(f.token)),
			Roles: []gateway.Role{gateway.Coordinator, gateway.Consulent, gateway.PrivacyOfficer, gateway.Beheerder},
		}},
	})
	if err != nil {
		return f, fmt.Errorf("make configuration: %w", err)
	}
	return f, nil
}

func (f files) write(dir string, party gateway.Party) error {
	entry, err := json.MarshalIndent(party, "", "  ")
	if err != nil {
		return fmt.Errorf("encode party: %w", err)
	}
	if err := identity.WriteSecret(filepath.Join(dir, TokenFile), []byte(f.token+"\n")); err != nil {
		return err
	}
	if err := writeVaultKey(filepath.Join(dir, VaultKeyFile)); err != nil {
		return err
	}
	for name, content := range map[string][]byte{PolicyFile: f.policy, ExpectFile: f.expect, PartyFile: append(entry, '\n')} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return gateway.Wrap(gateway.Internal, err, "cannot write "+name)
		}
	}
	// Last: a folder with a configuration is a whole node.
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), f.config, 0o644); err != nil {
		return gateway.Wrap(gateway.Internal, err, "cannot write "+ConfigFile)
	}
	return nil
}

// policyTemplate is the shipped policy to start from, and what is expected of
// it.
func policyTemplate(p Plan) (policy, expect []byte, err error) {
	var gemeenten []string
	for _, g := range p.WorksFor {
		gemeenten = append(gemeenten, string(g))
	}
	policy, expect, err = policies.Template(cmp.Or(p.Template, string(p.Kind)), string(p.Party), gemeenten)
	if err != nil {
		return nil, nil, gateway.Wrap(gateway.Invalid, err, "there is no policy to start from for this party")
	}
	if p.Template == "" {
		expect = nil
	}
	return policy, expect, nil
}

// ReadToken reads the token by which a person uses the local API.
func ReadToken(path string) (string, error) {
	b, err := identity.ReadSecret(path)
	return strings.TrimSpace(string(b)), err
}
