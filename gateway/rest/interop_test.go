package rest_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
)

// TestThirdPartyStandsAlone: the files of the third party are a program by
// themselves, and import nothing but the standard library.
func TestThirdPartyStandsAlone(t *testing.T) {
	names, err := filepath.Glob("thirdparty*_test.go")
	if err != nil || len(names) < 2 {
		t.Fatalf("found %v, %v", names, err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil || strings.Contains(strings.Split(path, "/")[0], ".") {
				t.Errorf("%s imports %s", name, spec.Path.Value)
			}
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", nil)}
	if _, err := config.Check("thirdparty", fset, files, nil); err != nil {
		t.Errorf("it needs something of ours: %v", err)
	}
}

// thirdRecipient is the third party in the place of Alblasserdam.
func thirdRecipient(t *testing.T) *thirdParty {
	t.Helper()
	schemas, err := thirdReadSchemas("../../schemas")
	if err != nil {
		t.Fatal(err)
	}
	p := newThirdParty(string(vAlblasserdam), newThirdSigner(thirdKeyFile(t, "alblasserdam"), day("2026-01-01")), schemas)
	if p.register, err = thirdFirstRegister(schemas, readVector(t, "register.jws"), registrars(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func readVector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func thirdKeyFile(t *testing.T, name string) ed25519.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(readVector(t, "keys/"+name+".pem"))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// registrars are the ids of the keys that sign the register of the vectors.
func registrars(t *testing.T) []string {
	t.Helper()
	var kids []string
	for _, name := range []string{"registrar-1", "registrar-2", "registrar-3"} {
		kids = append(kids, newThirdSigner(thirdKeyFile(t, name), day("2026-01-01")).public.KID)
	}
	return kids
}

// TestThirdPartyVectors: two nodes that share no code answer every vector alike.
func TestThirdPartyVectors(t *testing.T) {
	t.Parallel()
	p := thirdRecipient(t)
	for _, v := range readVectors[messageVector](t, "messages.json") {
		p.forget()
		checkThirdMessages(t, p, v)
	}
	for _, v := range readVectors[helloVector](t, "hellos.json") {
		p.forget()
		if _, status := p.heard(string(v.Peer), v.Hello, v.At); status != v.Status {
			t.Errorf("%s: got status %d, want %d", v.Name, status, v.Status)
		}
	}
	for _, v := range readVectors[registerVector](t, "registers.json") {
		var err error
		if v.First {
			_, err = thirdFirstRegister(p.schemas, []byte(v.File), registrars(t))
		} else {
			_, err = p.register.next(p.schemas, []byte(v.File), v.At)
		}
		if (err == nil) != v.Accepted {
			t.Errorf("%s: got %v, want accepted %v", v.Name, err, v.Accepted)
		}
	}
	for _, v := range readVectors[letterVector](t, "letters.json") {
		checkThirdLetters(t, p, v)
	}
	p.oin = string(vSmile) // who sent these messages
	for _, v := range readVectors[receiptVector](t, "receipts.json") {
		checkThirdReceipts(t, p, v)
	}
}

func checkThirdMessages(t *testing.T, p *thirdParty, v messageVector) {
	t.Helper()
	for i, step := range v.Steps {
		if step.Hello != "" {
			if _, status := p.heard(string(step.Peer), step.Hello, step.At); status != http.StatusOK {
				t.Errorf("%s: step %d: got status %d", v.Name, i, status)
			}
			continue
		}
		got := string(thirdJSON(p.accept(string(step.Peer), step.Messages, step.At).Items))
		if want := canonicalItems(step.Items); got != want {
			t.Errorf("%s: step %d: got %s, want %s", v.Name, i, got, want)
		}
	}
	if got := p.sender(string(v.Steps[0].Peer)).holds(); got != thirdDigest(v.Holds) {
		t.Errorf("%s: holds: got %+v, want %+v", v.Name, got, v.Holds)
	}
}

// checkThirdLetters has the third party be the provider or a party of requests.
func checkThirdLetters(t *testing.T, p *thirdParty, v letterVector) {
	t.Helper()
	p.oin = string(v.Recipient)
	defer func() { p.oin = string(vAlblasserdam) }()
	division := thirdDivision{
		shown:   []string{string(vAlblasserdam), string(vDordrecht)},
		parties: map[string][]string{"alblasserdam": {string(vAlblasserdam)}, "dordrecht": {string(vDordrecht)}, "overig": nil},
		free:    map[string]map[string]int{"": {}},
	}
	for id := range division.parties {
		division.free[id] = map[string]int{"ma-ochtend": 5, "ma-middag": 5}
	}
	shifts := &thirdShifts{offers: map[string]thirdDivision{"groen": division}, rows: map[string]*thirdShift{}, heard: map[string]string{}}
	for i, step := range v.Steps {
		status := http.StatusOK
		state, err := p.letter(shifts, string(step.Peer), step.Letter, step.At)
		var fault thirdFault
		if errors.As(err, &fault) {
			status = int(fault)
		}
		if got, want := string(thirdJSON(state)), string(thirdJSON(step.State)); status != step.Status || got != want {
			t.Errorf("%s: step %d: the third party has %d %s, want %d %s", v.Name, i, status, got, step.Status, want)
		}
	}
}

func canonicalItems(items []gateway.ReceiptItem) string {
	var all []string
	for _, item := range items {
		all = append(all, string(canonicalItem(item)))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func checkThirdReceipts(t *testing.T, p *thirdParty, v receiptVector) {
	t.Helper()
	var answer thirdAnswer
	b, err := json.Marshal(v.Answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		t.Fatal(err)
	}
	if err := p.believe(string(vAlblasserdam), v.Sent, answer, v.At); (err == nil) != v.Believed {
		t.Errorf("%s: got %v, want believed %v", v.Name, err, v.Believed)
	}
	root := thirdRoot(answer.Items)
	for _, proof := range v.Proofs {
		if string(thirdJSON(answer.Items[proof.Index])) != proof.Leaf {
			t.Errorf("%s: item %d is not the leaf of its proof", v.Name, proof.Index)
		}
		if !thirdProves(root, []byte(proof.Leaf), proof.Index, len(answer.Items), proof.Path) {
			t.Errorf("%s: the path of item %d does not lead to the root", v.Name, proof.Index)
		}
		if thirdProves(root, []byte(proof.Leaf+" "), proof.Index, len(answer.Items), proof.Path) {
			t.Errorf("%s: the path of item %d proves something else", v.Name, proof.Index)
		}
	}
}
