package audit_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestCellOfAnOffer: drawn offers are decided as their cell says, what they are
// projected to stays within it, and within what any cell shows.
func TestCellOfAnOffer(t *testing.T) {
	env := world(t)
	rapid.Check(t, func(t *rapid.T) {
		data := drawRules(t)
		p, _, err := policy.Load([]policy.File{{Name: "p.yaml", Data: []byte(data)}}, env)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		party, _ := env.Lookup(rapid.SampledFrom([]gateway.OIN{rijswijk, dordt, grs}).Draw(t, "to"))
		to := party.RecipientOn(today, gateway.KindCapacity, env.Lookup)
		cells, err := audit.NewCells(p, to, today)
		if err != nil {
			t.Fatal(err)
		}
		widest := cells.Widest()
		for range 5 {
			o := drawOffer(t)
			want := p.Decide(policy.Request{Kind: gateway.KindCapacity, Offer: o, Recipient: to, Day: today}).Show
			got := cells.Of(o, today)
			if !maps.Equal(got, want) {
				t.Fatalf("%+v: got %v, want %v\n%s", o, got, want, data)
			}
			if len(got) == 0 {
				continue
			}
			snapshot := gateway.Project(*o, gateway.Sampling{}, to, got)
			beyond := slices.Concat(audit.Outside(snapshot, got), audit.Outside(snapshot, widest), audit.OutsideOwn(snapshot, o, to))
			if len(beyond) > 0 {
				t.Fatalf("%+v: got %q outside %v", o, beyond, got)
			}
		}
	})
}

// TestOutside: what is not shown at all, what is shown in a narrower form, what
// others own.
func TestOutside(t *testing.T) {
	band, two := []gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Band: gateway.Enkele}}, 2
	to := gateway.Recipient{Party: dordt, Gemeenten: []gateway.Gemeente{"gm0505"}}
	o := &gateway.Offer{Allotments: []gateway.Allotment{
		{ID: "own", Parties: []gateway.OIN{dordt}}, {ID: "shared", Gemeenten: []gateway.Gemeente{"gm0505", "gm0603"}}, {ID: "theirs", Parties: []gateway.OIN{rijswijk}},
	}}
	exactly := []gateway.CapacityPlaces{{Dagdeel: "ma-ochtend", Available: &two}}
	for name, c := range map[string]struct {
		snapshot gateway.Capacity
		show     gateway.Disclosure
		want     []string
	}{
		"within":        {gateway.Capacity{Title: "x", Places: band}, gateway.Disclosure{"title": "exact", "places.available": "band"}, nil},
		"less":          {gateway.Capacity{}, gateway.Disclosure{"title": "exact"}, nil},
		"a field":       {gateway.Capacity{Title: "x"}, gateway.Disclosure{"places.available": "band"}, []string{"title as exact, at most none"}},
		"a form":        {gateway.Capacity{Places: band}, gateway.Disclosure{"places.available": "plek"}, []string{"places.available as band, at most plek"}},
		"denied":        {gateway.Capacity{}, nil, []string{"the offer itself"}},
		"withdrawn":     {gateway.Capacity{Withdrawn: true}, nil, nil},
		"not only that": {gateway.Capacity{Withdrawn: true, Title: "x"}, gateway.Disclosure{"title": "exact"}, []string{"title as exact, at most none"}},
		"own":           {gateway.Capacity{Allotments: []gateway.CapacityAllotted{{ID: "own", Places: exactly}}}, gateway.Disclosure{"allotments": "exact", "allotments.available": "exact"}, nil},
		"of others":     {gateway.Capacity{Allotments: []gateway.CapacityAllotted{{ID: "theirs"}}}, gateway.Disclosure{"allotments": "exact"}, []string{"an allotment of others"}},
		"shared":        {gateway.Capacity{Allotments: []gateway.CapacityAllotted{{ID: "shared", Places: exactly}}}, gateway.Disclosure{"allotments": "exact", "allotments.available": "exact"}, []string{"exact numbers of a shared allotment"}},
	} {
		if got := append(audit.Outside(c.snapshot, c.show), audit.OutsideOwn(c.snapshot, o, to)...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
