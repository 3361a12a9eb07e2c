package scenario_test

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/scenario"
)

func views(t *testing.T) []scenario.View {
	t.Helper()
	all, err := load(t).Views(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func find(t *testing.T, all []scenario.View, offer string, recipient gateway.OIN) scenario.View {
	t.Helper()
	i := slices.IndexFunc(all, func(v scenario.View) bool { return v.Offer.ID == offer && v.Recipient.OIN == recipient })
	if i < 0 {
		t.Fatalf("no view of %s for %s", offer, recipient)
	}
	return all[i]
}

// TestReport compares the whole table of each scenario, field by field and form
// by form, with the one that people have read.
func TestReport(t *testing.T) {
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Views(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		scenario.Report(&got, all)
		golden := "testdata/" + name + ".txt"
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("the report is not that of %s; look at it with -update and git diff:\n%s", golden, got.Bytes())
		}
		for _, line := range strings.Split(got.String(), "\n") {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("a line of %d columns, want at most 100: %s", n, line)
			}
		}
	}
}

// TestOnlySoleOwnersSeeNumbers: what is free in SM-101 as each party sees it.
func TestOnlySoleOwnersSeeNumbers(t *testing.T) {
	all := views(t)
	for recipient, want := range map[gateway.OIN]map[gateway.Dagdeel]int{
		gatewaytest.Alblasserdam: {"ma-ochtend": 0, "vr-ochtend": 1},
		gatewaytest.Dordrecht:    {"ma-ochtend": 1, "vr-ochtend": 2},
	} {
		c := find(t, all, "SM-101", recipient).Capacity
		if len(c.Allotments) != 1 {
			t.Fatalf("%s sees %d allotments, want its own", recipient, len(c.Allotments))
		}
		for _, p := range c.Allotments[0].Places {
			if n, asked := want[p.Dagdeel]; asked && (p.Available == nil || *p.Available != n || p.Band != "") {
				t.Errorf("%s, %s: got %v %q, want the number %d", recipient, p.Dagdeel, p.Available, p.Band, n)
			}
		}
	}
	for _, v := range all {
		for _, p := range v.Capacity.Places {
			if p.Available != nil {
				t.Errorf("%s sees a number of free places of the whole of %s", v.Recipient.Name, v.Offer.ID)
			}
		}
		for _, a := range v.Capacity.Allotments {
			for _, p := range a.Places {
				if shared := v.Offer.ID == "DW-01"; shared != (p.Available == nil) || shared != (p.Band != "") {
					t.Errorf("%s, %s, %s: got %v %q, want a band where an allotment is shared and a number where not",
						v.Recipient.Name, v.Offer.ID, p.Dagdeel, p.Available, p.Band)
				}
			}
		}
	}
}

func TestMolenlandenSeesTheLeast(t *testing.T) {
	for _, v := range views(t) {
		if v.Recipient.OIN != gatewaytest.Molenlanden || !v.Decision.Allowed {
			continue
		}
		want := gateway.Disclosure{
			gateway.FieldTitle: gateway.Exact, gateway.FieldWerksoorten: gateway.Exact, gateway.FieldGemeente: gateway.Exact,
		}
		if !maps.Equal(v.Decision.Show, want) {
			t.Errorf("%s: got %v, want %v", v.Offer.ID, v.Decision.Show, want)
		}
	}
}

// TestContact: who knows whom to call. GRS does where it acts for Dordrecht and
// Dordrecht has places; leerwerkbedrijven and Molenlanden never.
func TestContact(t *testing.T) {
	want := map[gateway.OIN][]string{
		gatewaytest.Alblasserdam: {"SM-101", "SM-102", "SM-103", "SM-104", "DW-01", "DW-03"},
		gatewaytest.Dordrecht:    {"SM-101", "SM-103", "SM-105", "DW-01", "DW-02", "DW-03", "DW-04"},
		gatewaytest.GRS:          {"SM-101", "SM-103", "SM-105"},
	}
	got := map[gateway.OIN][]string{}
	for _, v := range views(t) {
		if v.Capacity.Contact != (gateway.Contact{}) {
			got[v.Recipient.OIN] = append(got[v.Recipient.OIN], v.Offer.ID)
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpecialDoelgroepenAreShownToNobody(t *testing.T) {
	for _, v := range views(t) {
		special := slices.Contains([]string{"SM-103", "SM-104", "SM-105"}, v.Offer.ID)
		if seen := len(v.Capacity.Doelgroepen) > 0; seen && (special || v.Provider.OIN == gatewaytest.Drechtwerk) {
			t.Errorf("%s sees the doelgroepen of %s", v.Recipient.Name, v.Offer.ID)
		}
	}
}

func TestDenials(t *testing.T) {
	want := []string{
		"SM-103 Molenlanden beschut-niet-naar-molenlanden",
		"SM-104 Molenlanden default",
		"SM-105 Molenlanden na-detentie-blijft-binnen",
		"SM-105 Drechtwerk na-detentie-blijft-binnen",
		"DW-04 Smile default",
	}
	var got []string
	for _, v := range views(t) {
		if !v.Decision.Allowed {
			got = append(got, v.Offer.ID+" "+v.Recipient.Name+" "+v.Decision.DeniedBy)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEveryoneAdmitsTheOffers: what one party may send, the other takes.
func TestEveryoneAdmitsTheOffers(t *testing.T) {
	s := load(t)
	for _, v := range views(t) {
		p, err := s.Policy(v.Recipient.OIN, today())
		if err != nil {
			t.Fatal(err)
		}
		sender := gateway.Recipient{Party: v.Provider.OIN, Kind: v.Provider.Kind}
		for _, kind := range []string{gateway.KindCapacity, gateway.KindCapacityState} {
			if d := p.Admit(sender, "", kind, today()); !d.Allowed {
				t.Errorf("%s does not admit %s of %s", v.Recipient.Name, kind, v.Provider.Name)
			}
		}
	}
}

// truth is what nodes hold and report if all goes as it should.
func truth(all []scenario.View) (held []scenario.Held, denied map[gateway.OIN][]publication.Denial) {
	denied = map[gateway.OIN][]publication.Denial{}
	for _, v := range all {
		if v.Decision.Allowed {
			held = append(held, scenario.Held{Recipient: v.Recipient.OIN, Sender: v.Provider.OIN, Capacity: v.Capacity})
			continue
		}
		denied[v.Provider.OIN] = append(denied[v.Provider.OIN], publication.Denial{
			Offers: []string{v.Offer.ID}, Rule: v.Decision.DeniedBy, Recipients: []gateway.OIN{v.Recipient.OIN},
		})
	}
	return held, denied
}

func TestCompareFindsNothingWhereAllIsWell(t *testing.T) {
	all := views(t)
	held, denied := truth(all)
	if wrong := scenario.Compare(all, held, denied); len(wrong) > 0 {
		t.Errorf("got %q, want nothing", wrong)
	}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	all := views(t)
	stranger := scenario.Held{
		Recipient: gatewaytest.GRS, Sender: gatewaytest.Smile, Capacity: gateway.Capacity{Offer: "SM-999", Provider: gatewaytest.Smile},
	}
	forbidden := scenario.Held{
		Recipient: gatewaytest.Molenlanden, Sender: gatewaytest.Smile, Capacity: find(t, all, "SM-103", gatewaytest.GRS).Capacity,
	}
	for name, tamper := range map[string]func([]scenario.Held, map[gateway.OIN][]publication.Denial) []scenario.Held{
		"missing": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held { return h[1:] },
		"twice": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held {
			return append(h, h[0])
		},
		"unknown offer": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held {
			return append(h, stranger)
		},
		"forbidden offer": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held {
			return append(h, forbidden)
		},
		"one field more": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held {
			i := slices.IndexFunc(h, func(h scenario.Held) bool { return h.Recipient == gatewaytest.Molenlanden })
			h[i].Capacity.Contact.Phone = "0850000011"
			return h
		},
		"one field less": func(h []scenario.Held, _ map[gateway.OIN][]publication.Denial) []scenario.Held {
			h[0].Capacity.Title = ""
			return h
		},
		"denied by another rule": func(h []scenario.Held, d map[gateway.OIN][]publication.Denial) []scenario.Held {
			d[gatewaytest.Smile][0].Rule = "publiek"
			return h
		},
		"denial not reported": func(h []scenario.Held, d map[gateway.OIN][]publication.Denial) []scenario.Held {
			d[gatewaytest.Smile] = d[gatewaytest.Smile][1:]
			return h
		},
	} {
		t.Run(name, func(t *testing.T) {
			held, denied := truth(all)
			held = tamper(held, denied)
			if wrong := scenario.Compare(all, held, denied); len(wrong) != 1 {
				t.Errorf("got %q, want one difference", wrong)
			}
		})
	}
}

// TestCompareGoesByTheMatrix: what was decided is not enough. Where the matrix that
// people read says less, that is found.
func TestCompareGoesByTheMatrix(t *testing.T) {
	all := views(t)
	held, denied := truth(all)
	i := slices.IndexFunc(all, func(v scenario.View) bool { return v.Decision.Show[gateway.FieldContact] == gateway.Exact })
	all[i].Cell = maps.Clone(all[i].Cell)
	delete(all[i].Cell, gateway.FieldContact)
	wrong := scenario.Compare(all, held, denied)
	if want := "gaat buiten de matrix: contact as exact, at most none"; len(wrong) != 1 || !strings.HasSuffix(wrong[0], want) {
		t.Errorf("got %q, want one that ends in %q", wrong, want)
	}
}
