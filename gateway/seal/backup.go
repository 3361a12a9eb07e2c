package seal

import (
	"bytes"
	"errors"
	"io"
	"os"

	"filippo.io/age"

	"github.com/doorstroom/doorstroom/gateway"
)

// BackupKeys encrypt and decrypt backups: age files (C2SP age-encryption.org/v1),
// which the age program reads as well.
type BackupKeys struct {
	identities []age.Identity
	recipients []age.Recipient
}

// GenerateBackupKey makes a key file: an age identity, with its public half in
// a comment.
func GenerateBackupKey() ([]byte, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the backup key could not be made")
	}
	return []byte("# public key: " + key.Recipient().String() + "\n" + key.String() + "\n"), nil
}

// ParseBackupKeys reads a key file; what is encrypted can be read with it and by
// every further recipient, each an age public key.
func ParseBackupKeys(file []byte, further []string) (BackupKeys, error) {
	var keys BackupKeys
	var err error
	if keys.identities, err = age.ParseIdentities(bytes.NewReader(file)); err != nil {
		return BackupKeys{}, gateway.Wrap(gateway.Invalid, err, "the file is no key for backups: that is backup.key, or an age identity of your own")
	}
	for _, identity := range keys.identities {
		own, ok := identity.(*age.X25519Identity)
		if !ok {
			return BackupKeys{}, gateway.Errorf(gateway.Invalid, "the file is no key for backups: of age identities only X25519 ones are")
		}
		keys.recipients = append(keys.recipients, own.Recipient())
	}
	for _, name := range further {
		recipient, err := age.ParseX25519Recipient(name)
		if err != nil {
			return BackupKeys{}, gateway.Wrap(gateway.Invalid, err, "a recipient of backups is not an age public key (age1…)")
		}
		keys.recipients = append(keys.recipients, recipient)
	}
	return keys, nil
}

// Encrypt gives a writer whose content reaches to encrypted; it is whole after
// Close.
func (k BackupKeys) Encrypt(to io.Writer) (io.WriteCloser, error) {
	w, err := age.Encrypt(to, k.recipients...)
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the backup cannot be encrypted")
	}
	return w, nil
}

// Decrypt reads what Encrypt wrote. A change of any byte, and an end that is cut
// off, is an error of the reader it gives.
func (k BackupKeys) Decrypt(from io.Reader) (io.Reader, error) {
	r, err := age.Decrypt(from, k.identities...)
	if err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "this key cannot read the backup: it was made for another key, or its beginning is damaged")
	}
	return r, nil
}

// IsEncryptedBackup tells whether a file is one that was encrypted with age.
func IsEncryptedBackup(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, gateway.Wrap(gateway.NotFound, err, "the backup cannot be read: "+path)
	}
	const magic = "age-encryption.org/"
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, gateway.Wrap(gateway.Internal, err, "the backup cannot be read: "+path)
	}
	return string(head) == magic, nil
}
