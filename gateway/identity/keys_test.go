package identity_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
)

func pemOf(c cert) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.x509.Raw})
}

func TestCreateAndLoad(t *testing.T) {
	dir := t.TempDir() // open to others
	name := "Leerwerkbedrijf " + strings.Repeat("é", 100)
	fatal(t, identity.Create(dir, smile, name, time.Now()))
	keys, err := identity.Load(dir)
	fatal(t, err)
	leaf := keys.TLS.Leaf
	if leaf.Subject.SerialNumber != string(smile) || !strings.HasPrefix(leaf.Subject.CommonName, "Leerwerkbedrijf é") || len([]rune(leaf.Subject.CommonName)) != 64 {
		t.Errorf("got subject %s, want OIN and name, cut to 64", leaf.Subject)
	}
	if until := time.Now().AddDate(10, 0, 0); leaf.NotAfter.After(until) || leaf.NotAfter.Before(until.Add(-day)) {
		t.Errorf("got valid until %s, want %s", leaf.NotAfter, until)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		roots := x509.NewCertPool()
		roots.AddCert(leaf)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("usage %d: got %v, want none", usage, err)
		}
	}
	if len(keys.Node) != 32 || bytes.Equal(keys.Node, make([]byte, 32)) {
		t.Errorf("got %d bytes of node secret, want 32 random ones", len(keys.Node))
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		fatal(t, err)
		info, err := d.Info()
		fatal(t, err)
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got mode %o, want %o", path, got, want)
		}
		return nil
	})
	fatal(t, err)

	if err := identity.Create(dir, smile, name, time.Now()); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("again: got %v, want Conflict", err)
	}
	again, err := identity.Load(dir)
	if err != nil || !bytes.Equal(again.Node, keys.Node) || !again.TLS.Leaf.Equal(leaf) {
		t.Errorf("after the refusal: got other keys (%v), want the same", err)
	}

	r := resolver(nil, partyOf(smile, identity.Pin(leaf)))
	if _, serverErr, clientErr := connect(t, identity.ServerTLS(keys.TLS, r), client(keys.TLS)); serverErr != nil || clientErr != nil {
		t.Errorf("got %v, %v, want a connection", serverErr, clientErr)
	}
}

func TestCreateRefuses(t *testing.T) {
	if err := identity.Create(t.TempDir(), "123", "Smile", time.Now()); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("bad OIN: got %v, want Invalid", err)
	}
	if err := identity.Create(filepath.Join(t.TempDir(), "file\x00"), smile, "Smile", time.Now()); gateway.KindOf(err) != gateway.Internal {
		t.Errorf("bad directory: got %v, want Internal", err)
	}
	for _, name := range []string{"tls.pem", "node.key"} { // either one alone stops it
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		fatal(t, os.WriteFile(path, []byte("mine"), 0o600))
		if err := identity.Create(dir, smile, "Smile", time.Now()); gateway.KindOf(err) != gateway.Conflict {
			t.Errorf("%s there: got %v, want Conflict", name, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s there: got %v, want nothing else written", name, entries)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := identity.Load(t.TempDir()); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("nothing there: got %v, want NotFound", err)
	}
	other := t.TempDir()
	fatal(t, identity.Create(other, smile, "Smile", time.Now()))
	foreign, err := os.ReadFile(filepath.Join(other, "tls.pem"))
	fatal(t, err)
	for name, change := range map[string]func(dir string) error{
		"readable by the group": func(dir string) error { return os.Chmod(dir+"/tls.pem", 0o640) },
		"readable by the world": func(dir string) error { return os.Chmod(dir+"/node.key", 0o604) },
		"not a certificate":     func(dir string) error { return os.WriteFile(dir+"/tls.pem", []byte("x"), 0o600) },
		"key of another": func(dir string) error {
			mine, err := os.ReadFile(dir + "/tls.pem")
			if err != nil {
				return err
			}
			certPart, _, _ := bytes.Cut(mine, []byte("-----BEGIN PRIVATE"))
			_, keyPart, _ := bytes.Cut(foreign, []byte("-----BEGIN PRIVATE"))
			return os.WriteFile(dir+"/tls.pem", append(append(certPart, "-----BEGIN PRIVATE"...), keyPart...), 0o600)
		},
		"short secret": func(dir string) error { return os.WriteFile(dir+"/node.key", []byte("00ff"), 0o600) },
		"no secret":    func(dir string) error { return os.WriteFile(dir+"/node.key", nil, 0o600) },
		"not hex":      func(dir string) error { return os.WriteFile(dir+"/node.key", bytes.Repeat([]byte("z"), 64), 0o600) },
		"missing":      func(dir string) error { return os.Remove(dir + "/node.key") },
	} {
		dir := t.TempDir()
		fatal(t, identity.Create(dir, smile, "Smile", time.Now()))
		fatal(t, change(dir))
		if keys, err := identity.Load(dir); err == nil || gateway.KindOf(err) == gateway.Internal {
			t.Errorf("%s: got %v, %v, want a clear error", name, keys.TLS.Leaf != nil, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	fatal(t, identity.WriteSecret(path, []byte("geheim")))
	if got, err := identity.ReadSecret(path); err != nil || string(got) != "geheim" {
		t.Errorf("got %q (%v), want geheim", got, err)
	}
	if err := identity.WriteSecret(path, []byte("anders")); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("again: got %v, want Conflict", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "geheim" {
		t.Errorf("after the refusal: got %q, want geheim", got)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666} {
		fatal(t, os.Chmod(path, mode))
		_, err := identity.ReadSecret(path)
		if gateway.KindOf(err) != gateway.Denied || !strings.Contains(gateway.SafeMessage(err), "0600") {
			t.Errorf("mode %o: got %v, want Denied with what to do", mode, err)
		}
	}
	if _, err := identity.ReadSecret(filepath.Dir(path)); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("a directory: got %v, want Invalid", err)
	}
	if _, err := identity.ReadSecret(path + "x"); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("missing: got %v, want NotFound", err)
	}
	if err := identity.WriteSecret(filepath.Join(path, "below"), nil); gateway.KindOf(err) != gateway.Internal {
		t.Errorf("below a file: got %v, want Internal", err)
	}
	target := filepath.Join(filepath.Dir(path), "target")
	link := filepath.Join(filepath.Dir(path), "link")
	fatal(t, os.Symlink(target, link))
	if err := identity.WriteSecret(link, []byte("x")); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("through a link: got %v, want Conflict", err)
	}
}
