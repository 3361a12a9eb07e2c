package desk_test

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
)

const why = "storing bij mevrouw Fictief gemeld"

func beheerder(name string) gateway.Caller {
	return gateway.Caller{Name: name, Roles: []gateway.Role{gateway.Beheerder}}
}

func privacyOfficer(name string) gateway.Caller {
	return gateway.Caller{Name: name, Roles: []gateway.Role{gateway.PrivacyOfficer}}
}

func ofKind(t *testing.T, err error, want gateway.Kind, when string) {
	t.Helper()
	if got := gateway.KindOf(err); err == nil || got != want {
		t.Errorf("%s: got %v, want kind %v", when, err, want)
	}
}

// A beheerder reads offers under break-glass, for as long as he asked for and no
// longer, over a restart too; another does not.
func TestBreakGlassEndsByItself(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		ctx := context.Background()
		d := func() *desk.Desk { return f.Node(gt.Smile).Desk }
		reading := func(c gateway.Caller) error {
			offers, err := d().OwnOffers(ctx, c)
			if err == nil && len(offers) != 1 {
				t.Errorf("got %d offers, want 1", len(offers))
			}
			_, err2 := d().ReceivedOffers(ctx, c)
			if (err == nil) != (err2 == nil) {
				t.Errorf("own offers: %v, received offers: %v", err, err2)
			}
			return err
		}
		ofKind(t, reading(beheerder("b")), gateway.Denied, "before")
		b, err := d().BreakGlass(ctx, beheerder("b"), why, 30*time.Minute)
		if err != nil || b.Number != 1 || b.Until.Sub(b.Since) != 30*time.Minute {
			t.Fatalf("got %+v %v, want number 1 for half an hour", b, err)
		}
		_, err = d().BreakGlass(ctx, beheerder("b"), why, 30*time.Minute)
		ofKind(t, err, gateway.Conflict, "a second one")
		time.Sleep(20 * time.Minute)
		if err := reading(beheerder("b")); err != nil {
			t.Errorf("under it: %v", err)
		}
		ofKind(t, reading(beheerder("c")), gateway.Denied, "somebody else")
		f.Stop(gt.Smile)
		f.Start(gt.Smile)
		if err := reading(beheerder("b")); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		consulent := gateway.Caller{Name: "b", Roles: []gateway.Role{gateway.Program}}
		if consulent.May(gateway.OpReplayPolicy) {
			t.Fatal("a program may replay: take another role")
		}
		_, err = d().Replay(ctx, consulent, nil, 1)
		ofKind(t, err, gateway.Denied, "under the same name without the role")
		time.Sleep(10*time.Minute + time.Second)
		ofKind(t, reading(beheerder("b")), gateway.Denied, "afterwards")
		time.Sleep(10 * time.Minute) // by then the node has noticed
		all, err := d().ListBreakGlass(ctx, privacyOfficer("fg"))
		if err != nil || len(all) != 1 || all[0].Reads != 4 || !all[0].Ended.Equal(b.Until) {
			t.Errorf("got %+v %v, want one with 4 readings that ended at %s", all, err, b.Until)
		}
		if b, err = d().BreakGlass(ctx, beheerder("b"), why, time.Hour); err != nil || b.Number != 2 {
			t.Fatalf("again: got %+v %v", b, err)
		}
		if _, err = d().EndBreakGlass(ctx, beheerder("b")); err != nil {
			t.Fatal(err)
		}
		ofKind(t, reading(beheerder("b")), gateway.Denied, "after it was ended")
		_, err = d().EndBreakGlass(ctx, beheerder("b"))
		ofKind(t, err, gateway.NotFound, "to end it twice")
		var got []string
		for _, r := range f.Journal(gt.Smile) {
			if r.Kind == journal.KindBreakGlass || r.Outcome == journal.OutcomeBreakGlass {
				got = append(got, r.Kind+" "+r.Outcome+" "+strings.Repeat("I", r.Count))
				if r.Caller != desk.Pseudonym(d().Secret, beheerder("b")) || (r.Digest != "") != (r.Outcome == journal.OutcomeOpened) {
					t.Errorf("got %+v, want the pseudonym of the caller, and a digest where it was opened", r)
				}
			}
		}
		want := []string{"break-glass opened I", "own-offers break-glass I", "received-offers break-glass I", "own-offers break-glass I",
			"received-offers break-glass I", "break-glass ended I", "break-glass opened II", "break-glass ended II"}
		if !slices.Equal(got, want) {
			t.Errorf("got the entries\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// It shows to all until a privacy officer, and nobody else, has acknowledged it;
// who and why only to a privacy officer, and never in the journal.
func TestBreakGlassShows(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		name := "Beheer Verzonnen"
		if _, err := d.BreakGlass(ctx, beheerder(name), why, time.Hour); err != nil {
			t.Fatal(err)
		}
		shown := func(c gateway.Caller) string {
			s, err := d.Status(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.BreakGlass) != 1 || s.BreakGlass[0].Number != 1 || s.BreakGlass[0].Key != nil {
				t.Errorf("%v: got %+v, want number 1 to show", c.Roles, s.BreakGlass)
			}
			return fmt.Sprintf("%+v", s.BreakGlass)
		}
		for _, role := range gateway.Roles() {
			text := shown(gateway.Caller{Name: "x", Roles: []gateway.Role{role}})
			all := strings.Contains(text, why) && strings.Contains(text, name)
			some := strings.Contains(text, why) || strings.Contains(text, name)
			if all != some || all != (role == gateway.PrivacyOfficer) {
				t.Errorf("%s sees %s", role, text)
			}
		}
		both := gateway.Caller{Name: name, Roles: []gateway.Role{gateway.Beheerder, gateway.PrivacyOfficer}}
		acknowledge := func(c gateway.Caller, number uint64) error {
			_, err := d.AcknowledgeBreakGlass(ctx, c, number)
			return err
		}
		ofKind(t, acknowledge(privacyOfficer("fg"), 1), gateway.Conflict, "while it is open")
		ofKind(t, acknowledge(privacyOfficer("fg"), 2), gateway.NotFound, "another number")
		time.Sleep(61 * time.Minute)
		ofKind(t, acknowledge(both, 1), gateway.Denied, "one's own")
		ofKind(t, acknowledge(beheerder("ander"), 1), gateway.Denied, "a beheerder")
		shown(beheerder("ander"))
		if err := acknowledge(privacyOfficer("fg"), 1); err != nil {
			t.Fatal(err)
		}
		ofKind(t, acknowledge(privacyOfficer("fg"), 1), gateway.Conflict, "twice")
		if s, err := d.Status(ctx, privacyOfficer("fg")); err != nil || len(s.BreakGlass) != 0 {
			t.Errorf("got %+v %v, want nothing to show", s.BreakGlass, err)
		}
		list := func() string {
			all, err := d.ListBreakGlass(ctx, privacyOfficer("fg"))
			return fmt.Sprintf("%+v %v", all, err)
		}
		for _, after := range []time.Duration{364 * 24 * time.Hour, 366 * 24 * time.Hour} {
			if text := list(); !strings.Contains(text, why) {
				t.Errorf("before %s: got %s, want the reason", after, text)
			}
			if _, err := f.Node(gt.Smile).Store.Purge(ctx, time.Now().Add(after)); err != nil {
				t.Fatal(err)
			}
		}
		if text := list(); strings.Contains(text, why) || strings.Contains(text, name) || !strings.Contains(text, "Number:1") {
			t.Errorf("after a year: got %s, want who and why erased, and the rest kept", text)
		}
		for _, r := range f.Journal(gt.Smile) {
			if text := gt.Dump(r); strings.Contains(text, why) || strings.Contains(text, "Fictief") || strings.Contains(text, name) {
				t.Errorf("the journal says %s", text)
			}
		}
	})
}

// What cannot be opened: without a reason, for too long, by who needs none, while
// the clock is set back.
func TestBreakGlassIsBounded(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		for _, test := range []struct {
			name   string
			caller gateway.Caller
			reason string
			term   time.Duration
			want   gateway.Kind
		}{
			{"no reason", beheerder("b"), "  ", time.Hour, gateway.Invalid},
			{"short reason", beheerder("b"), "zomaar", time.Hour, gateway.Invalid},
			{"long reason", beheerder("b"), strings.Repeat("x", 501), time.Hour, gateway.Invalid},
			{"no time", beheerder("b"), why, 0, gateway.Invalid},
			{"too long", beheerder("b"), why, desk.BreakGlassMost + time.Second, gateway.Invalid},
			{"may read already", gt.Everyone(), why, time.Hour, gateway.Conflict},
			{"privacy officer", privacyOfficer("fg"), why, time.Hour, gateway.Denied},
		} {
			_, err := d.BreakGlass(ctx, test.caller, test.reason, test.term)
			ofKind(t, err, test.want, test.name)
		}
		if _, err := d.BreakGlass(ctx, beheerder("b"), why, desk.BreakGlassMost); err != nil {
			t.Errorf("the longest: %v", err)
		}
		ahead := time.Now().Add(time.Hour)
		if err := f.Node(gt.Smile).Store.Append(ctx, ahead, journal.Entry{Kind: journal.KindClockLeap}); err != nil {
			t.Fatal(err)
		}
		_, err := d.OwnOffers(ctx, beheerder("b"))
		ofKind(t, err, gateway.Denied, "while the clock is set back")
		_, err = d.BreakGlass(ctx, beheerder("c"), why, time.Hour)
		ofKind(t, err, gateway.Unavailable, "opened while the clock is set back")
	})
}

// Under it a beheerder may do what it is for, which shows offers, and nothing else
// that he may not do otherwise.
func TestBreakGlassAddsReadingOnly(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		d := pair(t).Node(gt.Smile).Desk
		caller := beheerder("b")
		if _, err := d.BreakGlass(context.Background(), caller, why, time.Hour); err != nil {
			t.Fatal(err)
		}
		table, added := purposes(), 0
		typ := reflect.TypeFor[*desk.Desk]()
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			row, ok := table[m.Name]
			if !ok || caller.May(row.op) {
				continue
			}
			denied := gateway.KindOf(callWith(d, m, caller)) == gateway.Denied
			if under := slices.Contains(gateway.UnderBreakGlass(), row.op); denied == under || under && row.does != content {
				t.Errorf("%s (%s): got denied %t", m.Name, row.does, denied)
			}
			if !denied {
				added++
			}
		}
		if added != len(gateway.UnderBreakGlass()) {
			t.Errorf("got %d methods more, want %d", added, len(gateway.UnderBreakGlass()))
		}
	})
}

// restore puts the newest backup of Smile in the place of its database.
func restore(t *testing.T, f *gt.Federation) {
	t.Helper()
	if f.Node(gt.Smile) != nil {
		f.Stop(gt.Smile)
	}
	c, err := config.Load(filepath.Join(f.Dir(gt.Smile), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Restore(context.Background(), c, node.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	f.Start(gt.Smile)
}

// Putting back an older backup hides none, and opens none again.
func TestBreakGlassSurvivesARestore(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx := context.Background()
		d := func() *desk.Desk { return f.Node(gt.Smile).Desk }
		for range 2 {
			if _, err := d().BreakGlass(ctx, beheerder("b"), why, time.Hour); err != nil {
				t.Fatal(err)
			}
			if _, err := d().Backup(ctx, gt.Everyone()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if _, err := d().BreakGlass(ctx, beheerder("c"), why, time.Hour); err != nil {
				t.Fatal(err)
			}
			restore(t, f)
			_, err := d().OwnOffers(ctx, beheerder("b"))
			ofKind(t, err, gateway.Denied, "what was open in the backup")
			_, err = d().OwnOffers(ctx, beheerder("c"))
			ofKind(t, err, gateway.Denied, "what was open in the replaced database")
		}
		s, err := d().Status(ctx, privacyOfficer("fg"))
		if err != nil || len(s.BreakGlass) != 4 {
			t.Fatalf("got %s %v, want all four", fmt.Sprintf("%+v", s.BreakGlass), err)
		}
		for i, b := range s.BreakGlass {
			if b.Number != uint64(i+1) || b.Reason != why || b.Ended.IsZero() {
				t.Errorf("got %+v, want number %d, its reason and an end", b, i+1)
			}
		}
	})
}
