package exchange_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// A clock that runs ahead long enough has a node forget which messages it had,
// and when it is set back they would be new. They are not: the node goes by the
// highest time that it committed anything at, and by that they have expired.
func TestReplayAfterPurgeAndClockSetBack(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		f.Publish(gt.Smile)
		f.Settled(time.Hour)
		var tokens []string
		for _, x := range f.Net.Wire() {
			if x.To == gt.Alblasserdam {
				tokens = append(tokens, x.Batch.Messages...)
			}
		}
		replay := func() []gateway.ReceiptItem {
			t.Helper()
			answer, err := f.Node(gt.Alblasserdam).Exchange.Accept(context.Background(), gt.Smile, gateway.Batch{Messages: tokens})
			if err != nil {
				t.Fatal(err)
			}
			return answer.Items
		}
		for _, item := range replay() {
			if item.Outcome == gateway.Refused {
				t.Errorf("while it is remembered: got %s %s, want the first answer again", item.Outcome, item.Reason)
			}
		}
		took := count(f, gt.Alblasserdam, journal.KindReceived)
		// The clock leaps ahead by 70 days, the node purges, and the clock is right again.
		purged, err := f.Node(gt.Alblasserdam).Store.Purge(context.Background(), time.Now().Add(70*24*time.Hour))
		if err != nil || purged < len(tokens) {
			t.Fatalf("got %d rows purged and %v, want %d messages or more", purged, err, len(tokens))
		}
		for _, state := range []string{"running", "after a restart"} {
			time.Sleep(10 * time.Minute)
			for _, item := range replay() {
				if item.Outcome != gateway.Refused || item.Reason != gateway.ReasonExpired {
					t.Errorf("%s: got %s %s, want that it has expired", state, item.Outcome, item.Reason)
				}
			}
			if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 0 {
				t.Errorf("%s: an offer that was withdrawn is back", state)
			}
			if got := count(f, gt.Alblasserdam, journal.KindReceived); got != took {
				t.Errorf("%s: got %d messages that took effect, want %d", state, got, took)
			}
			if count(f, gt.Alblasserdam, journal.KindClockAlarm) == 0 {
				t.Errorf("%s: the clock that was set back is not in the journal", state)
			}
			f.Stop(gt.Alblasserdam)
			f.Start(gt.Alblasserdam)
		}
	})
}

// The clock of a running node leaps ahead by a day and is set right again, which
// is a clock set back by a day: of the sender, of the recipient, of both. What
// is published meanwhile arrives, once.
func TestClockOffByADay(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string][]gateway.OIN{
		"sender": {gt.Smile}, "recipient": {gt.Alblasserdam}, "both": {gt.Smile, gt.Alblasserdam},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
				f.Publish(gt.Smile, gt.Offer("groen"))
				f.Settled(time.Hour)
				ahead := time.Now().Add(24 * time.Hour)
				for _, oin := range wrong {
					if err := f.Node(oin).Store.Append(context.Background(), ahead, journal.Entry{Kind: journal.KindClockLeap}); err != nil {
						t.Fatal(err)
					}
				}
				for _, id := range []string{"zorg", "bouw", "horeca"} {
					f.Publish(gt.Smile, gt.Offer("groen"), gt.Offer(id))
					time.Sleep(2 * time.Hour)
				}
				time.Sleep(30 * time.Hour)
				f.Settled(time.Hour)
				f.Converged()
				took := map[string]int{}
				for _, r := range f.Journal(gt.Alblasserdam) {
					if r.Kind == journal.KindReceived && r.Outcome == string(gateway.Received) {
						took[r.Message]++
					}
				}
				for id, n := range took {
					if n != 1 {
						t.Errorf("message %s took effect %d times", id, n)
					}
				}
				if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 2 {
					t.Errorf("got %d offers, want the last two", got)
				}
				for _, oin := range wrong {
					if got := count(f, oin, journal.KindClockAlarm); got != 1 {
						t.Errorf("%s: got %d clock alarms in the journal, want one", oin, got)
					}
				}
			})
		})
	}
}
