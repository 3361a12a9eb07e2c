package rest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// vectorFolder holds the sealed vectors: tokens with the keys to check them and
// what a recipient answers, for whoever builds a node in another language. They
// are made here from fixed seeds and times, so that they change only when the
// protocol or the data do.
const vectorFolder = "../../schemas/testdata/vectors"

// messageVector is a story of messages from peers to the recipient, who starts
// empty-handed.
type messageVector struct {
	Name      string              `json:"name"`
	Describes string              `json:"describes"`
	Steps     []vectorStep        `json:"steps"`
	Holds     gateway.StateDigest `json:"holds"` // afterwards, of the peer of the first step
}

// vectorStep is one request: a batch of messages and the items that answer it,
// or a hello.
type vectorStep struct {
	At       time.Time             `json:"at"`   // of receipt
	Peer     gateway.OIN           `json:"peer"` // who the TLS connection is of
	Hello    string                `json:"hello,omitempty"`
	Messages []string              `json:"messages,omitempty"`
	Items    []gateway.ReceiptItem `json:"items,omitempty"`
}

// helloVector is one hello to the recipient and its answer.
type helloVector struct {
	Name      string      `json:"name"`
	Describes string      `json:"describes"`
	At        time.Time   `json:"at"`
	Peer      gateway.OIN `json:"peer"`
	Hello     string      `json:"hello"`
	Status    int         `json:"status"`           // of HTTP
	Answer    string      `json:"answer,omitempty"` // the recipient's own hello
}

// receiptVector is one answer to a batch. Whether it is believed is for the
// sender of the batch to judge.
type receiptVector struct {
	Name      string           `json:"name"`
	Describes string           `json:"describes"`
	At        time.Time        `json:"at"`
	Sent      []string         `json:"sent"`
	Answer    gateway.Receipts `json:"answer"`
	Believed  bool             `json:"believed"`
	Proofs    []receiptProof   `json:"proofs,omitempty"`
}

// receiptProof is what proves one item without the others.
type receiptProof struct {
	Index int      `json:"index"`
	Leaf  string   `json:"leaf"` // the item in canonical JSON
	Path  []string `json:"path"` // RFC 6962 §2.1.1, in hex
}

// registerVector is one file that comes after register.jws, or stands in its
// place as the first.
type registerVector struct {
	Name      string    `json:"name"`
	Describes string    `json:"describes"`
	At        time.Time `json:"at"`
	First     bool      `json:"first"`
	File      string    `json:"file"`
	Accepted  bool      `json:"accepted"`
}

// TestGeneratedVectors holds the vectors on disk equal to those made here.
func TestGeneratedVectors(t *testing.T) {
	w := newWorld(t)
	files := w.keyFiles()
	files["register.jws"] = w.register
	files["messages.json"] = indented(t, w.messageVectors())
	files["hellos.json"] = indented(t, w.helloVectors())
	files["receipts.json"] = indented(t, w.receiptVectors())
	files["letters.json"] = indented(t, w.letterVectors())
	files["registers.json"] = indented(t, w.registerVectors())
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(vectorFolder, name)
		if *update {
			if err := os.WriteFile(path, files[name], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, files[name]) {
			t.Errorf("%s differs from the code (%v); run make generate", name, err)
		}
	}
	checkNothingElse(t, files)
}

// checkNothingElse finds vectors that are no longer made.
func checkNothingElse(t *testing.T, files map[string][]byte) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(vectorFolder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == "README.md" || path == "encrypted.json" || path == "referrals.json" { // the latter two by seal and gateway
			return err
		}
		if _, made := files[path]; !made {
			t.Errorf("%s is not made by this test", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readVectors gives the vectors of one kind as they are on disk.
func readVectors[V any](t *testing.T, name string) []V {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectorFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	var all []V
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no vectors in %s", name)
	}
	return all
}
