package main

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		p    desk.Progress
		want string
	}{
		{desk.Progress{Done: 234, Total: 10_000}, "234 van 10000 aanbiedingen klaargezet (2%)"},
		{desk.Progress{}, "0 van 0 aanbiedingen klaargezet (0%)"},
	} {
		if got := progressLine(c.p); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
