package store_test

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
	"pgregory.net/rapid"
)

// backup copies the database of a node; putBack restores it as of then.
func (n *node) backup(t rapid.TB) []byte {
	t.Helper()
	must(t, n.Close())
	content := get(os.ReadFile(n.path))(t)
	n.Store = nil
	n.reopen(t)
	return content
}

func (n *node) putBack(t rapid.TB, content []byte, now time.Time) {
	t.Helper()
	before := get(n.Remains(ctx))(t)
	must(t, n.Close())
	must(t, os.WriteFile(n.path, content, 0o600))
	n.Store = nil
	n.reopen(t)
	get(n.Restored(ctx, now, store.Restoration{Before: before}))(t)
}

// greet has two nodes tell each other their incarnations, and go through their
// referrals where that asks for it.
func (r *region) greet(t rapid.TB) {
	t.Helper()
	for _, pair := range [][2]*node{{r.referrer, r.provider}, {r.provider, r.referrer}} {
		r.hello(t, pair[1], pair[0])
		r.goThrough(t, pair[0], pair[1])
	}
	r.exchange(t)
	for _, pair := range [][2]*node{{r.referrer, r.provider}, {r.provider, r.referrer}} { // all was given back
		r.hello(t, pair[0], pair[1])
	}
}

// goThrough has one node go through its referrals with another where that is owed.
func (r *region) goThrough(t rapid.TB, n, with *node) {
	t.Helper()
	if get(n.OwedReferrals(ctx, with.oin))(t) {
		get(n.ReconcileReferrals(ctx, r.now, with.oin, r.now.Add(-30*24*time.Hour), terms()))(t)
	}
}

// hello has one node tell another who it is, as the exchange does.
func (r *region) hello(t rapid.TB, from, to *node) {
	t.Helper()
	given := get(from.GivenBack(ctx, to.oin, r.now.Add(-30*24*time.Hour)))(t)
	get(to.SaveHello(ctx, r.now, from.oin, gateway.Hello{
		Incarnation: from.Incarnation(), CodeLists: map[string]string{gateway.HelloRecovered: strconv.FormatUint(given, 10)},
	}))(t)
}

// TestProviderRestored gives back to a provider what it had committed after its
// backup, places included, and asks again what was open.
func TestProviderRestored(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	known, declined := r.newReferral(t), r.newReferral(t)
	backup := r.provider.backup(t)
	lost := r.newReferral(t)
	r.commit(t, known, gateway.ActAccept)
	r.commit(t, lost, gateway.ActAccept)
	r.commit(t, declined, gateway.ActDecline)
	r.exchange(t)
	f := get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: lost, Act: gateway.ActCancel, Reason: "overig", Terms: terms()}))(t)
	if f.Open == nil {
		t.Fatal("got nothing open")
	}
	fresh := r.refer(t) // was never answered
	r.provider.putBack(t, backup, r.now)
	wantTaken(t, r, gateway.Taken{})
	_, err := r.try(known, gateway.ActInvestigate) // staff would go on from what they see
	wantKind(t, err, gateway.Conflict)
	awaited := r.provider.Referrals(func(f store.ReferralFacts) bool { return f.Awaits.Equal(r.now.Add(gateway.ConfirmWithin)) })
	if len(awaited) != 2 {
		t.Errorf("got %+v, want that both which the backup had wait for their referrer", awaited)
	}
	r.deliver(t, r.referrer, r.provider) // from before, and told to come again
	r.greet(t)
	for id, want := range map[string]gateway.ReferralStatus{
		known: gateway.Accepted, lost: gateway.CancelAsked, declined: gateway.Declined, fresh.ID: gateway.Requested,
	} {
		if got := r.agree(t, id); got.Status != want {
			t.Errorf("got %q, want %q", got.Status, want)
		}
	}
	wantTaken(t, r, gateway.Taken{"alblasserdam": {"di-ochtend": 2}})
	if got := get(r.provider.ProvidedReferral(ctx, lost))(t); got.Need.Note != need().Note || got.Conflict {
		t.Errorf("got %+v, want the need given back", got)
	}
	r.sound(t)
}

// TestRestoredBookingInConflict keeps a booking that no longer fits, and says so.
func TestRestoredBookingInConflict(t *testing.T) {
	r := newRegion(t)
	r.offer(t, green(3))
	r.greet(t)
	others := []string{r.newReferral(t), r.newReferral(t)}
	lost := r.newReferral(t)
	backup := r.provider.backup(t)
	r.commit(t, lost, gateway.ActAccept)
	r.exchange(t)
	r.provider.putBack(t, backup, r.now)
	r.now = r.now.Add(gateway.ConfirmWithin) // and nobody says anything
	for _, id := range others {
		r.commit(t, id, gateway.ActAccept) // before it hears of the first
	}
	r.greet(t)
	if got := r.agree(t, lost); got.Status != gateway.Accepted || got.Allotment != "alblasserdam" {
		t.Errorf("got %+v, want the booking kept", got)
	}
	found := r.provider.Referrals(func(f store.ReferralFacts) bool { return f.Conflict })
	if len(found) != 1 || found[0].ID != lost {
		t.Errorf("got %+v, want the conflict reported", found)
	}
	r.sound(t)
	r.commit(t, lost, gateway.ActDecline)
	if found := r.provider.Referrals(func(f store.ReferralFacts) bool { return f.Conflict }); len(found) != 0 {
		t.Errorf("got %+v, want no conflict any more", found)
	}
	r.sound(t)
}

// TestReferrerRestored hears again where its referrals stand, also of those that
// it does not know any more.
func TestReferrerRestored(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	known := r.newReferral(t)
	backup := r.referrer.backup(t)
	unknown := r.newReferral(t)
	r.commit(t, known, gateway.ActAccept)
	r.exchange(t)
	r.referrer.putBack(t, backup, r.now)
	r.greet(t)
	r.agree(t, known)
	orphan := get(r.referrer.FollowedReferral(ctx, unknown))(t)
	if !orphan.Orphan || orphan.Follow.Status != gateway.Requested || orphan.Need != nil {
		t.Errorf("got %+v, want an orphan", orphan)
	}
	_, err := r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: unknown, Act: gateway.ActWithdraw, Reason: "overig", Terms: terms()})
	wantKind(t, err, gateway.Conflict)
	r.commit(t, unknown, gateway.ActDecline)
	r.exchange(t)
	if got := get(r.referrer.FollowedReferral(ctx, unknown))(t); got.Follow.Status != gateway.Declined {
		t.Errorf("got %+v, want the later state", got)
	}
	r.sound(t)
}

// TestReferrerRestoredBeforeItsRequestLeft gives an end to a request that still
// waits in the backup, although its provider has taken it, and a later one, since:
// that answers no message twice.
func TestReferrerRestoredBeforeItsRequestLeft(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	id := r.refer(t).ID
	backup := r.referrer.backup(t)
	r.exchange(t)
	r.commit(t, id, gateway.ActAccept)
	r.exchange(t)
	get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: id, Act: gateway.ActCancel, Reason: "overig", Terms: terms()}))(t)
	r.exchange(t)
	r.referrer.putBack(t, backup, r.now)
	r.greet(t)
	if got := r.agree(t, id); got.Status != gateway.CancelAsked {
		t.Errorf("got %q, want the cancellation that was asked since", got.Status)
	}
	if got := get(r.referrer.FollowedReferral(ctx, id))(t); got.Follow.Open != nil {
		t.Errorf("got %+v, want nothing open", got.Follow.Open)
	}
}

// TestErasedIsNowhere erases a referral on both sides, and looks for it in the
// files, in a backup from before, and in late messages.
func TestErasedIsNowhere(t *testing.T) {
	r := newRegion(t)
	id := r.newReferral(t)
	r.commit(t, id, gateway.ActAccept)
	r.exchange(t)
	h := gateway.Handover{Name: "Aafje Voorbeeld", Phone: "0612345678", Contact: gateway.Contact{Name: "C. Onsulent"}}
	get(r.referrer.AskReferral(ctx, r.now, store.Asking{Referral: id, Act: gateway.ActHandover, Handover: &h, Terms: terms()}))(t)
	r.exchange(t)
	if got := get(r.provider.Handover(ctx, id))(t); got.Name != h.Name || r.agree(t, id).Status != gateway.HandedOver {
		t.Fatalf("got %+v, want it handed over", got)
	}
	wantKind(t, r.provider.EraseReferral(ctx, r.now, id, "bewaartermijn", entryX()), gateway.Conflict)
	r.commit(t, id, gateway.ActStart)
	r.commit(t, id, gateway.ActEnd)
	r.exchange(t)
	late := request(self, id, gateway.ActCancel, 5)
	late.Message.Recipient = peerA
	recover := request(self, id, gateway.ActRecover, 5, func(q *gateway.ReferralRequest) {
		n := need()
		q.Need = &n
	})
	signed := r.agree(t, id)
	recover.Effect.Referral.Recovered = &signed
	recover.Message.Recipient = peerA
	backup, keys := r.provider.backup(t), r.provider.keys.copy()
	for _, n := range []*node{r.provider, r.referrer} {
		must(t, n.EraseReferral(ctx, r.now, id, "bewaartermijn", entryX()))
		n.gone(t, id, h.Name)
	}
	get(r.provider.Accept(ctx, r.now, peerA, self, []store.Inbound{late, recover}))(t)
	r.provider.gone(t, id, h.Name)
	r.provider.keys.restore(keys) // what is erased stays so, also with the keys of a backup
	r.provider.putBack(t, backup, r.now)
	must(t, r.provider.Close())
	r.provider.Store = nil
	r.provider.reopen(t)
	_, err := r.provider.ProvidedReferral(ctx, id)
	wantKind(t, err, gateway.NotFound)
	if left := r.provider.Referrals(nil); len(left) != 0 {
		t.Errorf("got %+v, want nothing", left)
	}
	if _, err := r.provider.keys.Open(store.SealedName(id), nil); gateway.KindOf(err) != gateway.NotFound {
		t.Errorf("got %v, want the key erased again", err)
	}
	r.sound(t)
}

// gone fails the test if a node still says anything of a referral.
func (n *node) gone(t *testing.T, id, name string) {
	t.Helper()
	if id != "" {
		for _, err := range []error{
			errOf(n.ProvidedReferral(ctx, id)), errOf(n.FollowedReferral(ctx, id)), errOf(n.Handover(ctx, id)),
		} {
			wantKind(t, err, gateway.NotFound)
		}
		if left := n.Referrals(func(f store.ReferralFacts) bool { return f.ID == id }); len(left) != 0 {
			t.Errorf("got %+v, want nothing listed", left)
		}
	}
	file := get(os.ReadFile(n.path))(t)
	for _, text := range []string{name, need().Note, "dossier 7", id} {
		if text != "" && bytes.Contains(file, []byte(text)) {
			t.Errorf("the file has %q in plain text", text)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestRequestThatNeverArrived is open no longer when it was refused for good, and
// is asked again when it was given up.
func TestRequestThatNeverArrived(t *testing.T) {
	r := newRegion(t)
	r.greet(t)
	refused := r.refer(t)
	deliver(t, r.referrer.testStore, r.now, peerA, 10, gateway.Refused)
	if got := get(r.referrer.FollowedReferral(ctx, refused.ID))(t); got.Follow.Open != nil || got.Failed != "refused" {
		t.Errorf("got %+v, want that it was refused", got)
	}
	given := r.refer(t)
	r.now = r.now.Add(15 * 24 * time.Hour)
	get(r.referrer.Expire(ctx, r.now))(t)
	unanswered := r.referrer.Referrals(func(f store.ReferralFacts) bool {
		return f.OverdueOn(gateway.DateOf(r.now)) && f.Open != "" && f.AnswerBy < gateway.DateOf(r.now)
	})
	if len(unanswered) != 1 || unanswered[0].ID != given.ID {
		t.Errorf("got %+v, want the one that was given up", unanswered)
	}
	r.greet(t)
	if got := r.agree(t, given.ID); got.Status != gateway.Requested {
		t.Errorf("got %+v, want it asked again", got)
	}
	r.sound(t)
}
