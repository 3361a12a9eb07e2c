package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

func nodeKey() []byte { return bytes.Repeat([]byte{7}, vault.NodeKeySize) }

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func fatal(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func open(t fataler, path string, opt vault.Options) *vault.Vault {
	t.Helper()
	v, err := vault.Open(path, nodeKey(), opt)
	fatal(t, err)
	return v
}

const text = "Jan de Vries"

// sealed makes keys and seals a text under each.
func sealed(t fataler, v *vault.Vault, names ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range names {
		b, err := v.Seal(name, []byte(text))
		fatal(t, err)
		all[name] = b
	}
	fatal(t, v.Sync())
	return all
}

func wantOpen(t *testing.T, when string, v *vault.Vault, name string, b []byte, want bool) {
	t.Helper()
	plain, err := v.Open(name, b)
	if want && (err != nil || string(plain) != text) {
		t.Errorf("%s: %s: got %q, %v, want what was sealed", when, name, plain, err)
	}
	if !want && (gateway.KindOf(err) != gateway.NotFound || plain != nil) {
		t.Errorf("%s: %s: got %q, %v, want NotFound", when, name, plain, err)
	}
}

func TestErasedIsErased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.vault")
	v := open(t, path, vault.Options{})
	all := sealed(t, v, "a", "b", "c")
	before, err := os.ReadFile(path)
	fatal(t, err)
	old := v.Snapshot()
	fatal(t, v.Erase("b", "never was"))
	after := func(when string, v *vault.Vault) {
		t.Helper()
		for name, b := range all {
			wantOpen(t, when, v, name, b, name != "b")
		}
	}
	after("at once", v)
	now, err := os.ReadFile(path)
	fatal(t, err)
	if len(before)-len(now) == 0 || v.Len() != 2 {
		t.Errorf("got %d bytes and %d keys after %d, want fewer", len(now), v.Len(), len(before))
	}
	fatal(t, v.Close())
	after("opened again", reopened(t, path))
	fatal(t, os.WriteFile(path, before, 0o600)) // an older copy of the file
	after("older file", reopened(t, path))
	fatal(t, vault.Restore(path, old))
	for _, bad := range [][]byte{nil, old[:7], old[:40]} {
		if err := vault.Restore(path, bad); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("a damaged snapshot: got %v, want Invalid", err)
		}
	}
	v = reopened(t, path)
	after("older snapshot", v)
	// The name may be used again: what was sealed before stays closed.
	anew := sealed(t, v, "b")
	wantOpen(t, "anew", v, "b", anew["b"], true)
	if _, err := v.Open("b", all["b"]); err == nil {
		t.Error("a new key of the same name opens what was erased")
	}
	fatal(t, v.Close())
	v = reopened(t, path)
	wantOpen(t, "anew, opened again", v, "b", anew["b"], true)
	fatal(t, v.Close())
}

// TestRenewed: a renewed key opens nothing of before once the former one is
// erased; until then both open, also after a restart.
func TestRenewed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.vault")
	v := open(t, path, vault.Options{})
	before := sealed(t, v, "a", "b")
	fatal(t, v.Renew("none"))
	fatal(t, v.Renew("a"))
	after := sealed(t, v, "a")["a"]
	fatal(t, v.Renew("b")) // nothing was kept under it: it is as if it had not been
	both := func(when string, v *vault.Vault, old bool) {
		t.Helper()
		wantOpen(t, when+": renewed", v, "a", after, true)
		wantOpen(t, when+": other", v, "b", before["b"], true)
		if _, err := v.Open("a", before["a"]); (err == nil) != old || !old && gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("%s: what was sealed before: got %v, want open %v, or NotFound", when, err, old)
		}
	}
	both("at once", v, true)
	fatal(t, v.Erase("never was"))
	fatal(t, v.Close())
	v = reopened(t, path)
	both("opened again", v, true)
	older, err := os.ReadFile(path)
	fatal(t, err)
	fatal(t, v.EraseFormer("a"))
	both("erased", v, false)
	fatal(t, v.Close())
	fatal(t, os.WriteFile(path, older, 0o600))
	v = reopened(t, path)
	both("older file", v, false)
	fatal(t, v.Erase("a", "b"))
	wantOpen(t, "all erased", v, "a", after, false)
	wantOpen(t, "all erased", v, "b", before["b"], false)
	fatal(t, v.Close())
	v = reopened(t, path)
	wantOpen(t, "all erased, opened again", v, "b", before["b"], false)
	fatal(t, v.Close())
}

func reopened(t *testing.T, path string) *vault.Vault {
	t.Helper()
	v := open(t, path, vault.Options{})
	t.Cleanup(func() { v.Close() })
	return v
}

func TestVaultRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.vault")
	v := open(t, path, vault.Options{Max: 2})
	all := sealed(t, v, "a", "b")
	if _, err := v.Seal("c", nil); gateway.KindOf(err) != gateway.Limit {
		t.Errorf("one too many: got %v, want Limit", err)
	}
	if _, err := v.Seal("a", []byte("more")); err != nil {
		t.Errorf("under a key that is there: got %v, want none", err)
	}
	if _, err := v.Open("b", all["a"]); gateway.KindOf(err) != gateway.Internal {
		t.Errorf("sealed under another key: got %v, want Internal", err)
	}
	if _, err := v.Open("a", all["a"][:5]); gateway.KindOf(err) != gateway.Internal {
		t.Errorf("cut off: got %v, want Internal", err)
	}
	wantOpen(t, "unknown", v, "c", all["a"], false)
	fatal(t, v.Close())
	if _, err := v.Seal("c", nil); gateway.KindOf(err) == 0 || err == nil {
		t.Errorf("closed: got %v, want an error", err)
	}
	if _, err := vault.Open(path, bytes.Repeat([]byte{8}, vault.NodeKeySize), vault.Options{}); gateway.KindOf(err) != gateway.Denied {
		t.Errorf("another secret: got %v, want Denied", err)
	}
	if _, err := vault.Open(path, nodeKey()[1:], vault.Options{}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("short secret: got %v, want Invalid", err)
	}
	fatal(t, os.WriteFile(path, []byte("no vault"), 0o600))
	if _, err := vault.Open(path, nodeKey(), vault.Options{}); gateway.KindOf(err) != gateway.Invalid {
		t.Errorf("no vault: got %v, want Invalid", err)
	}
}

// TestTornEnd: whatever a power cut leaves of keys that were being written, those
// from before are there, and new ones can be made.
func TestTornEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.vault")
	v := open(t, path, vault.Options{})
	all := sealed(t, v, "a", "b")
	whole, err := os.ReadFile(path)
	fatal(t, err)
	sealed(t, v, "c", "d")
	longer, err := os.ReadFile(path)
	fatal(t, err)
	fatal(t, v.Close())
	for cut := len(whole); cut < len(longer); cut += 7 {
		torn := longer[:cut]
		if cut%2 == 0 { // the file has its size, but not yet its content
			torn = append(bytes.Clone(torn), make([]byte, len(longer)-cut)...)
		}
		fatal(t, os.WriteFile(path, torn, 0o600))
		v := open(t, path, vault.Options{})
		wantOpen(t, fmt.Sprint("cut at ", cut), v, "b", all["b"], true)
		e := sealed(t, v, "e")
		fatal(t, v.Close())
		v = open(t, path, vault.Options{})
		wantOpen(t, fmt.Sprint("made after a cut at ", cut), v, "e", e["e"], true)
		if v.Damaged() != 0 {
			t.Fatalf("cut at %d: %d are damaged after it was mended", cut, v.Damaged())
		}
		fatal(t, v.Close())
	}
}

// TestUnsyncedIsNotKept: a key that was not synced may be gone, and one whose
// sync failed is not used again.
func TestUnsyncedIsNotKept(t *testing.T) {
	path, fail := filepath.Join(t.TempDir(), "keys.vault"), true
	v := open(t, path, vault.Options{Fault: func(p string) error {
		if fail && p == "before-append" {
			return errors.New("no room")
		}
		return nil
	}})
	b, err := v.Seal("a", []byte(text))
	fatal(t, err)
	if err := v.Sync(); err == nil {
		t.Fatal("got none, want an error")
	}
	wantOpen(t, "after a sync that failed", v, "a", b, false)
	fail = false
	all := sealed(t, v, "a")
	fatal(t, v.Close())
	v = open(t, path, vault.Options{})
	wantOpen(t, "opened again", v, "a", all["a"], true)
	fatal(t, v.Close())
}

// TestFaults: each effect on disk fails, before it took place or after. What was
// answered for holds, and what was listed as erased never opens again.
func TestFaults(t *testing.T) {
	for _, point := range []string{
		"before-append", "after-append", "before-list", "after-list", "before-rewrite", "before-rename", "after-rename",
	} {
		for _, erase := range []bool{false, true} {
			path, armed := filepath.Join(t.TempDir(), "keys.vault"), false
			v := open(t, path, vault.Options{Fault: func(p string) error {
				if armed && p == point {
					return errors.New("fault")
				}
				return nil
			}})
			all := sealed(t, v, "a", "b", "c")
			do := func() error {
				if erase {
					return v.Erase("a", "b")
				}
				_, err := v.Seal("d", nil)
				return errors.Join(err, v.Sync())
			}
			armed = true
			err := do()
			hit := strings.HasSuffix(point, "append") != erase
			if (err != nil) != hit {
				t.Fatalf("%s, erase %t: got %v, want an error: %t", point, erase, err, hit)
			}
			if armed = false; err != nil && strings.HasPrefix(point, "before") { // it can be done again
				fatal(t, do())
			}
			fatal(t, v.Close())
			v = open(t, path, vault.Options{})
			for name, b := range all {
				wantOpen(t, fmt.Sprint(point, " erase ", erase), v, name, b, !erase || name == "c")
			}
			fatal(t, v.Erase("a", "b"))
			fatal(t, v.Close())
		}
	}
}

// TestModel: any order of making, erasing and opening again.
func TestModel(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n), "keys.vault")
		fatal(t, os.MkdirAll(filepath.Dir(path), 0o700))
		v := open(t, path, vault.Options{})
		live, gone, made := map[string][]byte{}, [][]byte{}, 0
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				var names []string
				for range rapid.IntRange(1, 5).Draw(t, "n") {
					made++
					names = append(names, fmt.Sprint("k", made%12))
				}
				for name, b := range sealed(t, v, names...) {
					live[name] = b
				}
			},
			"erase": func(t *rapid.T) {
				name := fmt.Sprint("k", rapid.IntRange(0, 11).Draw(t, "which"))
				fatal(t, v.Erase(name, "never"))
				if b, ok := live[name]; ok {
					gone = append(gone, b)
					delete(live, name)
				}
			},
			"open": func(t *rapid.T) {
				fatal(t, v.Close())
				v = open(t, path, vault.Options{})
			},
			"": func(t *rapid.T) {
				if v.Len() != len(live) {
					t.Fatalf("got %d keys, want %d", v.Len(), len(live))
				}
				for name, b := range live {
					if plain, err := v.Open(name, b); err != nil || string(plain) != text {
						t.Fatalf("got %q, %v, want what was sealed", plain, err)
					}
				}
				for _, b := range gone {
					if i := slices.IndexFunc([]string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"}, func(name string) bool {
						_, err := v.Open(name, b)
						return err == nil
					}); i >= 0 {
						t.Fatal("what was erased opens")
					}
				}
			},
		})
		fatal(t, v.Close())
	})
}

func BenchmarkVault(b *testing.B) {
	v := open(b, filepath.Join(b.TempDir(), "keys.vault"), vault.Options{})
	for i := range 90_000 {
		_, err := v.Seal(fmt.Sprint(i), nil)
		fatal(b, err)
	}
	fatal(b, v.Sync())
	b.Run("make", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			sealed(b, v, fmt.Sprint("n", n%5000))
		}
	})
	b.Run("erase", func(b *testing.B) {
		for b.Loop() {
			sealed(b, v, "x")
			fatal(b, v.Erase("x"))
		}
	})
	b.Run("open2000", func(b *testing.B) {
		one, err := v.Seal("y", make([]byte, 2000))
		fatal(b, err)
		for b.Loop() {
			_, err := v.Open("y", one)
			fatal(b, err)
		}
	})
}

// Backups that are put back, again and again, make the list no longer.
func TestListHoldsEachOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	v := open(t, path, vault.Options{})
	sealed(t, v, "a", "b", "c")
	fatal(t, v.Erase("a", "b"))
	for range 3 {
		backup := v.Snapshot()
		fatal(t, v.Close())
		fatal(t, vault.Restore(path, backup))
		v = open(t, path, vault.Options{})
	}
	fatal(t, v.Close())
	if list, err := os.ReadFile(vault.ListPath(path)); err != nil || len(list) != 2*16 {
		t.Errorf("got %d bytes and %v, want two hashes of 16", len(list), err)
	}
}

// What a list costs after ten years of 10,000 referrals, with four keys of each:
// when the vault is opened, and when it is copied for a backup.
func BenchmarkTenYearsErased(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys")
	fatal(b, open(b, path, vault.Options{}).Close())
	list := make([]byte, 10*10_000*4*16)
	_, _ = rand.Read(list)
	fatal(b, os.WriteFile(vault.ListPath(path), list, 0o600))
	b.ReportAllocs()
	for b.Loop() {
		v := open(b, path, vault.Options{})
		v.Snapshot()
		fatal(b, v.Close())
	}
}
