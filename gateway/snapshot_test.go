package gateway_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// TestFormIsWhatWasProjected: of an offer that says something everywhere, a
// snapshot holds each field in the form of the disclosure that it was made by.
func TestFormIsWhatWasProjected(t *testing.T) {
	o := gatewaytest.Offer("groen")
	o.Doelgroepen, o.Accessibility, o.Status = []string{"pro"}, []string{"rolstoel"}, gateway.StatusCapacity
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := gateway.Sampling{}.Advance(o, now)
	s.Previous = &s.Current
	to := gateway.Recipient{Party: gatewaytest.Alblasserdam, Gemeenten: []gateway.Gemeente{"gm0482"}}
	rapid.Check(t, func(t *rapid.T) {
		show := gateway.Disclosure{}
		for _, f := range gateway.Fields() {
			show[f] = rapid.SampledFrom(f.Forms()).Draw(t, string(f))
		}
		if show[gateway.FieldAllotments] == gateway.None {
			show[gateway.FieldAllotmentsAvailable] = gateway.None
		}
		c := gateway.Project(o, s, to, show)
		for _, f := range gateway.Fields() {
			if got := c.Form(f); got != show[f] {
				t.Errorf("%s: got %s, want %s", f, got, show[f])
			}
		}
	})
}

// TestFormOfWhatIsNeverProjected: what a projection should not make is seen too.
func TestFormOfWhatIsNeverProjected(t *testing.T) {
	five := 5
	for name, c := range map[string]struct {
		places []gateway.CapacityPlaces
		want   gateway.Form
	}{
		"nothing":         {nil, gateway.None},
		"only a maximum":  {[]gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Maximum: &five}}, gateway.None},
		"only a dagdeel":  {[]gateway.CapacityPlaces{{Dagdeel: "ma-ochtend"}}, gateway.Public},
		"an exact number": {[]gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Band: gateway.Plek}, {Dagdeel: "ma-middag", Available: &five}}, gateway.Exact},
		"two forms":       {[]gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Band: gateway.Enkele}, {Dagdeel: "ma-middag", Band: gateway.Plek}}, gateway.Banded},
	} {
		if got := (gateway.Capacity{Places: c.places}).Form(gateway.FieldAvailable); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
