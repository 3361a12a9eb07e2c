package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

// VaultKeyFile is the default of config's vault: the secret that the keys of
// personal payloads are wrapped with. It lies outside the data folder, so that
// neither a copy of that nor a backup can be read by itself.
const VaultKeyFile = "vault.key"

func vaultPath(c config.Config) string { return filepath.Join(c.Data, vaultFile) }

// writeVaultKey makes the secret.
func writeVaultKey(path string) error {
	secret := make([]byte, vault.NodeKeySize)
	_, _ = rand.Read(secret) // never fails
	return identity.WriteSecret(path, []byte(hex.EncodeToString(secret)+"\n"))
}

// readVaultKey reads the secret; an error is NotFound where there is none.
func readVaultKey(c config.Config) ([]byte, error) {
	if inside, err := filepath.Rel(c.Data, c.Vault); err == nil && filepath.IsLocal(inside) {
		return nil, gateway.Errorf(gateway.Invalid, "vault: %s lies in the data folder; it must lie outside it", c.Vault)
	}
	text, err := identity.ReadSecret(c.Vault)
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != vault.NodeKeySize {
		return nil, gateway.Errorf(gateway.Invalid, "%s does not hold %d bytes in hex", c.Vault, vault.NodeKeySize)
	}
	return secret, nil
}

// openVault opens the keys of personal payloads and brings them in step with the
// database. A node from before there were any gets a secret; where that cannot be
// written it goes on, and takes no messages about persons.
func (n *Node) openVault(ctx context.Context) error {
	c := n.opt.Config
	secret, err := readVaultKey(c)
	if gateway.KindOf(err) == gateway.NotFound {
		if _, err := os.Stat(vaultPath(c)); err == nil {
			return gateway.Errorf(gateway.NotFound, "there is no %s, without which no personal data can be read: put back your copy of it", c.Vault)
		}
		if err := writeVaultKey(c.Vault); err != nil {
			n.log.Warn("this node takes no messages about persons: it has no vault key, and cannot write one", "file", c.Vault, "error", err)
			return nil
		}
		n.log.Info("made a vault key; copy it to a safe place", "file", c.Vault)
		secret, err = readVaultKey(c)
	}
	if err != nil {
		return fmt.Errorf("read vault key: %w", err)
	}
	if n.vault, err = vault.Open(vaultPath(c), secret, vault.Options{}); err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	if damaged := n.vault.Damaged(); damaged > 0 {
		n.log.Warn("some keys of personal data could not be read: a power cut left them unfinished, or the file is damaged", "keys", damaged)
	}
	if err := n.Store.UseVault(ctx, n.vault); err != nil {
		return errors.Join(fmt.Errorf("bring vault and database in step: %w", err), n.closeVault())
	}
	return nil
}

func (n *Node) closeVault() error {
	if n.vault == nil {
		return nil
	}
	return n.vault.Close()
}
