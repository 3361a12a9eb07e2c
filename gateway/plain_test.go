package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
)

func TestAsItIsKnowsWhatJSONEscapes(t *testing.T) {
	for c := range 256 {
		for before := range 17 {
			text := strings.Repeat("z", before) + string([]byte{byte(c)}) + strings.Repeat(" ", 16-before)
			written, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			want := string(written) == `"`+text+`"` && c < 0x7f // those above are left to encoding/json
			if got := gateway.AsItIs([]byte(text)); got != want {
				t.Errorf("byte %#x after %d others: got %t, want %t", c, before, got, want)
			}
		}
	}
}

// TestDataIsWrittenAsJSONDoes: wherever something stands that is written in
// another way, or that ends a text or does not.
func TestDataIsWrittenAsJSONDoes(t *testing.T) {
	within := []string{"", "<", ">", "&", " ", `\"`, `\\`, `\\\"`, "é", "€", "\u2028", `\u003c`, "\x7f"}
	between := []string{"", " ", "\t", "\n", "\r", "  "}
	for before := range 17 {
		for _, odd := range within {
			for _, space := range between {
				data := `{"` + strings.Repeat("z", before) + odd + `":` + space + `[1,"` + odd + `"]}`
				want, err := json.Marshal(json.RawMessage(data))
				if err != nil {
					t.Fatal(err)
				}
				got := string(gateway.Message{Data: gateway.RawJSON(data)}.Encode())
				if !strings.HasSuffix(got, `"data":`+string(want)+"}") {
					t.Errorf("data %s: got %s, want %s", data, got, want)
				}
			}
		}
	}
}
