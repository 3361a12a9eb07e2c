package seal_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// What is encrypted can be read with the node's own key and with that of each
// further recipient, and with no other.
func TestBackupKeys(t *testing.T) {
	file := func() ([]byte, string) {
		key, err := seal.GenerateBackupKey()
		if err != nil {
			t.Fatal(err)
		}
		_, public, _ := strings.Cut(strings.SplitN(string(key), "\n", 2)[0], "# public key: ")
		return key, public
	}
	keys := func(key []byte, further ...string) seal.BackupKeys {
		k, err := seal.ParseBackupKeys(key, further)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	own, _ := file()
	office, officePublic := file()
	other, _ := file()
	var encrypted bytes.Buffer
	w, err := keys(own, officePublic).Encrypt(&encrypted)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("inhoud")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{"own": own, "office": office} {
		r, err := keys(key).Decrypt(bytes.NewReader(encrypted.Bytes()))
		if err != nil {
			t.Errorf("%s key: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != "inhoud" {
			t.Errorf("%s key: got %q, %v", name, got, err)
		}
	}
	if _, err := keys(other).Decrypt(bytes.NewReader(encrypted.Bytes())); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("another key: got %v, want Invalid", err)
	}
	path := filepath.Join(t.TempDir(), "one")
	for content, want := range map[string]bool{encrypted.String(): true, "age": false, "": false, "something else altogether": false} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := seal.IsEncryptedBackup(path); err != nil || got != want {
			t.Errorf("%.10q: got %v, %v, want %v", content, got, err, want)
		}
	}
	for _, bad := range []string{"", "nonsense", officePublic} {
		if _, err := seal.ParseBackupKeys([]byte(bad), nil); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("key %q: got %v, want Invalid", bad, err)
		}
	}
	if _, err := seal.ParseBackupKeys(own, []string{"age1nonsense"}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("a bad recipient: got %v, want Invalid", err)
	}
}
