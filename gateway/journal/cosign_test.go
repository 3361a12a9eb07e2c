package journal_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway/journal"
)

const witnessName = "witness.example/w1"

// The line is made by hand from C2SP tlog-cosignature: key id SHA-256(name, LF,
// 4, key)[:4], the time, and a signature over a head of two lines and the note.
func TestCosignIsAC2SPCosignature(t *testing.T) {
	signed := sign(t, journal.Checkpoint{Origin: "o", Size: 3, Incarnation: 7}, keyName, testKey(1))
	text, _, _ := strings.Cut(string(signed), "\n\n")
	if want := "\nincarnation 7"; !strings.HasSuffix(text, want) {
		t.Fatalf("got %q, want it to end with %q", text, want)
	}
	const at = 1679315147
	id := sha256.Sum256(append([]byte(witnessName+"\n\x04"), public(testKey(2))...))
	raw := binary.BigEndian.AppendUint64(id[:4:4], at)
	raw = append(raw, ed25519.Sign(testKey(2), fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", at, text))...)
	want := "— " + witnessName + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	got, err := journal.Cosign(signed, witnessName, testKey(2), time.Unix(at, 5))
	if err != nil || got != want {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
}

func TestOpenByTellsWhoSigned(t *testing.T) {
	want := journal.Checkpoint{Origin: "o", Size: 3, Incarnation: 7}
	signed := sign(t, want, keyName, testKey(1))
	at := time.Unix(1679315147, 0).UTC()
	line, err := journal.Cosign(signed, witnessName, testKey(2), at)
	if err != nil {
		t.Fatal(err)
	}
	by := []journal.Signatory{
		{Name: keyName, Key: public(testKey(3))}, {Name: witnessName, Key: public(testKey(2)), Witness: true}, {Name: keyName, Key: public(testKey(1))},
	}
	c, found, err := journal.OpenBy(append(slices.Clone(signed), line...), by)
	if err != nil || c != want {
		t.Fatalf("got %+v and %v, want %+v", c, err, want)
	}
	if want := []journal.Signed{{Signatory: 2}, {Signatory: 1, Time: at}}; !slices.Equal(found, want) {
		t.Errorf("got %+v, want %+v", found, want)
	}
	// A cosignature does not stand for another checkpoint, another time or another kind of signature.
	other := sign(t, journal.Checkpoint{Origin: "o", Size: 4, Incarnation: 7}, keyName, testKey(1))
	later := func() string {
		raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(line, "— "+witnessName+" ")))
		raw[11]++
		return "— " + witnessName + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}()
	for name, note := range map[string]string{
		"of another checkpoint": string(other) + line, "of another time": string(signed) + later,
	} {
		if _, _, err := journal.OpenBy([]byte(note), by); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	by[1].Witness = false
	if _, found, err := journal.OpenBy(append(slices.Clone(signed), line...), by); err != nil || len(found) != 1 {
		t.Errorf("as an ordinary signature: got %+v and %v, want it passed over", found, err)
	}
}

func TestIncarnationIsOneNumber(t *testing.T) {
	for _, line := range []string{"incarnation 0", "incarnation 01", "incarnation -1", "incarnation x", "incarnation 1\nincarnation 2"} {
		text := "o\n3\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n" + line + "\n"
		if _, err := journal.ReadHead([]byte(text + "\n")); err == nil {
			t.Errorf("%q: got no error, want one", line)
		}
	}
}
