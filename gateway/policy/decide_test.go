package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// sight writes a decision in one line: the fields by form, or who denied.
func sight(d *gateway.Decision) string {
	if !d.Allowed {
		return "denied by " + d.DeniedBy
	}
	var parts []string
	for _, form := range []gateway.Form{gateway.Exact, gateway.Banded, gateway.Public} {
		var names []string
		for _, f := range gateway.Fields() {
			if d.Show[f] == form {
				names = append(names, string(f))
			}
		}
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", form, strings.Join(names, " ")))
		}
	}
	return strings.Join(parts, " | ")
}

func TestDecisions(t *testing.T) {
	region := "exact: title werksoorten trajectsoort grondslag fase location.gemeente places.maximum"
	wmo := func(doelgroepen ...string) func(*gateway.Offer) {
		return func(o *gateway.Offer) { o.Grondslag, o.Doelgroepen = "wmo-2015", doelgroepen }
	}
	tests := []struct {
		name   string
		to     gateway.OIN // empty: the public
		day    gateway.Date
		change func(*gateway.Offer)
		want   string
	}{
		{name: "sole owner of an allotment", to: alblasserdam,
			want: region + " allotments allotments.available contact | band: places.available status"},
		{name: "allotment ended", to: alblasserdam, change: func(o *gateway.Offer) { o.Allotments[0].ValidUntil = "2026-11-21" },
			want: region + " | band: places.available status"},
		{name: "allotment not begun", to: alblasserdam, change: func(o *gateway.Offer) { o.Allotments[0].ValidFrom = "2026-11-23" },
			want: region + " | band: places.available status"},
		{name: "sharer of an allotment, never contact", to: papendrecht,
			want: region + " allotments allotments.available | band: places.available status"},
		{name: "outside the region", to: molenlanden, want: "exact: title werksoorten location.gemeente"},
		{name: "GRS, also for Alblasserdam", to: grs,
			want: "exact: title werksoorten location.gemeente contact | band: places.available"},
		{name: "GRS, also for Papendrecht, never contact", to: grs, day: "2027-01-01",
			want: "exact: title werksoorten location.gemeente | band: places.available"},
		{name: "public", want: "exact: title location.gemeente | plek: places.available"},
		{name: "colleague", to: drechtwerk, want: "denied by default"},
		{name: "referrer on another law", to: uwv, want: "denied by default"},
		{name: "referrer on its law", to: uwv, change: wmo("entree"), want: "exact: title doelgroepen | band: places.available"},
		{name: "special codes under an exception", to: uwv, change: wmo("ggz", "entree"),
			want: "exact: title doelgroepen | band: places.available"},
		{name: "criminal codes without one", to: uwv, change: wmo("ggz", "gedetineerden"),
			want: "exact: title | band: places.available"},
		{name: "unknown code counts as both", to: uwv, change: wmo("nieuw"), want: "exact: title | band: places.available"},
		{name: "first day of a rule", to: uwv, day: "2026-01-01", change: wmo(), want: "exact: title doelgroepen | band: places.available"},
		{name: "day before it", to: uwv, day: "2025-12-31", change: wmo(), want: "denied by default"},
		{name: "last day of a rule", to: uwv, day: "2026-12-31", change: wmo(), want: "exact: title doelgroepen | band: places.available"},
		{name: "day after it", to: uwv, day: "2027-01-01", change: wmo(), want: "denied by default"},
		{name: "never all", change: func(o *gateway.Offer) { o.Fase = gateway.Range{Min: 1, Max: 2} }, want: "denied by fase-1-blijft-binnen"},
		{name: "never all, and nothing would allow", to: uwv, change: func(o *gateway.Offer) { o.Fase = gateway.Range{Min: 1, Max: 1} },
			want: "denied by fase-1-blijft-binnen"},
		{name: "never takes silence for yes", change: func(o *gateway.Offer) { o.Fase = gateway.Range{} }, want: "denied by fase-1-blijft-binnen"},
	}
	p := load(t, env(t), file(t, "smile.yaml"))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			offer, day := groen(), today
			if test.change != nil {
				test.change(offer)
			}
			if test.day != "" {
				day = test.day
			}
			q := policy.Request{Kind: gateway.KindCapacity, Offer: offer, Recipient: recipient(t, test.to, day), Day: day}
			if got := sight(p.Decide(q)); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestThreeRelationships has one rule show the offers of one company to three
// gemeenten for which it does different things.
func TestThreeRelationships(t *testing.T) {
	p := load(t, env(t), file(t, "binnenbaan.yaml"))
	want := map[gateway.OIN]string{zoetermeer: "A G H I", leidschendam: "G H I", rijswijk: "I", alblasserdam: ""}
	for oin, want := range want {
		var seen []string
		for _, f := range []string{"A", "G", "H", "I"} {
			offer := groen()
			offer.Functionaliteit = f
			q := policy.Request{Kind: gateway.KindCapacity, Offer: offer, Recipient: recipient(t, oin, today), Day: today}
			if p.Decide(q).Allowed {
				seen = append(seen, f)
			}
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%s: got %q, want %q", oin, got, want)
		}
	}
}

func TestDecisionAccounts(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"))
	q := policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, grs, today), Day: today}
	d := p.Decide(q)
	if want := []string{"contact-bij-toedeling", "grs-regiobeeld"}; !slices.Equal(d.Rules, want) {
		t.Errorf("rules: got %v, want %v", d.Rules, want)
	}
	if d.Purpose != "afstemming toeleiding" {
		t.Errorf("purpose: got %q", d.Purpose)
	}
	if want := []string{"avg-6-1-e", "participatiewet"}; !slices.Equal(d.Basis, want) {
		t.Errorf("basis: got %v, want %v", d.Basis, want)
	}
	if d.Retention != "P30D" {
		t.Errorf("retention: got %s, want the shortest of P30D and P90D", d.Retention)
	}
	if d.Policy != p.Version() {
		t.Errorf("policy: got %s, want %s", d.Policy, p.Version())
	}
}

func TestOtherKinds(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"))
	party, public := recipient(t, alblasserdam, today), gateway.Recipient{Public: true}
	tests := []struct {
		name string
		q    policy.Request
		want bool
	}{
		{"state to a party", policy.Request{Kind: gateway.KindCapacityState, Recipient: party, Day: today}, true},
		{"state to the public", policy.Request{Kind: gateway.KindCapacityState, Recipient: public, Day: today}, false},
		{"unknown kind", policy.Request{Kind: "referral", Offer: groen(), Recipient: party, Day: today}, false},
		{"no offer", policy.Request{Kind: gateway.KindCapacity, Recipient: party, Day: today}, false},
		{"nobody", policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Day: today}, false},
	}
	for _, test := range tests {
		if got := p.Decide(test.q).Allowed; got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, got, test.want)
		}
	}
}

func TestAdmit(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"))
	tests := []struct {
		name      string
		sender    gateway.OIN
		principal gateway.OIN
		kind      string
		want      string // rule, or who denied
	}{
		{"colleague", drechtwerk, "", gateway.KindCapacity, "collegas"},
		{"colleague names itself", drechtwerk, drechtwerk, gateway.KindCapacityState, "collegas"},
		{"other kind", drechtwerk, "", "referral", "default"},
		{"another role", alblasserdam, "", gateway.KindCapacity, "default"},
		{"holder of a mandate", grs, drechtwerk, gateway.KindCapacity, "namens-collegas"},
		{"holder, kind not covered", grs, drechtwerk, gateway.KindCapacityState, "default"},
		{"holder, principal not named", grs, alblasserdam, gateway.KindCapacity, "default"},
		{"no mandate", uwv, drechtwerk, gateway.KindCapacity, "mandate"},
		{"mandate of a later date", grs, papendrecht, gateway.KindCapacity, "mandate"},
		{"public", "", "", gateway.KindCapacity, "default"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := p.Admit(recipient(t, test.sender, today), test.principal, test.kind, today)
			got := d.DeniedBy
			if d.Allowed {
				got = strings.Join(d.Rules, " ") + d.DeniedBy
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestDenyAll(t *testing.T) {
	p := policy.DenyAll()
	if p.Version() != "none" {
		t.Errorf("version: got %s, want none", p.Version())
	}
	for _, kind := range []string{gateway.KindCapacity, gateway.KindCapacityState} {
		if d := p.Decide(policy.Request{Kind: kind, Offer: groen(), Recipient: recipient(t, dordrecht, today), Day: today}); d.Allowed {
			t.Errorf("%s is disclosed", kind)
		}
		if d := p.Admit(recipient(t, dordrecht, today), "", kind, today); !d.Allowed {
			t.Errorf("%s is not admitted", kind)
		}
	}
	if p.Admit(gateway.Recipient{Public: true}, "", gateway.KindCapacity, today).Allowed {
		t.Error("the public is admitted")
	}
	if p.Admit(recipient(t, dordrecht, today), "", "referral", today).Allowed {
		t.Error("an unknown kind is admitted")
	}
	if got := p.Admit(recipient(t, uwv, today), drechtwerk, gateway.KindCapacity, today).DeniedBy; got != "mandate" {
		t.Errorf("without a mandate: got denied by %q, want mandate", got)
	}
}
