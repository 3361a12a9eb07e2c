package search_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/search"
	"github.com/doorstroom/doorstroom/schemas"
)

const today gateway.Date = "2026-11-23"

func codeLists(t testing.TB) gateway.CodeLists {
	t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

// offer is what Alblasserdam sees of an offer of which it may see all.
func offer(id string, change ...func(*gateway.Capacity)) search.Offer {
	places := []gateway.CapacityPlaces{
		{Dagdeel: "ma-ochtend", Maximum: new(15), Band: gateway.Enkele}, {Dagdeel: "di-ochtend", Maximum: new(15), Band: gateway.Ruim},
	}
	c := gateway.Capacity{
		Offer: id, Provider: "00000099000000001000", Title: "Groen in de wijk", Werksoorten: []string{"groen", "hout"},
		Trajectsoort: "participatieplaats", Doelgroepen: []string{"langdurig-bijstand", "statushouders"},
		Fase: gateway.Range{Min: 2, Max: 3}, Trede: gateway.Range{Min: 2, Max: 4},
		Begeleiding:   gateway.Begeleiding{Soort: "werkbegeleider", Intensiteit: "midden"},
		Location:      gateway.CapacityLocation{Postcode: "2951AA", Gemeente: "gm0482"},
		Places:        places,
		Allotments:    []gateway.CapacityAllotted{allotment(3, 3)},
		Accessibility: []string{"rolstoel", "eenvoudig-nederlands"}, Status: gateway.StatusCapacity,
		ValidFrom: "2026-01-01", ValidUntil: "2027-12-31",
	}
	for _, do := range change {
		do(&c)
	}
	return search.Offer{ProviderName: "Smile", Capacity: &c}
}

// allotment has so many free places on Monday and Tuesday morning.
func allotment(monday, tuesday int) gateway.CapacityAllotted {
	return gateway.CapacityAllotted{ID: "a", Places: []gateway.CapacityPlaces{
		{Dagdeel: "ma-ochtend", Maximum: new(5), Available: &monday}, {Dagdeel: "di-ochtend", Maximum: new(5), Available: &tuesday},
	}}
}

func find(t testing.TB, d search.Demand, offers ...search.Offer) search.Result {
	t.Helper()
	lists := codeLists(t)
	if err := d.Check(lists, today); err != nil {
		t.Fatal(err)
	}
	if d.From == "" {
		d.From = today
	}
	return search.Find(shipped(t), lists, offers, d)
}

// where gives the group and the result of one offer; "" if it was not found.
func where(r search.Result, id string) (search.Group, search.Found) {
	for _, g := range r.Groups {
		for _, f := range g.Found {
			if f.Offer == id {
				return g.Group, f
			}
		}
	}
	return "", search.Found{}
}

func TestExplained(t *testing.T) {
	result := find(t, search.Demand{
		Werksoorten: []string{"groen"}, Dagdelen: []gateway.Dagdeel{"di-ochtend"}, Postcode: "3361AB", MaxKm: 15,
	}, offer("a"))
	group, found := where(result, "a")
	want := "11,8 km fietsen; op dinsdagochtend 3 plekken binnen uw toewijzing; werksoort groen en tuin past"
	if group != search.Allotted || found.Text != want {
		t.Errorf("got %s: %q\nwant %s: %q", group, found.Text, search.Allotted, want)
	}
}

// What is not known of the way is said: that water was not looked at, or that a
// postcode is not on the map.
func TestUnknownWaySaid(t *testing.T) {
	at := func(lat, lon float64) func(*gateway.Capacity) {
		return func(c *gateway.Capacity) {
			c.Location = gateway.CapacityLocation{Coordinates: &gateway.Coordinates{Lat: lat, Lon: lon}}
		}
	}
	for _, test := range []struct {
		name, postcode string
		km             float64
		change         func(*gateway.Capacity)
		text, note     string
	}{
		{"straight", "2711", 0, at(52.156, 4.485), "ongeveer 14 km fietsen (hemelsbreed × 1,3, water niet meegerekend)", "Waar water niet is meegerekend"},
		{"over a river that is known", "2951", 0, at(51.55, 4.65), "(via Brug over de Noord en Zwijndrechtse Brug en Moerdijkbrug; ander water niet meegerekend)", "Waar water"},
		{"known", "2711", 0, at(52.056, 4.485), "minder dan 1 km fietsen; ", "Fietsafstanden zijn een schatting, vanaf het midden van het postcodegebied."},
		{"home unknown", "9999", 0, at(52.056, 4.485), "onbekend: afstand", "fietsafstanden zijn onbekend."},
		{"home unknown, and a distance", "9999", 7.5, at(52.056, 4.485), "onbekend: afstand", "hoogstens 7,5 km kan fietsen, sluit niets uit"},
	} {
		result := find(t, search.Demand{Postcode: test.postcode, MaxKm: test.km}, offer("a", test.change))
		_, found := where(result, "a")
		if notes := strings.Join(result.Notes, "\n"); !strings.Contains(found.Text, test.text) || !strings.Contains(notes, test.note) ||
			strings.Contains(notes, "Waar water") != (found.Ride != nil && found.Ride.NoWater) {
			t.Errorf("%s: got %q with notes %q; want %q and %q", test.name, found.Text, notes, test.text, test.note)
		}
	}
}

func TestGroups(t *testing.T) {
	full := func(c *gateway.Capacity) { c.Allotments = []gateway.CapacityAllotted{allotment(0, 0)} }
	none := func(c *gateway.Capacity) { c.Allotments = nil }
	sliedrecht := func(c *gateway.Capacity) {
		c.Location = gateway.CapacityLocation{Gemeente: "gm0610", Postcode: "3361AA"}
	}
	nothing := func(c *gateway.Capacity) { c.Places, c.Status = nil, "" }
	vol := func(c *gateway.Capacity) {
		for i := range c.Places {
			c.Places = slices.Clone(c.Places)
			c.Places[i].Band = gateway.Vol
		}
		c.Status = ""
	}
	status := func(s gateway.Status) func(*gateway.Capacity) { return func(c *gateway.Capacity) { c.Status = s } }
	expired := func(c *gateway.Capacity) { c.Allotments[0].ValidUntil = "2026-11-01" }
	for _, test := range []struct {
		name   string
		change []func(*gateway.Capacity)
		want   search.Group
		text   string
	}{
		{"one's own", nil, search.Allotted, "op maandagochtend 3 plekken binnen uw toewijzing"},
		{"one's own elsewhere", []func(*gateway.Capacity){sliedrecht}, search.Allotted, "binnen uw toewijzing"},
		{"number six", []func(*gateway.Capacity){full}, search.AllottedTo, "uw toewijzing is vol, daarbuiten plek"},
		{"allotment over", []func(*gateway.Capacity){expired}, search.Free, "op maandagochtend plek"},
		{"no allotment", []func(*gateway.Capacity){none}, search.Free, "op maandagochtend plek"},
		{"no allotment, elsewhere", []func(*gateway.Capacity){none, sliedrecht}, search.Elsewhere, "in Sliedrecht"},
		{"number six, elsewhere", []func(*gateway.Capacity){full, sliedrecht}, search.Elsewhere, "uw toewijzing is vol"},
		{"full", []func(*gateway.Capacity){none, vol}, search.Waiting, "vol; of er een wachtlijst is, is onbekend"},
		{"waiting list", []func(*gateway.Capacity){none, vol, status(gateway.StatusWaitlist)}, search.Waiting, "vol; er is een wachtlijst"},
		{"all full, own too", []func(*gateway.Capacity){full, vol}, search.Waiting, "vol"},
		{"own full, rest not shown", []func(*gateway.Capacity){full, nothing}, search.Waiting, "of er andere plekken zijn, is onbekend"},
		{"nothing shown", []func(*gateway.Capacity){none, nothing}, search.Unknown, "of er plek is, is onbekend"},
		{"nothing shown but that it is full", []func(*gateway.Capacity){none, nothing, status(gateway.StatusNoCapacity)}, search.Waiting, "vol"},
	} {
		o := offer("a", test.change...)
		got, found := where(find(t, search.Demand{Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, Postcode: "2951"}, o), "a")
		if got != test.want || !strings.Contains(found.Text, test.text) {
			t.Errorf("%s: got %s %q, want %s with %q", test.name, got, found.Text, test.want, test.text)
		}
	}
}

// An allotment for the whole week is of no use when one of the days is full.
func TestAllDagdelen(t *testing.T) {
	o := offer("a", func(c *gateway.Capacity) { c.Allotments = []gateway.CapacityAllotted{allotment(2, 0)} })
	for _, test := range []struct {
		days []gateway.Dagdeel
		want search.Group
		text string
	}{
		{[]gateway.Dagdeel{"ma-ochtend"}, search.Allotted, "op maandagochtend 2 plekken"},
		{[]gateway.Dagdeel{"di-ochtend", "ma-ochtend"}, search.AllottedTo, "op maandagochtend en dinsdagochtend uw toewijzing is vol"},
		{nil, search.Allotted, "2 plekken binnen uw toewijzing"},
	} {
		if got, found := where(find(t, search.Demand{Dagdelen: test.days}, o), "a"); got != test.want || !strings.HasPrefix(found.Text, test.text) {
			t.Errorf("%v: got %s %q, want %s %q", test.days, got, found.Text, test.want, test.text)
		}
	}
}

// Of each criterion: what fits, what does not and why, and what is not shown.
func TestCriteria(t *testing.T) {
	later := func(c *gateway.Capacity) { c.ValidFrom = "2027-02-01" }
	for _, test := range []struct {
		demand search.Demand
		change func(*gateway.Capacity)
		want   string // "" fits, ? unknown, else why not
	}{
		{search.Demand{Werksoorten: []string{"hout", "metaal"}}, nil, ""},
		{search.Demand{Werksoorten: []string{"metaal"}}, nil, "alleen werksoort groen en tuin, hout"},
		{search.Demand{Werksoorten: []string{"metaal"}}, func(c *gateway.Capacity) { c.Werksoorten = nil }, "?"},
		{search.Demand{Trajectsoort: "stage"}, nil, "ander traject: participatieplaats"},
		{search.Demand{Trajectsoort: "stage"}, func(c *gateway.Capacity) { c.Trajectsoort = "" }, "?"},
		{search.Demand{Fase: 1}, nil, "voor fase 2 tot en met 3"},
		{search.Demand{Fase: 1}, func(c *gateway.Capacity) { c.Fase = gateway.Range{} }, "?"},
		{search.Demand{Trede: 4}, nil, ""},
		{search.Demand{Trede: 5}, nil, "voor trede 2 tot en met 4"},
		{search.Demand{Doelgroepen: []string{"ggz", "statushouders"}}, nil, ""},
		{search.Demand{Doelgroepen: []string{"ggz"}}, nil, "voor een andere doelgroep"},
		{search.Demand{Doelgroepen: []string{"ggz"}}, func(c *gateway.Capacity) { c.Doelgroepen = nil }, "?"},
		{search.Demand{Dagdelen: []gateway.Dagdeel{"ma-ochtend", "wo-avond"}}, nil, "niet op woensdagavond"},
		{search.Demand{Dagdelen: []gateway.Dagdeel{"wo-avond"}}, func(c *gateway.Capacity) { c.Places, c.Allotments = nil, nil }, "?"},
		{search.Demand{Toegankelijkheid: []string{"rolstoel"}}, nil, ""},
		{search.Demand{Toegankelijkheid: []string{"rolstoel", "lift"}}, nil, "niet genoemd: lift of begane grond"},
		{search.Demand{Toegankelijkheid: []string{"lift"}}, func(c *gateway.Capacity) { c.Accessibility = nil }, "?"},
		{search.Demand{LittleDutch: true}, nil, ""},
		{search.Demand{Begeleiding: "jobcoach", Demands: []search.Criterion{search.Begeleiding}}, nil, "andere of minder begeleiding"},
		{search.Demand{Intensiteit: "hoog", Demands: []search.Criterion{search.Begeleiding}}, nil, "andere of minder begeleiding"},
		{search.Demand{Intensiteit: "laag", Demands: []search.Criterion{search.Begeleiding}}, nil, ""},
		{search.Demand{Intensiteit: "hoog", Demands: []search.Criterion{search.Begeleiding}}, func(c *gateway.Capacity) { c.Begeleiding = gateway.Begeleiding{} }, "?"},
		{search.Demand{Begeleiding: "jobcoach"}, nil, ""}, // a wish
		{search.Demand{From: "2026-12-01"}, later, "pas vanaf 01-02-2027"},
		{search.Demand{From: "2028-01-03"}, nil, "maar tot en met 31-12-2027"},
		{search.Demand{}, func(c *gateway.Capacity) { c.ValidUntil = "2026-11-22" }, "maar tot en met 22-11-2026"},
		{search.Demand{Wishes: []search.Criterion{search.Datum}}, func(c *gateway.Capacity) { c.ValidUntil = "2026-11-22" }, "maar tot en met 22-11-2026"},
		{search.Demand{}, func(c *gateway.Capacity) { c.Withdrawn = true }, "ingetrokken"},
		{search.Demand{Postcode: "3361", MaxKm: 5}, nil, "11,8 km fietsen is verder dan 5 km"},
		{search.Demand{Postcode: "3361", MaxKm: 5}, func(c *gateway.Capacity) { c.Location = gateway.CapacityLocation{} }, "?"},
		{search.Demand{Postcode: "3361", MaxKm: 5, Wishes: []search.Criterion{search.Afstand}}, nil, ""},
	} {
		change := test.change
		if change == nil {
			change = func(*gateway.Capacity) {}
		}
		test.demand.Why = true
		result := find(t, test.demand, offer("a", change))
		got := "not found"
		if _, found := where(result, "a"); found.Offer != "" {
			got = strings.Repeat("?", min(1, len(found.Unknown)))
			if got == "?" && !strings.Contains(found.Text, "onbekend: ") {
				t.Errorf("%+v: %q does not say what is unknown", test.demand, found.Text)
			}
		} else if len(result.Rejected) == 1 {
			got = result.Rejected[0].Text
		}
		if got != test.want {
			t.Errorf("%+v: got %q, want %q", test.demand, got, test.want)
		}
	}
}

// What does not fit is told only to who asks.
func TestWhyOnRequest(t *testing.T) {
	d := search.Demand{Werksoorten: []string{"metaal"}}
	if got := find(t, d, offer("a")); len(got.Rejected) != 0 || got.Fitting != 0 || got.Searched != 1 {
		t.Errorf("got %+v, want nothing", got)
	}
}

// No text names a doelgroep: it may end up in somebody's file.
func TestNoDoelgroepInTexts(t *testing.T) {
	lists := codeLists(t)
	for _, asked := range []string{"ggz", "statushouders"} {
		got, err := json.Marshal(find(t, search.Demand{Doelgroepen: []string{asked}, Why: true}, offer("a")))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range lists["doelgroep"].Codes {
			if text := strings.ToLower(string(got)); strings.Contains(text, code.Code+`"`) || strings.Contains(text, strings.ToLower(code.Label)) {
				t.Errorf("the result names %s: %s", code.Code, got)
			}
		}
	}
}

func TestRanking(t *testing.T) {
	at := func(postcode string) func(*gateway.Capacity) {
		return func(c *gateway.Capacity) { c.Location.Postcode = postcode }
	}
	noDutch := func(c *gateway.Capacity) { c.Accessibility = []string{"lift"} }
	noFase := func(c *gateway.Capacity) { c.Fase = gateway.Range{} }
	offers := []search.Offer{
		offer("near, wish missed", at("2951AA"), noDutch), offer("where?", at("")), offer("far", at("3361AA")),
		offer("near, fase unknown", at("2951AA"), noFase), offer("near", at("2951AA")), offer("near, the same", at("2951AA")),
	}
	want := []string{"near", "near, the same", "near, fase unknown", "far", "where?", "near, wish missed"}
	for range 20 {
		rand.Shuffle(len(offers), func(i, j int) { offers[i], offers[j] = offers[j], offers[i] })
		var got []string
		for _, f := range find(t, search.Demand{Postcode: "2951", Fase: 2, LittleDutch: true}, offers...).Groups[0].Found {
			got = append(got, f.Offer)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// Own offers: the provider knows what is allotted to whom, and what to nobody.
func TestOwnOffers(t *testing.T) {
	own := gateway.Offer{
		ID: "own", Provider: "00000099000000001000", ValidFrom: "2026-01-01", ValidUntil: "2027-12-31",
		Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 15, Occupied: 10}},
		Allotments: []gateway.Allotment{
			{ID: "a", Gemeenten: []gateway.Gemeente{"gm0482"}, Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5, Occupied: 5}}},
			{ID: "d", Gemeenten: []gateway.Gemeente{"gm0505"}, Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 5, Occupied: 4}}},
		},
	}
	for _, test := range []struct {
		postcode string
		rest     int // occupied outside allotments
		want     search.Group
		text     string
	}{
		{"3311", 1, search.Allotted, "1 plek binnen uw toewijzing"},
		{"2951", 1, search.Free, "4 plekken buiten de toewijzingen"},
		{"2951", 5, search.AllottedTo, "1 plek binnen de toewijzing van anderen"},
	} {
		own.Places[0].Occupied = 9 + test.rest
		d := search.Demand{Postcode: test.postcode}
		got, found := where(find(t, d, search.OwnOffer(own, "Smile", shipped(t).Here(d), today)), "own")
		if got != test.want || !strings.Contains(found.Text, test.text) || !found.Own {
			t.Errorf("%s, %d: got %s %q, want %s %q", test.postcode, test.rest, got, found.Text, test.want, test.text)
		}
	}
}

func TestCheck(t *testing.T) {
	lists := codeLists(t)
	for _, bad := range []search.Demand{
		{Werksoorten: []string{"zzz"}}, {Trajectsoort: "zzz"}, {Doelgroepen: []string{"zzz"}}, {Fase: 4}, {Fase: -1}, {Trede: 7},
		{Dagdelen: []gateway.Dagdeel{"di"}}, {Dagdelen: []gateway.Dagdeel{"di-ochtend", "di-ochtend"}}, {Begeleiding: "zzz"},
		{Intensiteit: "zzz"}, {Toegankelijkheid: []string{"zzz"}}, {Postcode: "29"}, {Postcode: "2952", MaxKm: -1}, {Postcode: "2952", MaxKm: 501},
		{MaxKm: 5}, {From: "morgen"}, {From: "2026-11-22"}, {Gemeenten: []gateway.Gemeente{"gm9999"}}, {Wishes: []search.Criterion{"zzz"}},
		{Wishes: []search.Criterion{search.Fase}, Demands: []search.Criterion{search.Fase}}, {Limit: -1}, {Limit: 1001},
		{Werksoorten: slices.Repeat([]string{"groen"}, 51)},
		// of what is not asked for
		{Demands: []search.Criterion{search.Afstand}}, {Wishes: []search.Criterion{search.Dagdeel}}, {Demands: []search.Criterion{search.Taal}},
		{Postcode: "2952", Demands: []search.Criterion{search.Afstand}}, {Postcode: "2952", Wishes: []search.Criterion{search.Afstand}},
	} {
		err := bad.Check(lists, today)
		if kind := gateway.KindOf(err); err == nil || kind != gateway.Invalid && kind != gateway.Limit {
			t.Errorf("%+v: got %v, want Invalid", bad, err)
		} else if strings.Contains(gateway.SafeMessage(err), "zzz") {
			t.Errorf("%+v: the message repeats the value: %v", bad, err)
		}
	}
	for _, good := range []search.Demand{
		{}, {Postcode: "2952", MaxKm: 5, Demands: []search.Criterion{search.Afstand}}, {Wishes: []search.Criterion{search.Datum}},
		{LittleDutch: true, Demands: []search.Criterion{search.Taal}}, {Fase: 2, Wishes: []search.Criterion{search.Fase}},
	} {
		if err := good.Check(lists, today); err != nil {
			t.Errorf("%+v: got %v, want nothing wrong", good, err)
		}
	}
	err := (&search.Demand{Intensiteit: "veel"}).Check(lists, today)
	if got, want := gateway.SafeMessage(err), "it has laag, midden, hoog"; !strings.Contains(got, want) {
		t.Errorf("got %q, want which codes there are", got)
	}
}

// many are offers all over the region, with and without coordinates.
func many(n int) []search.Offer { return drawn(n, 2) }

func drawn(n int, seed uint64) []search.Offer {
	r := rand.New(rand.NewPCG(1, seed))
	postcodes := []string{"2951", "2952", "3311", "3314", "3331", "3341", "3351", "3361", "3371", "2981", "3299", "2961", "9711", ""}
	all := make([]search.Offer, 0, n)
	for i := range n {
		all = append(all, offer(fmt.Sprint(i), func(c *gateway.Capacity) {
			c.Werksoorten = [][]string{{"groen"}, {"hout"}, {"metaal", "groen"}, nil}[r.IntN(4)]
			c.Location = gateway.CapacityLocation{Postcode: postcodes[r.IntN(len(postcodes))]}
			if r.IntN(2) == 0 {
				c.Location.Coordinates = &gateway.Coordinates{Lat: 51.76 + r.Float64()*0.14, Lon: 4.55 + r.Float64()*0.3}
			}
			c.Fase = gateway.Range{Min: r.IntN(2) + 1, Max: r.IntN(2) + 2}
			c.Trede = gateway.Range{Min: r.IntN(3) + 1, Max: r.IntN(3) + 3}
			if r.IntN(3) == 0 {
				c.Allotments = nil
			}
			if r.IntN(4) == 0 {
				c.Accessibility = []string{"lift"}
			}
		}))
	}
	return all
}

// A criterion more never gives a result more.
func TestMoreDemandsLessResults(t *testing.T) {
	offers := many(300)
	m, lists := shipped(t), codeLists(t)
	add := map[search.Criterion]func(*search.Demand){
		search.Werksoort:        func(d *search.Demand) { d.Werksoorten = []string{"metaal"} },
		search.Trajectsoort:     func(d *search.Demand) { d.Trajectsoort = "participatieplaats" },
		search.Fase:             func(d *search.Demand) { d.Fase = 2 },
		search.Trede:            func(d *search.Demand) { d.Trede = 3 },
		search.Doelgroep:        func(d *search.Demand) { d.Doelgroepen = []string{"statushouders"} },
		search.Dagdeel:          func(d *search.Demand) { d.Dagdelen = append(d.Dagdelen, "di-ochtend") },
		search.Begeleiding:      func(d *search.Demand) { d.Intensiteit = "midden"; d.Demands = append(d.Demands, search.Begeleiding) },
		search.Toegankelijkheid: func(d *search.Demand) { d.Toegankelijkheid = []string{"rolstoel"} },
		search.Taal:             func(d *search.Demand) { d.LittleDutch = true; d.Demands = append(d.Demands, search.Taal) },
		search.Datum:            func(d *search.Demand) { d.From = "2027-12-31" },
		search.Afstand:          func(d *search.Demand) { d.Postcode, d.MaxKm = "2951", 9 },
	}
	rapid.Check(t, func(t *rapid.T) {
		d := search.Demand{From: today, Limit: 1000}
		last := len(offers)
		order := rapid.Permutation(search.Criteria()).Draw(t, "order")
		for _, c := range order {
			add[c](&d)
			result := search.Find(m, lists, offers, d)
			if result.Fitting > last {
				t.Fatalf("with %s: got %d results, want at most %d", c, result.Fitting, last)
			}
			if last = result.Fitting; c == order[0] && last == 0 {
				t.Fatalf("%s alone leaves nothing: this tests nothing", c)
			}
		}
	})
}

// Whatever is shown or not, nothing is assumed and nothing fails.
func TestFindAnything(t *testing.T) {
	m, lists := shipped(t), codeLists(t)
	rapid.Check(t, func(t *rapid.T) {
		o := offer("a", func(c *gateway.Capacity) {
			if rapid.Bool().Draw(t, "places") {
				c.Places = []gateway.CapacityPlaces{{Dagdeel: gateway.Dagdeel(rapid.String().Draw(t, "dagdeel")), Band: gateway.Band(rapid.String().Draw(t, "band"))}}
			}
			c.Location = gateway.CapacityLocation{Postcode: rapid.String().Draw(t, "postcode"), Gemeente: gateway.Gemeente(rapid.String().Draw(t, "gemeente"))}
			c.Werksoorten = rapid.SliceOf(rapid.String()).Draw(t, "werksoorten")
			c.Fase = gateway.Range{Min: rapid.Int().Draw(t, "min"), Max: rapid.Int().Draw(t, "max")}
			c.Begeleiding.Intensiteit = rapid.String().Draw(t, "intensiteit")
			c.ValidFrom, c.ValidUntil = gateway.Date(rapid.String().Draw(t, "from")), gateway.Date(rapid.String().Draw(t, "until"))
		})
		d := search.Demand{
			Werksoorten: []string{"groen"}, Fase: 2, Intensiteit: "laag", Postcode: rapid.String().Draw(t, "home"), MaxKm: 5,
			Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, From: today, Why: true,
		}
		r := search.Find(m, lists, []search.Offer{o}, d)
		if r.Fitting+len(r.Rejected) != 1 {
			t.Fatalf("got %+v, want the offer once", r)
		}
	})
}
