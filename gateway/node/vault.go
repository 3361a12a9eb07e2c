package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

// VaultKeyFile is the default of config's vault: the secret that the keys of
// personal payloads are wrapped with. It lies outside the data folder, so that
// neither a copy of that nor a backup can be read by itself.
const VaultKeyFile = "vault.key"

func vaultPath(c config.Config) string { return filepath.Join(c.Data, vaultFile) }

// exists tells whether a file is there, or may be.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

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
		if exists(vaultPath(c)) {
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
	v := nodeVault{n.vault, n}
	err = n.Store.UseVault(ctx, v)
	if err == nil && exists(staleKeys(c)) {
		err = v.backUpAgain(c)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("bring vault and database in step: %w", err), n.closeVault())
	}
	return nil
}

// nodeVault is the vault with the backup of its keys, of which there is one: what
// is erased goes from there too.
type nodeVault struct {
	*vault.Vault
	n *Node
}

func (v nodeVault) Erase(names ...string) error {
	return v.erase(func() error { return v.Vault.Erase(names...) })
}

func (v nodeVault) EraseFormer(names ...string) error {
	return v.erase(func() error { return v.Vault.EraseFormer(names...) })
}

// erase erases keys, and writes their backup anew. A mark on disk says that this is
// under way: whatever ends it, the next start does the rest.
func (v nodeVault) erase(keys func() error) error {
	v.n.mu.Lock()
	c := v.n.config
	v.n.mu.Unlock()
	if !exists(keysBackup(c)) {
		return keys()
	}
	left := exists(staleKeys(c))
	if !left {
		if err := vault.Replace(staleKeys(c), nil); err != nil {
			return err
		}
	}
	before := v.Erased()
	err := keys()
	if v.Erased() != before || left {
		return errors.Join(err, v.backUpAgain(c))
	}
	return errors.Join(err, os.Remove(staleKeys(c)))
}

// backUpAgain writes the backup of the keys anew, or deletes it.
func (v nodeVault) backUpAgain(c config.Config) error {
	path := keysBackup(c)
	if err := backUpKeys(c, v.n.keys, v.Snapshot()); err != nil {
		v.n.log.Error("the backup of keys could not be written anew after something was erased; it is deleted", "file", path, "error", err)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return gateway.Wrap(gateway.Internal, err, "what was erased may still be in the backup of keys, which can be neither written nor deleted: "+path)
		}
	}
	return os.Remove(staleKeys(c))
}

// staleKeys is there while the backup of the keys may have some that were erased.
func staleKeys(c config.Config) string { return vaultPath(c) + ".stale-backup" }

// keysBackup is the one backup of the keys of personal payloads. There is no older
// one: it would have keys that were erased since.
func keysBackup(c config.Config) string {
	return filepath.Join(c.Backup.Folder, strings.TrimSuffix(backupPrefix(c), "-")+".keys")
}

// backUpKeys writes a snapshot of the vault, encrypted as backups are.
func backUpKeys(c config.Config, k keys, snapshot []byte) error {
	if snapshot == nil {
		return nil
	}
	sealing, err := sealingOf(c, k, filepath.Join(c.Keys, backupKey), true)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w, err := sealing.Encrypt(&b)
	if err != nil {
		return err
	}
	if _, err := w.Write(snapshot); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return vault.Replace(keysBackup(c), b.Bytes())
}

// restoreKeys puts the backup of the keys back where there are none. Keys that are
// there are newer than any backup.
func restoreKeys(c config.Config, sealing store.Sealing) error {
	if exists(vaultPath(c)) {
		return nil
	}
	f, err := os.Open(keysBackup(c))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return gateway.Wrap(gateway.Internal, err, "the backup of keys cannot be read: "+keysBackup(c))
	}
	defer f.Close()
	plain, err := sealing.Decrypt(f)
	if err != nil {
		return err
	}
	snapshot, err := io.ReadAll(plain)
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the backup of keys is damaged: "+keysBackup(c))
	}
	return vault.Restore(vaultPath(c), snapshot)
}

func (n *Node) closeVault() error {
	if n.vault == nil {
		return nil
	}
	return n.vault.Close()
}
