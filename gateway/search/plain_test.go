package search_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// What is cut short, cached and left out changes no result: it is that of the
// plain way.
func TestPlainWay(t *testing.T) {
	lists := codeLists(t)
	islands, err := search.LoadMap(fstest.MapFS{ // to some places no way leads
		search.CrossingsFile: {Data: []byte("naam,soort,minuten,lat1,lon1,lat2,lon2\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom([]*search.Map{search.ShippedMap(), islands}).Draw(t, "map")
		offers := drawn(rapid.IntRange(0, 150).Draw(t, "offers"), rapid.Uint64().Draw(t, "seed"))
		crowd := rapid.Bool().Draw(t, "crowd")
		for i := range offers { // several at one place, or near each other, on either bank of a river
			at := &offers[i].Capacity.Location
			if i > 0 && rapid.IntRange(0, 5).Draw(t, "same place") == 0 {
				*at = offers[i-1].Capacity.Location
			} else if c := at.Coordinates; crowd && c != nil {
				c.Lat, c.Lon = 51.81+(c.Lat-51.81)/10, 4.67+(c.Lon-4.67)/10
			}
		}
		some := func(all ...search.Criterion) []search.Criterion {
			return slices.DeleteFunc(all, func(search.Criterion) bool { return rapid.Bool().Draw(t, "not") })
		}
		d := search.Demand{
			From: today, Fase: rapid.IntRange(0, 3).Draw(t, "fase"), LittleDutch: rapid.Bool().Draw(t, "little Dutch"),
			Postcode: rapid.SampledFrom([]string{"2952", "3311", "3313", "2961", "9711", "1011", ""}).Draw(t, "postcode"),
			MaxKm:    rapid.SampledFrom([]float64{0, 2, 3, 4, 5, 6.5, 9.5, 15, 40}).Draw(t, "km"),
			Wishes:   some(search.Fase, search.Afstand, search.Werksoort), Demands: some(search.Taal),
			Why: rapid.Bool().Draw(t, "why"), Limit: rapid.SampledFrom([]int{1, 2, 3, 8}).Draw(t, "limit"),
		}
		if d.Postcode == "" {
			d.MaxKm = 0
		}
		if rapid.Bool().Draw(t, "groen") {
			d.Werksoorten = []string{"groen"}
		}
		samePlainly(t, m, lists, offers, d)
	})
	for _, postcode := range []string{"2952", "3311", "3313"} { // so many that most come behind others
		for _, km := range []float64{3, 5, 8, 12} {
			d := search.Demand{From: today, Postcode: postcode, MaxKm: km, Limit: 2}
			most = max(most, samePlainly(t, search.ShippedMap(), lists, many(1500), d))
		}
	}
	if most < 500 {
		t.Errorf("got at most %d offers that fit: this tests little", most)
	}
}

func samePlainly(t rapid.TB, m *search.Map, lists gateway.CodeLists, offers []search.Offer, d search.Demand) (fitting int) {
	t.Helper()
	before, _ := json.Marshal(offers)
	got, want := search.Find(m, lists, offers, d), search.PlainFind(m, lists, offers, d)
	if after, _ := json.Marshal(offers); string(after) != string(before) { // others search in them too
		t.Fatalf("%+v changed what was searched:\ngot  %s\nwant %s", d, after, before)
	}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) {
		t.Fatalf("%+v:\ngot  %s\nwant %s", d, gotText, wantText)
	}
	return got.Fitting
}

// Ten thousand offers of a thousand locations; and each with coordinates of its
// own, which is more than the country has.
func BenchmarkSearch10000(b *testing.B) {
	offers := many(10_000)
	b.Run("spread", func(b *testing.B) { search10000(b, offers) })
	for i := range offers {
		offers[i].Capacity.Location = offers[i%1000].Capacity.Location
	}
	b.Run("locations", func(b *testing.B) { search10000(b, offers) })
}

func search10000(b *testing.B, offers []search.Offer) {
	m, lists := shipped(b), codeLists(b)
	d := search.Demand{
		Werksoorten: []string{"groen"}, Fase: 2, Trede: 3, Dagdelen: []gateway.Dagdeel{"di-ochtend"}, Postcode: "2952", MaxKm: 15,
		From: today, LittleDutch: true, Doelgroepen: []string{"statushouders"},
	}
	b.ReportAllocs()
	least := time.Hour // what other work on the machine adds is not of the search
	for b.Loop() {
		start := time.Now()
		if search.Find(m, lists, offers, d).Fitting == 0 {
			b.Fatal("nothing fits")
		}
		least = min(least, time.Since(start))
	}
	b.ReportMetric(float64(least.Microseconds())/1000, "ms-least")
}
