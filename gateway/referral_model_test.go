package gateway_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
)

// TestGeneratedModelTable: the model of docs/model is of the table that this
// package has.
func TestGeneratedModelTable(t *testing.T) {
	const file = "../docs/model/table.pml"
	want := modelTable()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not of the present table of referrals: run make generate", file)
	}
}

func modelTable() string {
	var b strings.Builder
	b.WriteString("/* Code generated from gateway/referral_table.go; make generate. DO NOT EDIT. */\n\n")
	statuses := append([]gateway.ReferralStatus{""}, gateway.ReferralStatuses()...)
	fmt.Fprintf(&b, "mtype = { %s }\n", listed(statuses, inStatus))
	fmt.Fprintf(&b, "mtype = { %s }\n", listed(gateway.ReferralActs(), inAct))
	b.WriteString("mtype = { nobody, provider, referrer }\n\n")
	oneOf := func(name string, is func(gateway.ReferralStatus) bool) {
		var all []string
		for _, s := range statuses {
			if is(s) {
				all = append(all, "(s) == "+inStatus(s))
			}
		}
		fmt.Fprintf(&b, "#define %s(s) (%s)\n", name, strings.Join(all, " || "))
	}
	owned := func(by gateway.Side) func(gateway.ReferralStatus) bool {
		return func(s gateway.ReferralStatus) bool { return s.NextStep().Owner == by }
	}
	able := func(by gateway.Side) func(gateway.ReferralStatus) bool {
		return func(s gateway.ReferralStatus) bool { return s != "" && len(s.Acts(by)) > 0 }
	}
	oneOf("FINAL", gateway.ReferralStatus.Final)
	oneOf("BOOKED", gateway.ReferralStatus.Booked)
	oneOf("OF_PROVIDER", owned(gateway.ProviderSide))
	oneOf("OF_REFERRER", owned(gateway.ReferrerSide))
	oneOf("PROVIDER_CAN", able(gateway.ProviderSide))
	oneOf("REFERRER_CAN", able(gateway.ReferrerSide))
	b.WriteString("#define OWNER(s) (OF_PROVIDER(s) -> provider : (OF_REFERRER(s) -> referrer : nobody))\n")
	b.WriteString("#define CAN(who, s) ((who) == provider && PROVIDER_CAN(s) || (who) == referrer && REFERRER_CAN(s))\n")

	b.WriteString("\n/* to is where act leads in the state from, s_none if nowhere */\ninline next() {\n\tif\n")
	for _, s := range statuses {
		for _, a := range gateway.ReferralActs() {
			if to, ok := s.Next(a); ok {
				fmt.Fprintf(&b, "\t:: from == %s && act == %s -> to = %s\n", inStatus(s), inAct(a), inStatus(to))
			}
		}
	}
	b.WriteString("\t:: else -> to = s_none\n\tfi\n}\n")
	chosen(&b, "own", "one of the states that the provider may commit in the state from", statuses, gateway.ProviderSide)
	chosen(&b, "wish", "one of the acts that the referrer may ask for in the state from", statuses, gateway.ReferrerSide)
	return b.String()
}

func chosen(b *strings.Builder, name, what string, statuses []gateway.ReferralStatus, by gateway.Side) {
	fmt.Fprintf(b, "\n/* act and to are %s; to is s_none if there is none */\ninline %s() {\n\tif\n", what, name)
	var none []string
	for _, s := range statuses {
		acts := slices.DeleteFunc(s.Acts(by), func(a gateway.ReferralAct) bool { return a == gateway.ActRefer })
		if len(acts) == 0 {
			none = append(none, "from == "+inStatus(s))
		}
		for _, a := range acts {
			to, _ := s.Next(a)
			fmt.Fprintf(b, "\t:: from == %s -> act = %s; to = %s\n", inStatus(s), inAct(a), inStatus(to))
		}
	}
	fmt.Fprintf(b, "\t:: %s -> to = s_none\n\tfi\n}\n", strings.Join(none, " || "))
}

func inStatus(s gateway.ReferralStatus) string {
	if s == "" {
		return "s_none"
	}
	return "s_" + strings.ReplaceAll(string(s), "-", "_")
}

func inAct(a gateway.ReferralAct) string { return "a_" + strings.ReplaceAll(string(a), "-", "_") }

func listed[T any](all []T, name func(T) string) string {
	var names []string
	for _, one := range all {
		names = append(names, name(one))
	}
	return strings.Join(names, ", ")
}
