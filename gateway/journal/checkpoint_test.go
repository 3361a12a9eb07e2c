package journal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const keyName = "doorstroom.example/00000099000000001000"

func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func sign(t testing.TB, c journal.Checkpoint, name string, key ed25519.PrivateKey) []byte {
	t.Helper()
	signed, err := journal.Sign(c, name, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// The note is made by hand from the C2SP documents tlog-checkpoint and
// signed-note: key id SHA-256(name, LF, algorithm 1, key)[:4].
func TestSignIsAC2SPCheckpoint(t *testing.T) {
	key := testKey(1)
	c := journal.Checkpoint{Origin: keyName + "/journal", Size: 42, Root: journal.LeafHash([]byte("x"))}
	text := keyName + "/journal\n42\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
	id := sha256.Sum256(append([]byte(keyName+"\n\x01"), public(key)...))
	signature := append(id[:4:4], ed25519.Sign(key, []byte(text))...)
	want := text + "\n— " + keyName + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	if got := string(sign(t, c, keyName, key)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOpenGivesWhatWasSigned(t *testing.T) {
	want := journal.Checkpoint{Origin: "o", Size: 1 << 40, Root: journal.LeafHash([]byte("x"))}
	got, err := journal.Open(sign(t, want, keyName, testKey(1)), keyName, public(testKey(1)))
	if err != nil || got != want {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
}

func TestOpenIgnoresOtherSignatures(t *testing.T) {
	c := journal.Checkpoint{Origin: "o", Size: 3}
	signed := string(sign(t, c, keyName, testKey(1)))
	_, witness, _ := strings.Cut(string(sign(t, c, "witness.example", testKey(2))), "\n\n")
	if _, err := journal.Open([]byte(signed+witness), keyName, public(testKey(1))); err != nil {
		t.Errorf("with a witness: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	key := testKey(1)
	good := string(sign(t, journal.Checkpoint{Origin: "o", Size: 3}, keyName, key))
	note := func(text string) string { // a well-signed note with any text
		id := sha256.Sum256(append([]byte(keyName+"\n\x01"), public(key)...))
		signature := append(id[:4:4], ed25519.Sign(key, []byte(text))...)
		return text + "\n— " + keyName + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	}
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if _, err := journal.Open([]byte(note("o\n3\n"+root+"\nextension\n")), keyName, public(key)); err != nil {
		t.Fatalf("a checkpoint with an extension line: %v", err)
	}
	for name, bad := range map[string]string{
		"nothing":          "",
		"another size":     strings.Replace(good, "\n3\n", "\n4\n", 1),
		"no signature":     strings.SplitAfter(good, "\n\n")[0],
		"too long":         good + strings.Repeat("— x AAAAAAAA\n", 2000),
		"no root":          note("o\n3\n"),
		"short root":       note("o\n3\nAAAA\n"),
		"sloppy root":      note("o\n3\n" + root[:43] + "\n"),
		"leading zero":     note("o\n03\n" + root + "\n"),
		"negative size":    note("o\n-3\n" + root + "\n"),
		"huge size":        note("o\n99999999999999999999\n" + root + "\n"),
		"empty origin":     note("\n3\n" + root + "\n"),
		"empty extension":  note("o\n3\n" + root + "\n\nx\n"),
		"signed elsewhere": string(sign(t, journal.Checkpoint{Origin: "o", Size: 3}, keyName, testKey(2))),
		"another name":     string(sign(t, journal.Checkpoint{Origin: "o", Size: 3}, "other", key)),
	} {
		_, err := journal.Open([]byte(bad), keyName, public(key))
		if got := gateway.KindOf(err); err == nil || got != gateway.Invalid {
			t.Errorf("%s: got %v, want an Invalid error", name, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	key := testKey(1)
	for name, err := range map[string]error{
		"name with a space": second(journal.Sign(journal.Checkpoint{Origin: "o"}, "a b", key)),
		"name with a plus":  second(journal.Sign(journal.Checkpoint{Origin: "o"}, "a+b", key)),
		"no name":           second(journal.Sign(journal.Checkpoint{Origin: "o"}, "", key)),
		"no origin":         second(journal.Sign(journal.Checkpoint{}, "a", key)),
		"two lines":         second(journal.Sign(journal.Checkpoint{Origin: "a\nb"}, "a", key)),
		"short key":         second(journal.Sign(journal.Checkpoint{Origin: "o"}, "a", key[:5])),
		"short public key":  second(journal.Open(nil, "a", public(key)[:5])),
	} {
		if err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key := testKey(1)
	good, err := journal.Sign(journal.Checkpoint{Origin: "o", Size: 3}, keyName, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("o\n3\nAAAA\n\n— x AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, note []byte) {
		c, err := journal.Open(note, keyName, public(key))
		if err == nil && (c != journal.Checkpoint{Origin: "o", Size: 3}) {
			t.Errorf("a note that was never signed was opened: %+v", c)
		}
	})
}
