package store_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ownOffers have everything that an own offer can have, and nothing.
func ownOffers() []store.OwnOffer {
	exact := time.Date(2026, 11, 2, 8, 0, 0, 123_456_789, time.UTC)
	full := store.OwnOffer{Offer: gatewaytest.Occupy(gatewaytest.Offer("a"), "dordrecht", 3), Source: "admin", Problem: "één fout", Changed: exact}
	full.Sampling = full.Sampling.Advance(full.Offer, exact.AddDate(0, 0, -20)).Advance(full.Offer, exact)
	full.Offer.Updated = exact.Add(time.Nanosecond)
	full.Offer.Title = "\"Groen\" & <wijk> €"
	none := store.OwnOffer{Offer: gateway.Offer{ID: "b"}}
	empty := store.OwnOffer{Offer: gateway.Offer{ID: "c", Werksoorten: []string{}, Places: []gateway.Places{}}}
	empty.Sampling.Current = gateway.Sample{Places: map[gateway.Dagdeel]int{}, Allotments: map[string]map[gateway.Dagdeel]int{"x": {}}}
	return []store.OwnOffer{full, none, empty}
}

// Own offers come back as they were stored, also from rows of before.
func TestOwnOffersComeBack(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprint("as JSON ", before), func(t *testing.T) {
			s, want := open(t, store.Options{}), ownOffers()
			if before {
				for _, o := range want {
					must(t, s.PutOwnAsJSON(ctx, o))
				}
			} else {
				must(t, s.Publish(ctx, start(), store.Publication{Put: want}))
			}
			s.reopen(t)
			if got := get(s.OwnOffers(ctx))(t); !reflect.DeepEqual(got, want) {
				t.Errorf("OwnOffers: got %+v\nwant %+v", got, want)
			}
			if got := get(s.OwnOffersAfter(ctx, "a", 1))(t); !reflect.DeepEqual(got, want[1:2]) {
				t.Errorf("OwnOffersAfter: got %+v\nwant %+v", got, want[1:2])
			}
			known := get(s.OwnOffersOf(ctx, []string{"c", "a", "none", "a", "b"}))(t)
			if len(known) != len(want) {
				t.Errorf("OwnOffersOf: got %d, want %d", len(known), len(want))
			}
			for _, o := range want {
				k := known[o.Offer.ID]
				if k == nil || k.ID != o.Offer.ID || k.Source != o.Source || k.Problem != o.Problem || !bytes.Equal(k.Said, o.Offer.Encode()) {
					t.Fatalf("OwnOffersOf: got %+v, want %+v", k, o)
				}
				if got := get(k.Sampling())(t); !reflect.DeepEqual(got, o.Sampling) {
					t.Errorf("Sampling: got %+v, want %+v", got, o.Sampling)
				}
				if got := get(k.Whole())(t); !reflect.DeepEqual(got, o) {
					t.Errorf("Whole: got %+v, want %+v", got, o)
				}
			}
			must(t, s.Publish(ctx, start(), store.Publication{Delete: []string{"a"}}))
			if got := get(s.GoneSampling(ctx, "a"))(t); !reflect.DeepEqual(got, want[0].Sampling) {
				t.Errorf("GoneSampling: got %+v, want %+v", got, want[0].Sampling)
			}
		})
	}
}
