package desk_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// found gives the group of the one offer that was found, and its text.
func found(t *testing.T, d *desk.Desk, demand search.Demand) (search.Group, string) {
	t.Helper()
	result, err := d.SearchPlaces(context.Background(), gt.Everyone(), demand)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range result.Groups {
		if len(g.Found) == 1 && result.Fitting == 1 {
			return g.Group, g.Found[0].Text
		}
	}
	t.Fatalf("got %+v, want one offer", result)
	return "", ""
}

// A gemeente finds what it was shown, and the leerwerkbedrijf its own offer: each
// by what it may know of it.
func TestSearchPlaces(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.Publish(gt.Smile, gt.Occupy(gt.Offer("groen"), "alblasserdam", 5))
		f.Settled(time.Hour)
		gemeente, smile := f.Node(gt.Alblasserdam).Desk, f.Node(gt.Smile).Desk
		demand := search.Demand{Werksoorten: []string{"groen"}, Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, Postcode: "3361", MaxKm: 15}
		if group, text := found(t, gemeente, search.Demand{Werksoorten: []string{"groen"}}); group != search.AllottedTo && group != search.Waiting {
			t.Errorf("got %s: %q, want that the allotment is full", group, text)
		}
		group, text := found(t, gemeente, demand)
		if !strings.Contains(text, "km fietsen; op maandagochtend uw toewijzing is vol") {
			t.Errorf("got %s: %q, want the distance, and that the allotment is full", group, text)
		}
		group, text = found(t, smile, demand) // of Sliedrecht: the allotment of the other Drechtsteden
		if group != search.Allotted || !strings.Contains(text, "5 plekken binnen uw toewijzing") {
			t.Errorf("got %s: %q, want the five of the allotment that names Sliedrecht", group, text)
		}
		demand.Postcode = "2951"
		if group, text = found(t, smile, demand); group != search.AllottedTo {
			t.Errorf("got %s: %q, want places of others only", group, text)
		}
	})
}

// What a search sees is what is shown at that moment, also in later searches, and
// a search changes nothing that others see: not where an offer has expired either.
func TestSearchPlacesFollowsWhatIsShown(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Alblasserdam).Desk
		soon := gt.Offer("groen")
		soon.ValidUntil = gateway.DateOf(time.Now()).AddDays(3)
		is := func(when string, fitting int, want string) {
			t.Helper()
			f.Settled(time.Hour)
			for range 2 {
				result, err := d.SearchPlaces(ctx, gt.Everyone(), search.Demand{Werksoorten: []string{"groen"}, Why: true})
				if got := gt.Dump(result); err != nil || result.Fitting != fitting || !strings.Contains(got, want) {
					t.Fatalf("%s: got %s, %v; want %d that fit, and %q", when, got, err, fitting, want)
				}
			}
			shared, err := f.Node(gt.Alblasserdam).Store.SharedOffers(ctx)
			stored, err2 := f.Node(gt.Alblasserdam).Store.ReceivedOffers(ctx)
			if err != nil || err2 != nil || len(shared) != len(stored) {
				t.Fatalf("%s: got %d offers, want %d: %v, %v", when, len(shared), len(stored), err, err2)
			}
			for i := range stored {
				if got, want := gt.Dump(*shared[i]), gt.Dump(stored[i]); got != want {
					t.Errorf("%s: got %s, want what is stored: %s", when, got, want)
				}
			}
		}
		is("at first", 0, `"searched": 0`)
		f.Publish(gt.Smile, soon)
		is("published", 1, "Groen in de wijk")
		soon.Title = "Groen in de stad"
		f.Publish(gt.Smile, soon)
		is("changed", 1, "Groen in de stad")
		f.Stop(gt.Smile) // it would take back what has expired
		time.Sleep(5 * 24 * time.Hour)
		is("expired", 0, `"searched": 1`)
		f.Start(gt.Smile)
		soon.ValidUntil = "2099-12-31"
		f.Publish(gt.Smile, soon)
		is("published again", 1, "Groen in de stad")
		if err := f.SetPolicy(gt.Smile, showing("werksoorten")); err != nil {
			t.Fatal(err)
		}
		is("with less shown", 1, "of er plek is, is onbekend; werksoort groen")
		f.Publish(gt.Smile)
		is("withdrawn", 0, `"searched": 0`)
		f.Publish(gt.Smile, soon)
		is("back", 1, "")
		file := f.NextRegister(func(doc *register.Document) {
			doc.Parties = slices.DeleteFunc(doc.Parties, func(p gateway.Party) bool { return p.OIN == gt.Smile })
		})
		if _, err := d.InstallRegister(ctx, gt.Everyone(), file); err != nil {
			t.Fatal(err)
		}
		is("gone from the register", 0, `"searched": 0`)
	})
}

// One search is one entry, with the names of fields and a count. Nothing of what
// was asked is anywhere in the journal, and a demand that is wrong is none.
func TestSearchPlacesInJournal(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		ctx, d := context.Background(), f.Node(gt.Alblasserdam).Desk
		before := len(f.Journal(gt.Alblasserdam))
		demand := search.Demand{
			Werksoorten: []string{"groen"}, Doelgroepen: []string{"statushouders"}, Postcode: "3361XY", Trede: 3, LittleDutch: true, From: "2090-05-04",
		}
		result, err := d.SearchPlaces(ctx, gt.Everyone(), demand)
		if err != nil || result.Searched != 1 {
			t.Fatalf("got %+v, %v", result, err)
		}
		if _, err := d.SearchPlaces(ctx, gt.Everyone(), search.Demand{Postcode: "0000"}); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("a wrong postcode: got %v, want Invalid", err)
		}
		entries := f.Journal(gt.Alblasserdam)[before:]
		if len(entries) != 1 || entries[0].Kind != string(gateway.OpSearchPlaces) || entries[0].Count != result.Fitting || entries[0].Caller == "" {
			t.Fatalf("got %+v, want one entry with the caller and a count of %d", entries, result.Fitting)
		}
		want := []gateway.Field{
			gateway.FieldWerksoorten, gateway.FieldTrede, gateway.FieldDoelgroepen, gateway.FieldAccessibility, "validFrom", gateway.FieldPostcode,
		}
		if !slices.Equal(entries[0].Fields, want) {
			t.Errorf("got fields %v, want %v", entries[0].Fields, want)
		}
		for _, value := range []string{"3361", "statushouders", `"groen"`, "2090"} {
			if strings.Contains(gt.Dump(entries[0].Entry), value) {
				t.Errorf("the journal holds %s", value)
			}
		}
	})
}

// What is missing is counted by month, and nothing else of it is kept.
func TestMissingPlaces(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Alblasserdam).Desk
		month := func() string { return time.Now().In(gateway.Amsterdam()).Format("2006-01") }
		first := month()
		for range 2 {
			if err := d.ReportMissing(ctx, gt.Everyone(), desk.NoPlace{Werksoorten: []string{"hout", "groen"}, Gemeente: "gm0482"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(32 * 24 * time.Hour)
		second := month()
		if err := d.ReportMissing(ctx, gt.Everyone(), desk.NoPlace{Werksoorten: []string{"hout"}, Gemeente: "gm0482"}); err != nil {
			t.Fatal(err)
		}
		all := []desk.MissingPlaces{
			{Month: first, Gemeente: "gm0482", Werksoort: "groen", Count: 2}, {Month: first, Gemeente: "gm0482", Werksoort: "hout", Count: 2},
			{Month: second, Gemeente: "gm0482", Werksoort: "hout", Count: 1},
		}
		for _, test := range []struct {
			from, until string
			want        []desk.MissingPlaces
		}{{"", "", all}, {second, "", all[2:]}, {"", first, all[:2]}, {first, second, all}, {"2001-01", "2001-12", nil}} {
			if got, err := d.MissingPlaces(ctx, gt.Everyone(), test.from, test.until); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s–%s: got %+v, %v; want %+v", test.from, test.until, got, err, test.want)
			}
		}
		for _, bad := range [][2]string{{second, first}, {"2026-13", ""}, {"", "zzz"}} {
			if _, err := d.MissingPlaces(ctx, gt.Everyone(), bad[0], bad[1]); gateway.KindOf(err) != gateway.Invalid || strings.Contains(gateway.SafeMessage(err), "zzz") {
				t.Errorf("from %s until %s: got %v, want Invalid", bad[0], bad[1], err)
			}
		}
		entries := f.Journal(gt.Alblasserdam)
		if text := gt.Dump(entries); strings.Contains(text, `"hout"`) || strings.Contains(text, "gm0482\"") {
			t.Errorf("the journal tells what was missing: %s", text)
		}
		for _, bad := range []desk.NoPlace{
			{}, {Werksoorten: []string{"groen"}}, {Gemeente: "gm0482"}, {Werksoorten: []string{"zzz"}, Gemeente: "gm0482"},
			{Werksoorten: []string{"groen"}, Gemeente: "zzz"}, {Werksoorten: []string{"groen", "groen"}, Gemeente: "gm0482"},
		} {
			if err := d.ReportMissing(ctx, gt.Everyone(), bad); gateway.KindOf(err) != gateway.Invalid || strings.Contains(gateway.SafeMessage(err), "zzz") {
				t.Errorf("%+v: got %v, want Invalid", bad, err)
			}
		}
		for _, bad := range []string{"2026", "2026-13", "2026-1", "'; drop"} {
			if _, err := d.MissingPlaces(ctx, gt.Everyone(), bad, ""); gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("month %q: got %v, want Invalid", bad, err)
			}
		}
		// Five years on the counts are gone.
		s := f.Node(gt.Alblasserdam).Store
		if _, err := s.Purge(ctx, time.Now().AddDate(5, 0, 0)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.MissingPlaces(ctx, "", ""); err != nil || len(got) != 1 || got[0].Month != second {
			t.Errorf("after five years: got %+v, %v; want the second month only", got, err)
		}
	})
}
