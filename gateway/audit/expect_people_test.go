package audit_test

import (
	"slices"
	"strings"
	"testing"
)

// aboutPeople are rules on persons for the world of the other expectations; uit
// ends with the year.
const aboutPeople = `policy: smile
party: "00000099000000001000"
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e}, retention: P90D}
rules:
  - {id: stand, effect: show, kinds: [referral-state], to: {roles: [gemeente]}, acting: [own, mandate], fields: {exact: [reason, date]}}
  - {id: overdracht, effect: show, kinds: [handover], to: {gemeenten: [gm0505]}, when: {referral-state: [geaccepteerd], grondslag: [wmo-2015]}, fields: {exact: [phone]}}
  - {id: uit, effect: show, kinds: [handover], to: {gemeenten: [gm0505]}, when: {referral-state: [gestart], from: 2027-02-01}, fields: {exact: [email]}}
  - {id: zonder-reden, effect: never, kinds: [referral-state], to: {gemeenten: [gm0603]}, fields: [reason]}
`

// TestExpectPeople decides expectations about messages on persons: whether each
// holds, what is said where it does not, and which rules it covers.
func TestExpectPeople(t *testing.T) {
	all := []string{"overdracht", "stand", "uit", "zonder-reden"}
	for _, test := range []struct {
		name, row string
		fails     string // in Dutch; empty: it holds
		covers    []string
	}{
		{"told", "bericht: referral-state, aan: gm0505, hoort: [reason, date]", "", []string{"stand"}},
		{"one field of two", "bericht: referral-state, aan: gm0603, hoort: [date]", "", []string{"stand"}},
		{"a field that is forbidden", "bericht: referral-state, aan: gm0603, hoort: [reason]", "Rijswijk hoort veld reason niet (referral-state): verboden door regel zonder-reden", nil},
		{"nothing else", "bericht: referral-state, aan: gm0603, hoort: [date], verder: niets", "", []string{"stand", "zonder-reden"}},
		{"something else", "bericht: referral-state, aan: gm0505, hoort: [date], verder: niets", "Dordrecht hoort veld reason (referral-state)", nil},
		{"as given", "bericht: handover, aan: gm0505, bij: {referral-state: geaccepteerd, grondslag: wmo-2015}, hoort: [phone]", "", []string{"overdracht"}},
		{"silent on what is asked", "bericht: handover, aan: gm0505, bij: {referral-state: geaccepteerd}, hoort: [phone]",
			"Dordrecht hoort niets (handover, referral-state geaccepteerd): regel overdracht geldt hier niet: de verwijzing zegt niets over grondslag", nil},
		{"in another name", "bericht: referral-state, aan: grs, namens: gm0603, hoort: [date]", "", []string{"stand"}},
		{"never", "bericht: referral-state, aan: gm0603, nooit: [reason]", "", []string{"zonder-reden"}},
		{"never, but it is", "bericht: referral-state, aan: gemeente, nooit: [reason]", "hoort veld reason (referral-state, referral-state aangemeld), volgens regel stand", nil},
		{"nothing", "bericht: handover, aan: gm0603, niets: true", "", nil},
		{"nothing in a state", "bericht: handover, aan: everyone, bij: {referral-state: aangemeld}, niets: true", "", nil},
		{"nothing, but later", "bericht: handover, aan: gm0505, bij: {referral-state: gestart}, niets: true",
			"Dordrecht hoort van een persoon (handover, referral-state gestart) [2027-02-01], volgens regel uit", nil},
		{"nothing on a day", "bericht: handover, aan: gm0505, bij: {referral-state: gestart}, op: 2027-01-31, niets: true", "", nil},
		{"a kind that no rule shows", "bericht: referral, aan: everyone, niets: true", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := slices.Clone(all)
			fs := files("  - {naam: x, " + test.row + "}\n")
			fs[0].Data = []byte(aboutPeople)
			x := expectIn(t, fs)
			failed := x.Failed()
			if test.fails == "" && len(failed) > 0 || test.fails != "" && (len(failed) == 0 || !strings.Contains(failed[0].Dutch, test.fails)) {
				t.Errorf("got %+v, want %q", failed, test.fails)
			}
			var got []string
			for _, r := range x.Uncovered {
				got = append(got, r.ID)
			}
			want := slices.DeleteFunc(all, func(id string) bool { return slices.Contains(test.covers, id) })
			if !slices.Equal(got, want) {
				t.Errorf("got %v uncovered, want %v", got, want)
			}
			if x.Outcomes[0].Cells == 0 {
				t.Error("nothing was decided")
			}
		})
	}
}
