package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
)

// A lens gives the very decision that its policy does; and recipients of one
// class get the same one about what is allotted to nobody.
func TestLensIsThePolicy(t *testing.T) {
	e := env(t)
	for name, most := range map[string]int{"few rules": 8, "more than a word": 140, "more than fit the stack": 600} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				drawn := drawPolicy(t, most)
				p := drawn.load(t, e)
				decided := map[string]*gateway.Decision{}
				offer := drawOffer(t)
				offer.Allotments = nil
				for range 10 {
					q := drawRequest(t)
					lens := p.For(q.Kind, q.Recipient, q.Day)
					for range 3 {
						q.Offer = drawOffer(t)
						if got, want := lens.Decide(q.Offer), p.Decide(q); got != want {
							t.Fatalf("got %+v, want %+v\n%s", got, want, drawn.yaml())
						}
					}
					got := lens.Decide(offer)
					if first, ok := decided[q.Kind+lens.Class()]; ok && got != first {
						t.Fatalf("class %q: got %+v and %+v\n%s", lens.Class(), first, got, drawn.yaml())
					}
					decided[q.Kind+lens.Class()] = got
				}
			})
		})
	}
}
