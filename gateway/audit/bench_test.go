package audit_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/policies"
)

// BenchmarkMatrix makes the table of all 342 gemeenten under the template of a
// leerwerkbedrijf: in general, and of 500 offers.
func BenchmarkMatrix(b *testing.B) {
	e := env(b)
	e.Parties = e.Parties[:1]
	var offers []gateway.Offer
	for i := range 342 {
		g := gateway.Gemeente(fmt.Sprintf("gm%04d", i))
		e.Parties = append(e.Parties, gateway.Party{
			OIN: gateway.OIN(fmt.Sprintf("00000099%012d", 3000+i)), Name: fmt.Sprint("Gemeente ", i), Kind: gateway.GemeenteKind, Gemeenten: []gateway.GemeenteFor{{Code: g}},
		})
		for range 2 {
			offers = append(offers, gateway.Offer{
				ID: fmt.Sprint("offer-", len(offers)), Provider: smile, Trajectsoort: "leerwerkplek", Grondslag: "participatiewet", ValidUntil: "2027-12-31",
				Allotments: []gateway.Allotment{{ID: "a", Gemeenten: []gateway.Gemeente{g}}},
			})
		}
	}
	offers = offers[:500]
	data, err := fs.ReadFile(policies.FS(), "leerwerkbedrijf.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p := load(b, e, []byte(strings.ReplaceAll(string(data), "{{party}}", string(smile))))
	about, all := audit.NewAbout(p, e, 1, today), audit.Recipients(e, today)
	b.Run("general", func(b *testing.B) {
		for b.Loop() {
			if _, err := audit.NewMatrix(p, about, all); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("offers", func(b *testing.B) {
		for b.Loop() {
			audit.NewOffers(p, about, all, offers)
		}
	})
}
