package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// answersTo are the answers about inhabitants that wait for a peer.
func answersTo(t *testing.T, s *testStore, now time.Time, peer gateway.OIN) (texts []string) {
	t.Helper()
	for _, o := range due(t, s, now, peer) {
		if o.Kind == gateway.KindSubjectAnswer {
			texts = append(texts, string(o.Data))
		}
	}
	return texts
}

// A request about a referral of another party, and about none, get one answer, and
// nothing of them is kept; one that comes twice is kept once.
func TestRightsOfStrangers(t *testing.T) {
	s := &testStore{path: t.TempDir() + "/node.db", opt: store.Options{NoSync: true, Vault: newKeys()}}
	s.reopen(t)
	now := start()
	referred(t, s, now)
	acceptAll(t, s, now, asks(peerB, referralOf, gateway.Erase))
	acceptAll(t, s, now, asks(peerB, "4b3a1c9e-7c0e-4f7e-9d35-0a3bb1b0c999", gateway.Erase))
	got := answersTo(t, s, now, peerB)
	if len(got) != 2 {
		t.Fatalf("got %q, want two answers", got)
	}
	for _, text := range got {
		if !strings.Contains(text, `"refused"`) || !strings.Contains(text, `"onbekend"`) {
			t.Errorf("got %s, want that it is unknown", text)
		}
	}
	if all := get(s.Rights(ctx))(t); len(all) != 0 {
		t.Errorf("got %+v, want nothing kept", all)
	}
	in := asks(peerA, referralOf, gateway.Restrict)
	acceptAll(t, s, now, in)
	again := in
	again.Message.ID, again.Digest = "01981f3e-5c2a-7d42-8b12-1a2b3c4d5e6f", gateway.Hash([]byte("again"))
	acceptAll(t, s, now, again)
	if all := get(s.Rights(ctx))(t); len(all) != 1 || !all[0].Open() {
		t.Fatalf("got %+v, want one request", all)
	}
	get(s.AnswerRights(ctx, now, answers(in, gateway.SubjectDone)))(t)
	if _, err := s.AnswerRights(ctx, now, answers(in, gateway.SubjectDone)); gateway.KindOf(err) != gateway.Conflict {
		t.Errorf("answered twice: got %v, want Conflict", err)
	}
	// An answer to nothing that was asked, about a referral that is not there.
	stray := about(peerB, gateway.KindSubjectAnswer, "01981f3e-5c2a-7d42-8b12-1a2b3c4d5e70", &store.ReferralEffect{Answer: &gateway.SubjectAnswer{
		Referral: referralOf, Request: "01981f3e-5c2a-7d42-8b12-1a2b3c4d5e70", Act: gateway.Erase, Number: 1, Result: gateway.SubjectDone, On: "2026-11-03",
	}})
	acceptAll(t, s, now, stray)
	if all := get(s.Rights(ctx))(t); len(all) != 1 {
		t.Errorf("got %+v, want the answer of a stranger forgotten", all)
	}
	s.reopen(t)
	s.sound(t)
	if f := s.Referrals(nil); len(f) != 1 || !f[0].Restricted {
		t.Errorf("got %+v, want it restricted", f)
	}
}
