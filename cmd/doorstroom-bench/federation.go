package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/scenario"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Who takes part: test OINs. The absent party is in the register too, but
// nobody answers at its address.
const (
	senderOIN   gateway.OIN = "00000099000000001000"
	receiverOIN gateway.OIN = "00000099000000003000"
	absentOIN   gateway.OIN = "00000099000000004000"
	flooderOIN  gateway.OIN = "00000099000000005000"

	receiverGemeente gateway.Gemeente = "gm0482"
	absentGemeente   gateway.Gemeente = "gm0505"
)

// apart is added to the policy of the sender: what is in one gemeente is not
// shown to the other, so that one can be sent to while the other's queue is full.
const apart = `
  - id: niet-voor-alblasserdam
    description: Wat in Dordrecht is, is niet voor Alblasserdam.
    effect: never
    to: {gemeenten: [gm0482]}
    when: {location-gemeente: [gm0505]}
    fields: all

  - id: niet-voor-dordrecht
    description: Wat in Alblasserdam is, is niet voor Dordrecht.
    effect: never
    to: {gemeenten: [gm0505]}
    when: {location-gemeente: [gm0482]}
    fields: all

# Van wie nemen wij berichten aan?
`

// private is added instead where there is a second leerwerkbedrijf: it is sent
// nothing.
const private = `
  - id: niet-voor-collegas
    description: Collega's zien hier niets.
    effect: never
    to: {roles: [leerwerkbedrijf]}
    fields: all

# Van wie nemen wij berichten aan?
`

// member is one node on disk.
type member struct {
	dir    string
	party  gateway.Party
	config config.Config
}

func (m *member) configFile() string { return filepath.Join(m.dir, node.ConfigFile) }
func (m *member) database() string   { return filepath.Join(m.config.Data, "node.db") }

// federation is two nodes on disk, and parties of whom there is only an entry in
// the register.
type federation struct {
	dir              string
	registrar        *seal.Key
	doc              register.Document
	sender, receiver *member
	flooder          *member // nil unless the shape has one
}

// shape is what differs from a federation as it comes.
type shape struct {
	queue    int             // limits.queue-per-peer of the sender, for which its recipient has room; 0: the default
	database string          // limits.database-bytes of both; "": the default
	requests int             // limits.requests-per-second of the receiver; 0: the default
	strict   bool            // with the rules of apart
	others   []gateway.Party // without keys; they get some
	flooder  bool            // with a second leerwerkbedrijf, which has keys and no node
}

// lay makes the folders of a federation.
func lay(dir string, s shape) (*federation, error) {
	now := time.Now()
	registrar, err := seal.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make registrar key: %w", err)
	}
	at := now.UTC().Truncate(time.Second)
	f := &federation{dir: dir, registrar: registrar}
	f.doc = register.New([]register.Signer{{Name: "Registerhouder", Key: registrar.Public(at)}}, 1, at)
	if f.sender, err = f.layNode("sender", senderOIN, gateway.Leerwerkbedrijf, "", s); err != nil {
		return nil, err
	}
	if f.receiver, err = f.layNode("receiver", receiverOIN, gateway.GemeenteKind, receiverGemeente, s); err != nil {
		return nil, err
	}
	if s.flooder {
		if f.flooder, err = f.layNode("flooder", flooderOIN, gateway.Leerwerkbedrijf, "", s); err != nil {
			return nil, err
		}
	}
	for _, other := range s.others {
		if other, err = withKeys(other, now); err != nil {
			return nil, err
		}
		f.doc = register.Add(f.doc, other)
	}
	file, err := register.Encode(f.doc)
	if err != nil {
		return nil, fmt.Errorf("encode register: %w", err)
	}
	if file, err = register.Sign(file, registrar); err != nil {
		return nil, fmt.Errorf("sign register: %w", err)
	}
	for _, m := range []*member{f.sender, f.receiver, f.flooder} {
		if m != nil {
			err = errors.Join(err, os.WriteFile(m.config.Register.File, file, 0o600))
		}
	}
	return f, err
}

func (f *federation) layNode(name string, oin gateway.OIN, kind gateway.PartyKind, gemeente gateway.Gemeente, s shape) (*member, error) {
	addresses, err := scenario.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	plan := node.Plan{
		Party: oin, Name: name, Kind: kind, Endpoint: "https://" + addresses[0],
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@" + name + ".example"},
		Listen:  config.Listen{Peers: addresses[0], Ops: addresses[1]}, Anchors: []string{f.registrar.KID()},
	}
	if gemeente != "" {
		plan.Gemeenten = []gateway.GemeenteFor{{Code: gemeente}}
	}
	m := &member{dir: filepath.Join(f.dir, name)}
	if m.party, err = node.Create(m.dir, plan, time.Now()); err != nil {
		return nil, fmt.Errorf("make node: %w", err)
	}
	f.doc = register.Add(f.doc, m.party)
	if err := m.adapt(s); err != nil {
		return nil, fmt.Errorf("adapt node: %w", err)
	}
	m.config, err = config.Load(m.configFile())
	return m, err
}

// adapt changes in the files of a new node what the shape says.
func (m *member) adapt(s shape) error {
	file, err := os.ReadFile(m.configFile())
	if err != nil {
		return err
	}
	var pairs []string
	if s.queue > 0 {
		pairs = append(pairs, "queue-per-peer: 100000", fmt.Sprint("queue-per-peer: ", s.queue),
			"offers: 10000", fmt.Sprint("offers: ", s.queue),
			"subjects-per-peer: 20000", fmt.Sprint("subjects-per-peer: ", s.queue),
			"bytes-per-peer: 200MB", "bytes-per-peer: 100GB",
			"remembered-per-peer: 1000000", fmt.Sprint("remembered-per-peer: ", 10*s.queue))
	}
	if s.database != "" {
		pairs = append(pairs, "database-bytes: 4GB", "database-bytes: "+s.database)
	}
	if s.requests > 0 {
		pairs = append(pairs, "requests-per-second: 200", fmt.Sprint("requests-per-second: ", s.requests))
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(file, []byte(pairs[i])) {
			return fmt.Errorf("a new configuration has no line %q", pairs[i])
		}
	}
	if err := os.WriteFile(m.configFile(), []byte(strings.NewReplacer(pairs...).Replace(string(file))), 0o600); err != nil {
		return err
	}
	rules := ""
	switch {
	case m.party.Kind != gateway.Leerwerkbedrijf:
	case s.strict:
		rules = apart
	case s.flooder:
		rules = private
	}
	if rules == "" {
		return nil
	}
	name := filepath.Join(m.dir, node.PolicyFile)
	if file, err = os.ReadFile(name); err != nil {
		return err
	}
	before, after, ok := strings.Cut(string(file), "\n# Van wie nemen wij berichten aan?\n")
	if !ok {
		return errors.New("the policy of a leerwerkbedrijf has no place for more rules")
	}
	return os.WriteFile(name, []byte(before+rules+after), 0o600)
}

// withKeys gives a party that has no node what an entry in the register needs.
func withKeys(p gateway.Party, now time.Time) (gateway.Party, error) {
	key, err := seal.GenerateKey()
	if err != nil {
		return p, fmt.Errorf("make key: %w", err)
	}
	from := now.UTC().Truncate(time.Second)
	p.SigningKeys = []gateway.Key{key.Public(from)}
	p.TLSPins = []string{gateway.Hash([]byte(p.OIN))}
	p.Contact = gateway.Functional{Name: "Servicepunt", Email: "servicepunt@afwezig.example"}
	p.KeyStatement, err = register.MakeKeyStatement(p, key)
	return p, err
}
