package exchange_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	"github.com/doorstroom/doorstroom/gateway/register"
)

// restore puts the newest backup of a node in the place of its database.
func restore(t *testing.T, f *gt.Federation, oin gateway.OIN, await time.Duration) {
	t.Helper()
	c, err := config.Load(filepath.Join(f.Dir(oin), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Restore(context.Background(), c, node.RestoreOptions{Await: await}); err != nil {
		t.Fatalf("restore %s: %v", oin, err)
	}
}

func backUp(t *testing.T, f *gt.Federation, oin gateway.OIN) {
	t.Helper()
	if _, err := f.Node(oin).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
		t.Fatalf("back up %s: %v", oin, err)
	}
}

// season is what the admin of Smile exports, hour after hour: offers come, change
// and go, and their titles tell which version they are.
type season struct {
	hour    int
	version map[string]int
}

func (s *season) next() []gateway.Offer {
	for range 2 {
		s.version[fmt.Sprint("o", s.hour%7)] = s.hour
		delete(s.version, fmt.Sprint("o", (s.hour+3)%7))
		s.hour++
	}
	return s.offers()
}

func (s *season) offers() []gateway.Offer {
	var offers []gateway.Offer
	for _, id := range slices.Sorted(maps.Keys(s.version)) {
		o := gt.Offer(id)
		o.Title = fmt.Sprint("versie ", s.version[id])
		offers = append(offers, o)
	}
	return offers
}

// holds compares what a recipient holds with the last export.
func (s *season) holds(t *testing.T, f *gt.Federation, oin gateway.OIN) {
	t.Helper()
	got, want := map[string]string{}, map[string]string{}
	received, err := f.Node(oin).Store.ReceivedOffers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range received {
		if got[o.Capacity.Offer] != "" {
			t.Errorf("%s holds offer %s twice", oin, o.Capacity.Offer)
		}
		got[o.Capacity.Offer] = o.Capacity.Title
	}
	for _, o := range s.offers() {
		want[o.ID] = o.Title
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", oin, got, want)
	}
}

// doubtful loses answers, so that messages take effect of which the sender does
// not know it, and makes every connection slow, so that some is always under way.
func doubtful() gt.Fault {
	random := rand.New(rand.NewPCG(1, 2))
	return gt.Fault{Dial: 10 * time.Second, After: func(gateway.OIN, gateway.OIN, *gateway.Receipts) error {
		if random.IntN(5) == 0 {
			return gateway.Errorf(gateway.Unavailable, "the answer was lost")
		}
		return nil
	}}
}

// Three days after a backup, either side, or both, is restored from it while
// messages flow. Nobody does anything but go on: in the end every recipient
// holds just what is offered, nothing twice, and every journal verifies. A
// restored sender never sends again what was replaced or withdrawn before.
func TestRestoreFromThreeDaysAgo(t *testing.T) {
	for name, restored := range map[string][]gateway.OIN{
		"sender": {gt.Smile}, "recipient": {gt.Dordrecht}, "both": {gt.Smile, gt.Dordrecht},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) { restoreUnderLoad(t, restored) })
		})
	}
}

func restoreUnderLoad(t *testing.T, restored []gateway.OIN) {
	f := gt.NewFederation(t, smile(),
		gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
	f.Net.Break(doubtful())
	s := &season{version: map[string]int{}}
	hours := func(n int) {
		for range n {
			f.Publish(gt.Smile, s.next()...)
			time.Sleep(time.Hour)
		}
	}
	hours(5)
	f.Publish(gt.Smile, s.next()...)
	time.Sleep(5 * time.Second) // queued, being attempted, and settled: all are in the backup
	for _, oin := range restored {
		backUp(t, f, oin)
	}
	hours(72)
	f.Publish(gt.Smile, s.next()...)
	time.Sleep(15 * time.Second)
	for _, oin := range restored {
		f.Stop(oin)
		restore(t, f, oin, 24*time.Hour)
	}
	before, crossedBefore := maps.Clone(s.version), len(f.Net.Wire())
	for _, oin := range restored {
		f.Start(oin)
	}
	time.Sleep(90 * time.Minute) // the admin does not know of it
	hours(6)
	f.Net.Break(gt.Fault{})
	time.Sleep(13 * time.Hour)
	f.Settled(time.Hour)

	f.Converged()
	s.holds(t, f, gt.Dordrecht)
	s.holds(t, f, gt.Alblasserdam)
	for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht} {
		soundJournal(t, f, oin, slices.Contains(restored, oin))
	}
	for _, e := range f.Net.Wire()[crossedBefore:] {
		for _, token := range e.Batch.Messages {
			nothingOld(t, payload(t, token), before)
		}
	}
}

// nothingOld fails for a snapshot that was replaced or withdrawn before.
func nothingOld(t *testing.T, p []byte, before map[string]int) {
	t.Helper()
	m, err := gateway.DecodeMessage(p)
	if err != nil {
		t.Fatal(err)
	}
	var c gateway.Capacity
	if m.Kind != gateway.KindCapacity || json.Unmarshal(m.Data, &c) != nil || c.Withdrawn {
		return
	}
	var version int
	if _, err := fmt.Sscanf(c.Title, "versie %d", &version); err != nil {
		t.Fatal(err)
	}
	newest := slices.Max(slices.Collect(maps.Values(before)))
	if at, current := before[c.Offer]; version <= newest && (!current || version != at) {
		t.Errorf("sent after the restore: %s of offer %s, of which version %d (%v) was there at the restore", c.Title, c.Offer, at, current)
	}
}

// soundJournal verifies a journal and looks for a message with two effects.
func soundJournal(t *testing.T, f *gt.Federation, oin gateway.OIN, restored bool) {
	t.Helper()
	report, err := f.Node(oin).Desk.VerifyJournal(context.Background(), gt.Everyone())
	if err != nil || report.Checkpoints == 0 {
		t.Errorf("journal of %s: %v, %d checkpoints", oin, err, report.Checkpoints)
	}
	effects, restores := map[string]int{}, 0
	for _, e := range f.Journal(oin) {
		if e.Kind == journal.KindReceived && e.Outcome == string(gateway.Received) {
			effects[string(e.Party)+e.Message]++
		}
		if e.Kind == journal.KindRestore {
			restores++
			if gap := e.Time.Sub(e.Since); gap < 71*time.Hour || gap > 73*time.Hour || e.Count == 0 || e.Digest == "" {
				t.Errorf("journal of %s: the restore tells of a gap of %v after %d entries", oin, gap, e.Count)
			}
		}
	}
	for message, n := range effects {
		if n > 1 {
			t.Errorf("%s took message %s in %d times", oin, message, n)
		}
	}
	if (restores == 1) != restored {
		t.Errorf("journal of %s: got %d restores", oin, restores)
	}
}

// No export comes after a restore: when the time for it is over the node sends
// what is in its backup, and both sides are in step again.
func TestRestoreWithoutAnExport(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		backUp(t, f, gt.Smile)
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("drie"))
		f.Settled(time.Hour)
		f.Stop(gt.Smile)
		restore(t, f, gt.Smile, 24*time.Hour)
		f.Start(gt.Smile)
		time.Sleep(23 * time.Hour)
		if got := slices.Sorted(maps.Keys(f.Received(gt.Dordrecht, gt.Smile))); !slices.Equal(got, []string{"drie", "een"}) {
			t.Errorf("while the sender waits: got %v, want what was there before the restore", got)
		}
		status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone())
		if err != nil || len(status.Alarms) != 1 || len(status.Awaited.Sources) != 1 {
			t.Errorf("status while it waits: got %v, %v, %v", status.Alarms, status.Awaited, err)
		}
		time.Sleep(2 * time.Hour)
		if got := slices.Sorted(maps.Keys(f.Received(gt.Dordrecht, gt.Smile))); !slices.Equal(got, []string{"een", "twee"}) {
			t.Errorf("after it: got %v, want what is in the backup", got)
		}
		f.Settled(time.Hour)
		f.Converged()
	})
}

// A party left the register after the backup. The restored node learns that from
// the others before it sends anything, and the party gets nothing.
func TestRestoredSenderHearsOfANewRegisterFirst(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(),
			gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Publish(gt.Smile, gt.Offer("een"))
		f.Settled(time.Hour)
		backUp(t, f, gt.Smile)
		removed := f.NextRegister(without(gt.Dordrecht))
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam} {
			if _, err := f.Node(oin).Desk.InstallRegister(context.Background(), gt.Everyone(), removed); err != nil {
				t.Fatal(err)
			}
		}
		loseDatabase(t, f, gt.Smile) // so that nothing is carried over
		f.Stop(gt.Smile)
		restore(t, f, gt.Smile, 24*time.Hour)
		before := len(crossed(t, f, gt.Dordrecht))
		f.Start(gt.Smile)
		time.Sleep(time.Minute)
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		time.Sleep(24 * time.Hour)
		if got := len(crossed(t, f, gt.Dordrecht)) - before; got != 0 {
			t.Errorf("the party that left got %d messages", got)
		}
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 2 {
			t.Errorf("Alblasserdam holds %d offers, want 2", got)
		}
	})
}

func without(oin gateway.OIN) func(*register.Document) {
	return func(d *register.Document) { *d = register.Remove(*d, oin) }
}

// A peer for which something is always under way gets what its backup lacks all
// the same: nobody waits for a quiet moment to compare.
func TestRestoredRecipientUnderSteadyLoad(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		backUp(t, f, gt.Dordrecht)
		steady, busy := gt.Offer("rustig"), gt.Offer("druk")
		f.Publish(gt.Smile, steady, busy)
		f.Settled(time.Hour)
		f.Net.Break(gt.Fault{Dial: 10 * time.Second})
		minutes := func(n int) {
			for i := range n * 12 {
				busy.Title = fmt.Sprint("versie ", i)
				f.Publish(gt.Smile, steady, busy)
				time.Sleep(5 * time.Second)
			}
		}
		minutes(1)
		f.Stop(gt.Dordrecht)
		restore(t, f, gt.Dordrecht, 0)
		f.Start(gt.Dordrecht)
		minutes(10)
		if _, ok := f.Received(gt.Dordrecht, gt.Smile)["rustig"]; !ok {
			t.Error("ten minutes after the restore the offer that did not change is not there")
		}
	})
}

// What waited when the backup was made arrived after it. The restored sender does
// not send it under its old number, by which the recipient knows another message.
func TestRestoredQueueGetsNewNumbers(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		backUp(t, f, gt.Smile)
		f.Net.Mend(gt.Dordrecht)
		f.Settled(24 * time.Hour)
		f.Stop(gt.Smile)
		restore(t, f, gt.Smile, 0)
		f.Start(gt.Smile)
		time.Sleep(time.Hour)
		for _, e := range f.Journal(gt.Dordrecht) {
			if e.Kind == journal.KindRejected {
				t.Errorf("refused: %s", e.Reason)
			}
		}
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 2 {
			t.Errorf("got %d offers, want 2", got)
		}
		f.Converged()
	})
}

// A database is copied back by hand. Its node is told by what others answer, also
// when they know a later incarnation of it; restoring that copy mends it.
func TestDatabaseCopiedBackByHand(t *testing.T) {
	for name, restored := range map[string]bool{"of this incarnation": false, "of the one before": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) { copiedBack(t, restored) })
		})
	}
}

func copiedBack(t *testing.T, restored bool) {
	f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
	database := filepath.Join(f.Dir(gt.Smile), "data", "node.db")
	alarmed := func(when string, want bool) {
		t.Helper()
		alarms := strings.Join(status(f, gt.Smile).Alarms, "; ")
		if got := strings.Contains(alarms, "Dordrecht kent nieuwere berichten"); got != want {
			t.Errorf("%s: got alarms %q, want one of Dordrecht: %v", when, alarms, want)
		}
		findings, err := f.Node(gt.Smile).Desk.Doctor(context.Background(), gt.Everyone())
		i := slices.IndexFunc(findings, func(f desk.Finding) bool { return f.Check == "copies" })
		if err != nil || i < 0 || (findings[i].Level == desk.LevelError) != want {
			t.Errorf("%s: got findings %+v, %v, want an error: %v", when, findings, err, want)
		}
	}
	f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
	f.Settled(time.Hour)
	f.Stop(gt.Smile)
	file, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	f.Start(gt.Smile)
	if restored {
		backUp(t, f, gt.Smile)
		f.Stop(gt.Smile)
		restore(t, f, gt.Smile, 0)
		f.Start(gt.Smile)
	}
	for i := range 10 {
		changed := gt.Offer("een")
		changed.Title = fmt.Sprint("versie ", i)
		f.Publish(gt.Smile, changed, gt.Offer("drie"))
		f.Settled(time.Hour)
	}
	alarmed("before", false)
	f.Stop(gt.Smile)
	if err := os.WriteFile(database, file, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Start(gt.Smile)
	time.Sleep(time.Hour)
	alarmed("after", true)

	f.Stop(gt.Smile)
	c, err := config.Load(filepath.Join(f.Dir(gt.Smile), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(t.TempDir(), "node.db")
	if err := os.Rename(database, aside); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Restore(context.Background(), c, node.RestoreOptions{Backup: aside}); err != nil {
		t.Fatal(err)
	}
	f.Start(gt.Smile)
	f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("zes"))
	f.Settled(time.Hour)
	alarmed("when it is mended", false)
	f.Converged()
}

// A gemeente that never offered anything has nothing to send after a restore: an
// empty list would be held by those that take none from it, and alarm.
func TestRestoredPartyThatOffersNothing(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Publish(gt.Smile, gt.Offer("een"))
		f.Settled(time.Hour)
		for _, restored := range []gateway.OIN{gt.Dordrecht, gt.Smile} { // who lost it, and whose peer lost it
			backUp(t, f, restored)
			f.Stop(restored)
			restore(t, f, restored, 0)
			f.Start(restored)
			time.Sleep(24 * time.Hour)
		}
		if got := crossed(t, f, gt.Smile); len(got) != 0 {
			t.Errorf("got %d messages of the gemeente, want none", len(got))
		}
		owed, err := f.Node(gt.Dordrecht).Store.Owed(context.Background(), gt.Smile)
		if got := status(f, gt.Dordrecht).Peers[0]; owed || err != nil || got.Held+got.Queued > 0 {
			t.Errorf("got owed %v, %v, %d held and %d queued, want nothing", owed, err, got.Held, got.Queued)
		}
		f.Converged()
	})
}

// The backup is from before anything was offered: what others hold of it since is
// dropped, by a list of nothing.
func TestRestoreFromBeforeTheFirstOffer(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		backUp(t, f, gt.Smile)
		f.Publish(gt.Smile, gt.Offer("een"))
		f.Settled(time.Hour)
		f.Stop(gt.Smile)
		restore(t, f, gt.Smile, 0)
		f.Start(gt.Smile)
		time.Sleep(2 * time.Hour)
		if got := f.Received(gt.Dordrecht, gt.Smile); len(got) != 0 {
			t.Errorf("got %d offers that nobody offers any more", len(got))
		}
		f.Converged()
	})
}
