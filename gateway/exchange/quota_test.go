package exchange_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func entriesOf(f *gt.Federation, oin gateway.OIN, kind string) (all []store.JournalRecord) {
	for _, r := range f.Journal(oin) {
		if r.Kind == kind {
			all = append(all, r)
		}
	}
	return all
}

func status(f *gt.Federation, oin gateway.OIN) desk.Status {
	s, err := f.Node(oin).Desk.Status(context.Background(), gt.Everyone())
	if err != nil {
		panic(err)
	}
	return s
}

// A valid peer that sends without end fills its own part, and nobody else's.
func TestSenderAtItsQuotaHarmsNoOther(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(),
			gt.Member{OIN: gt.Drechtwerk, Name: "Drechtwerk", Kind: gateway.Leerwerkbedrijf},
			gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.SetConfig(gt.Alblasserdam, "subjects-per-peer: 20000", "subjects-per-peer: 3")
		f.Settled(time.Hour)
		f.Stop(gt.Smile)
		h := &hostile{t: t, f: f, node: f.Node(gt.Alblasserdam).Exchange, key: f.Key(gt.Smile)}
		var flood []string
		for i := range 100 {
			flood = append(flood, h.sign(h.another(i).Encode()))
		}
		for i, item := range h.send(flood...) {
			want := gateway.Received
			if i >= 3 {
				want = gateway.RetryLater
			}
			if item.Outcome != want || (i >= 3) != (item.Reason == gateway.ReasonOverload) {
				t.Fatalf("message %d: got %s %s, want %s", i, item.Outcome, item.Reason, want)
			}
		}
		h.send(flood...)
		f.Publish(gt.Drechtwerk, gt.Offer("hout"))
		time.Sleep(time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Drechtwerk)); got != 1 || h.held() != 3 {
			t.Errorf("got %d offers of the good one and %d of the other, want 1 and 3", got, h.held())
		}
		rejected := entriesOf(f, gt.Alblasserdam, journal.KindRejected)
		if len(rejected) != 1 || rejected[0].Count != 194 || rejected[0].Reason != gateway.ReasonOverload {
			t.Errorf("journal: got %s, want one entry that counts 194", gt.Dump(rejected))
		}
		if alarms := strings.Join(status(f, gt.Alblasserdam).Alarms, "; "); !strings.Contains(alarms, "Smile heeft hier zijn ruimte vol") {
			t.Errorf("alarms: got %q, want one of Smile", alarms)
		}
	})
}

// another is a good message of a subject of its own.
func (h *hostile) another(i int) gateway.Message {
	m := h.message()
	id, err := uuid.NewV7()
	if err != nil {
		h.t.Fatal(err)
	}
	m.ID, m.Subject, m.Sequence = id.String(), fmt.Sprintf("abcdefghijklmnopqrst%04d", i), uint64(100+i)
	m.Data = []byte(strings.Replace(string(m.Data), `"groen"`, fmt.Sprintf(`"groen-%d"`, i), 1))
	return m
}

// A sender that has more offers than its recipient has room for: the recipient
// has as many as fit, the withdrawal of one lets another in, the sender's people
// are told, and nothing is lost when the limit is raised.
func TestSenderWithMoreThanTheRecipientHasRoomFor(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.SetConfig(gt.Alblasserdam, "subjects-per-peer: 20000", "subjects-per-peer: 3")
		held := func() int { return len(f.Received(gt.Alblasserdam, gt.Smile)) }
		offers := []gateway.Offer{gt.Offer("a"), gt.Offer("b"), gt.Offer("c"), gt.Offer("d"), gt.Offer("e")}
		f.Publish(gt.Smile, offers...)
		time.Sleep(time.Minute)
		if got := held(); got != 3 {
			t.Fatalf("got %d offers, want the three for which there is room", got)
		}
		notes := strings.Join(status(f, gt.Smile).Peers[0].Notes, "; ")
		if want := "Alblasserdam has no room for more of what we send: 2 messages wait"; notes != want {
			t.Errorf("notes: got %q, want %q", notes, want)
		}
		attempts := len(f.Net.Wire())
		time.Sleep(24 * time.Hour)
		if got := len(f.Net.Wire()) - attempts; got > 4*24*2 {
			t.Errorf("got %d batches in a day to a peer without room, want no more than the backoff of each message asks", got)
		}
		f.Publish(gt.Smile, offers[2:]...)
		time.Sleep(time.Minute)
		f.Settled(time.Hour)
		if got := held(); got != 3 {
			t.Errorf("after two withdrawals: got %d offers, want 3", got)
		}
		f.Converged()
		f.Publish(gt.Smile, offers...)
		time.Sleep(time.Minute)
		f.SetConfig(gt.Alblasserdam, "subjects-per-peer: 3", "subjects-per-peer: 5")
		f.Settled(time.Hour)
		if got := held(); got != 5 {
			t.Errorf("after the limit was raised: got %d offers, want 5", got)
		}
		f.Converged()
	})
}

// A referrer that has as many referrals under way as a provider gives it room for:
// the next waits with it, and both sides' people are told; what ends one gets
// through, and then the next gets in by itself.
func TestReferrerAtItsQuota(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		f.SetConfig(gt.Smile, "referrals-per-peer: 10000", "referrals-per-peer: 2")
		f.Settled(time.Hour)
		first, second := f.refer(gt.Alblasserdam, "1"), f.refer(gt.Alblasserdam, "2")
		third, err := f.Node(gt.Alblasserdam).Desk.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Reference: "3", Need: need()})
		if err != nil {
			t.Fatal(err)
		}
		f.wake(gt.Alblasserdam)
		at := status(f.Federation, gt.Smile)
		if alarms := strings.Join(at.Alarms, "; "); !strings.Contains(alarms, "Alblasserdam heeft hier zijn ruimte vol") {
			t.Errorf("alarms: got %q, want one of Alblasserdam", alarms)
		}
		i := slices.IndexFunc(at.Peers, func(p desk.Peer) bool { return p.OIN == gt.Alblasserdam })
		if kept := at.Peers[i].Kept; kept.Referrals != 2 || !kept.Full {
			t.Errorf("got %+v, want two referrals and no room", kept)
		}
		i = slices.IndexFunc(status(f.Federation, gt.Alblasserdam).Peers, func(p desk.Peer) bool { return p.OIN == gt.Smile })
		if notes := strings.Join(status(f.Federation, gt.Alblasserdam).Peers[i].Notes, "; "); !strings.Contains(notes, "Smile has no room for more of what we send: 1 message waits") {
			t.Errorf("notes: got %q, want that one waits", notes)
		}
		f.refer(gt.Dordrecht, "of another") // has room of its own
		f.commit(desk.ReferralCommit{Referral: second, Act: gateway.ActAccept})
		time.Sleep(time.Hour)
		f.status(gt.Alblasserdam, second, gateway.Accepted)
		if rejected := entriesOf(f.Federation, gt.Smile, journal.KindRejected); len(rejected) == 0 || rejected[0].Reason != gateway.ReasonOverload {
			t.Errorf("journal: got %s, want overload", gt.Dump(rejected))
		}
		if _, err := f.Node(gt.Alblasserdam).Desk.AskReferral(t.Context(), gt.Everyone(), desk.ReferralRequest{Referral: first, Act: gateway.ActWithdraw, Reason: "overig"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		f.status(gt.Alblasserdam, first, gateway.WithdrawnByRef)
		f.status(gt.Alblasserdam, third.Referral.ID, gateway.Requested)
		f.Converged()
	})
}

// A flood of messages of which nothing can be believed, not even the id, leaves
// nothing but a count, and the good one is taken as if it were not there.
func TestFloodOfBadSignatures(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(),
			gt.Member{OIN: gt.Drechtwerk, Name: "Drechtwerk", Kind: gateway.Leerwerkbedrijf},
			gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		f.Stop(gt.Smile)
		h := &hostile{t: t, f: f, node: f.Node(gt.Alblasserdam).Exchange, key: f.Key(gt.Smile)}
		var flood []string
		for i := range gateway.MaxBatch {
			good, other := h.sign(h.another(i).Encode()), h.sign(h.another(i+gateway.MaxBatch).Encode())
			flood = append(flood, good[:strings.LastIndexByte(good, '.')]+other[strings.LastIndexByte(other, '.'):])
		}
		const times = 20
		for range times {
			for _, item := range h.send(flood...) {
				if item.Outcome != gateway.Refused || item.Reason != gateway.ReasonSignature {
					t.Fatalf("got %s %s, want refused signature", item.Outcome, item.Reason)
				}
			}
		}
		f.Publish(gt.Drechtwerk, gt.Offer("hout"))
		time.Sleep(time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Drechtwerk)); got != 1 || h.held() != 0 {
			t.Errorf("got %d offers of the good one and %d of the other, want 1 and 0", got, h.held())
		}
		rejected := entriesOf(f, gt.Alblasserdam, journal.KindRejected)
		if len(rejected) != 1 || rejected[0].Count != times*gateway.MaxBatch || rejected[0].Reason != gateway.ReasonSignature {
			t.Errorf("journal: got %s, want one entry that counts %d", gt.Dump(rejected), times*gateway.MaxBatch)
		}
	})
}
