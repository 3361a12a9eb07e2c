package rest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

// plainPersonVectors are messages of kinds about persons that came as they must not:
// signed, and not encrypted; and another that carries what only these have.
// encrypted.json has them as they should be.
func (w *world) plainPersonVectors() []messageVector {
	var list []messageVector
	add := func(name, describes string, change func(event)) {
		list = append(list, w.edited(name, describes, change, gateway.Refused, gateway.ReasonConfidential, all))
	}
	of := func(kind, file string) func(event) {
		data, err := os.ReadFile(filepath.Join("../../schemas/testdata/valid", kind, file+".json"))
		if err != nil {
			w.t.Fatal(err)
		}
		return func(e event) {
			e["type"], e["dataschema"] = "nl.doorstroom."+kind+".v1", "https://doorstroom.example/schemas/"+kind+".v1.json"
			e["data"] = json.RawMessage(data)
		}
	}
	padded := func(change func(event)) func(event) {
		return func(e event) {
			change(e)
			e["nonce"], e["padding"] = base64url(seed("nonce")[:16]), ""
			e["padding"] = strings.Repeat("0", 4096-len(e.bytes()))
		}
	}
	for _, row := range []struct{ kind, file, what string }{
		{"referral-state", "full", "the state of a referral"},
		{"subject-request", "erase", "a request of an inhabitant"},
		{"subject-answer", "done", "the answer to a request of an inhabitant"},
	} {
		add("plain-"+row.kind, row.what+", not encrypted", of(row.kind, row.file))
		add("plain-"+row.kind+"-padded", row.what+", padded and not encrypted", padded(of(row.kind, row.file)))
	}
	add("nonce", "an offer, with a nonce", func(e event) { e["nonce"] = base64url(seed("nonce")[:16]) })
	add("padding", "an offer, padded", padded(func(event) {}))
	return list
}
