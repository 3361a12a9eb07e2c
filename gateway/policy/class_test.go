package policy_test

import (
	"fmt"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/schema"
)

// TestDefaultClasses loads a rule on each field with the classes of the schema
// and with none given: the outcome is the same.
func TestDefaultClasses(t *testing.T) {
	v, err := schema.New()
	if err != nil {
		t.Fatal(err)
	}
	given := env(t)
	given.Class = v.Class
	refused := 0
	for _, f := range gateway.Fields() {
		forms := f.Forms()
		rule := fmt.Sprintf("  - {id: a, effect: show, kinds: [capacity], to: {roles: [grs]}, fields: {%s: %s}}\n", f, forms[len(forms)-1])
		if f == gateway.FieldAllotmentsAvailable {
			continue // never without allotments
		}
		_, _, without := policy.Load([]policy.File{text(rule)}, env(t))
		_, _, with := policy.Load([]policy.File{text(rule)}, given)
		if fmt.Sprint(without) != fmt.Sprint(with) {
			t.Errorf("%s: got %v, want %v", f, without, with)
		}
		if with != nil {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("got %d fields that need an exception, want doelgroepen", refused)
	}
}

// TestClassifiedCodes shows a field by the class of each code in it, whatever
// the class of the field.
func TestClassifiedCodes(t *testing.T) {
	e := env(t)
	e.Class = func(gateway.Field) gateway.DataClass { return gateway.Gewoon }
	list := e.Lists["trajectsoort"]
	list.Codes = append([]gateway.Code{{Code: "forensisch", Class: gateway.Strafrechtelijk}, {Code: "zorg", Class: gateway.Bijzonder}}, list.Codes...)
	e.Lists["trajectsoort"] = list
	delete(e.Lists, "toegankelijkheid")
	rule := "  - {id: a, effect: show, kinds: [capacity], to: {roles: [gemeente]}%s, fields: {title: exact, trajectsoort: exact, accessibility: exact}}\n"
	tests := []struct {
		exception, trajectsoort, accessibility, want string
	}{
		{"", "stage", "", "exact: title trajectsoort accessibility"},
		{"", "zorg", "", "exact: title accessibility"},
		{"", "onbekend", "", "exact: title accessibility"},
		{"", "stage", "lift", "exact: title trajectsoort"}, // of a list that is not there
		{"avg-9-2-h", "zorg", "", "exact: title trajectsoort accessibility"},
		{"avg-9-2-h", "forensisch", "", "exact: title accessibility"},
		{"uavg-33", "zorg", "", "exact: title accessibility"},
		{"uavg-33", "forensisch", "", "exact: title trajectsoort accessibility"},
		{"uavg-33", "onbekend", "", "exact: title accessibility"},
		{"uavg-33, uavg-30-1", "onbekend", "lift", "exact: title trajectsoort accessibility"},
	}
	for _, test := range tests {
		exception := ""
		if test.exception != "" {
			exception = ", exception: [" + test.exception + "]"
		}
		offer := groen()
		offer.Trajectsoort, offer.Accessibility = test.trajectsoort, nil
		if test.accessibility != "" {
			offer.Accessibility = []string{test.accessibility}
		}
		q := policy.Request{Kind: gateway.KindCapacity, Offer: offer, Recipient: recipient(t, dordrecht, today), Day: today}
		if got := sight(load(t, e, text(fmt.Sprintf(rule, exception))).Decide(q)); got != test.want {
			t.Errorf("%s %s under [%s]: got %s, want %s", test.trajectsoort, test.accessibility, test.exception, got, test.want)
		}
	}
}
