package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
)

func TestCheckClosings(t *testing.T) {
	many := make([]gateway.Closing, gateway.MaxClosings+1)
	for _, test := range []struct {
		closed []gateway.Closing
		want   string // "" is good
	}{
		{nil, ""},
		{[]gateway.Closing{{"2026-12-24", "2027-01-03"}, {"2026-07-20", "2026-08-07"}}, ""},
		{[]gateway.Closing{{"2026-07-01", "2026-08-31"}}, ""}, // 62 days
		{[]gateway.Closing{{"2026-07-01", "2026-09-01"}}, "at most 62 days"},
		{[]gateway.Closing{{"2026-07-20", "2026-07-20"}}, ""},
		{[]gateway.Closing{{"2026-07-20", "2026-07-19"}}, "ends before"},
		{[]gateway.Closing{{"2026-07-20", ""}}, "a first and a last day"},
		{[]gateway.Closing{{"", "2026-07-20"}}, "a first and a last day"},
		{[]gateway.Closing{{"2026-07-20", "2026-07-32"}}, "a first and a last day"},
		{[]gateway.Closing{{"2026-08-07", "2026-08-20"}, {"2026-07-20", "2026-08-07"}}, "overlap"},
		{many, "at most 24"},
	} {
		err := gateway.CheckClosings(test.closed)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(gateway.SafeMessage(err), test.want) {
			t.Errorf("%v: got %v, want %q", test.closed, err, test.want)
		}
	}
}

func TestHelloTellsClosed(t *testing.T) {
	closed := []gateway.Closing{{"2026-12-24", "2027-01-03"}, {"2026-04-27", "2026-05-08"}, {"2026-07-20", "2026-08-07"}}
	hello := gateway.Hello{CodeLists: map[string]string{"werksoort": "2026-11-01", "approval": "two-person"}}
	hello.TellClosed(closed, "2026-08-07")
	if want := []gateway.Closing{closed[2], closed[0]}; !slices.Equal(hello.Closed(), want) {
		t.Errorf("got %v, want %v: what is over is not told", hello.Closed(), want)
	}
	if got := hello.CodeLists["closed-01"]; got != "2026-07-20.2026-08-07" || len(hello.CodeLists) != 4 {
		t.Errorf("got %v", hello.CodeLists)
	}
	for _, bad := range []string{"", "2026-07-20", "2026-07-20.", ".2026-07-20", "2026-07-20.9999-12-31", "1"} {
		hello.CodeLists["closed-03"] = bad
		if got := hello.Closed(); got != nil {
			t.Errorf("%q: got %v, want none of them believed", bad, got)
		}
	}
	if got := (*gateway.Hello)(nil).Closed(); got != nil {
		t.Errorf("got %v of no hello", got)
	}
}
