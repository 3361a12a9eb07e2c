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

// What a request said is right is forgotten once that is corrected again, or erased;
// of a correction that is done in part, no more than that is written.
func TestCorrectionsAreForgotten(t *testing.T) {
	s := &testStore{path: t.TempDir() + "/node.db", opt: store.Options{NoSync: true, Vault: newKeys()}}
	s.reopen(t)
	now := start()
	referred(t, s, now)
	said := func(want string) {
		t.Helper()
		got := ""
		for _, r := range get(s.Rights(ctx))(t) {
			got += r.Request.Correction.Need.Note + r.Request.Correction.Need.Postcode + "|"
		}
		if got != want {
			t.Errorf("got the corrections %q, want %q", got, want)
		}
	}
	rectify := func(note, postcode string, result gateway.SubjectResult, fields ...gateway.Field) {
		t.Helper()
		in := asks(peerA, referralOf, gateway.Rectify, func(q *gateway.SubjectRequest) {
			q.Ground, q.Correction = "onjuist", gateway.Correction{Need: gateway.NeedPart{Note: note, Postcode: postcode}}
		})
		now = now.Add(time.Second)
		acceptAll(t, s, now, in)
		get(s.AnswerRights(ctx, now, answers(in, result, func(a *store.RightsAnswer) { a.Answer.Fields = fields })))(t)
	}
	rectify("loopt", "2951", gateway.SubjectDone)
	said("loopt2951|")
	rectify("fietst", "3361", gateway.SubjectPartly, "need.note")
	if got := get(s.ProvidedReferral(ctx, referralOf))(t).Need; got.Note != "fietst" || got.Postcode != "2951" {
		t.Errorf("got %q, %q, want the note corrected and the postcode as it was", got.Note, got.Postcode)
	}
	said("2951|fietst3361|")
	in := asks(peerA, referralOf, gateway.Erase, func(q *gateway.SubjectRequest) { q.Fields = []gateway.Field{"need.postcode"} })
	acceptAll(t, s, now, in)
	get(s.AnswerRights(ctx, now, answers(in, gateway.SubjectDone)))(t)
	if got := get(s.ProvidedReferral(ctx, referralOf))(t).Need; got.Note != "fietst" || got.Postcode != "" {
		t.Errorf("got %q, %q, want no postcode", got.Note, got.Postcode)
	}
	all := map[string]bool{}
	for _, r := range get(s.Rights(ctx))(t) {
		all[r.Request.Correction.Need.Note+r.Request.Correction.Need.Postcode] = true
	}
	if len(all) != 2 || !all[""] || !all["fietst"] {
		t.Errorf("got the corrections %v, want no postcode in any", all)
	}
}

// The words of an answer go with the referral, also those of the signed answer that
// is kept; that it was answered stays.
func TestWordsOfAnAnswerAreErased(t *testing.T) {
	k := newKeys()
	s := &testStore{path: t.TempDir() + "/node.db", opt: store.Options{NoSync: true, Vault: k}}
	s.reopen(t)
	now := start()
	id := heard(t, s, now, gateway.Declined).ID
	asked := get(s.AskRights(ctx, now, store.AskedRights{
		Request: gateway.SubjectRequest{Referral: id, Act: gateway.Erase, Ground: "bezwaar", Received: "2026-11-02", AnswerBy: "2026-11-30"},
		Terms:   terms(), Entry: entryX(),
	}))(t)
	const words = "Kim wil dit niet meer"
	in := about(peerA, gateway.KindSubjectAnswer, "01981f3e-5c2a-7d42-8b12-1a2b3c4d5e70", &store.ReferralEffect{Signed: words, Answer: &gateway.SubjectAnswer{
		Referral: id, Request: asked.Request.Request, Act: gateway.Erase, Number: 1, Result: gateway.SubjectDone, On: "2026-11-03", Explanation: words,
	}})
	in.Message.Incarnation = s.Incarnation()
	acceptAll(t, s, now, in)
	if all := get(s.Rights(ctx))(t); len(all) != 1 || all[0].Answer.Explanation != words {
		t.Fatalf("got %+v, want it answered", all)
	}
	must(t, s.EraseReferral(ctx, now, id, "bewaartermijn", entryX()))
	for at, row := range get(s.Everything(ctx))(t) {
		for name := range k.all {
			if plain, err := k.Open(name, []byte(row)); err == nil && strings.Contains(string(plain), words) {
				t.Errorf("%s under key %s still says %q", at, name, words)
			}
		}
	}
	if all := get(s.Rights(ctx))(t); len(all) != 1 || all[0].Answer == nil || all[0].Answer.Result != gateway.SubjectDone {
		t.Errorf("got %+v, want that it was answered", all)
	}
}
