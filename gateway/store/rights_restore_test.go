package store_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// rightsStory is a request about one referral, with restores of either side at any
// moment of it.
type rightsStory struct {
	*region
	id      string
	act     gateway.SubjectAct
	fields  []gateway.Field
	asked   int
	backups map[*node][]byte
}

const corrected = "komt met de bus"

func newRightsStory(t *testing.T, act gateway.SubjectAct, fields ...gateway.Field) *rightsStory {
	r := newRegion(t)
	r.greet(t)
	s := &rightsStory{region: r, id: r.newReferral(t), act: act, fields: fields, backups: map[*node][]byte{}}
	if act == gateway.Erase && len(fields) == 0 {
		r.commit(t, s.id, gateway.ActDecline)
		r.exchange(t)
	}
	for _, n := range []*node{r.referrer, r.provider} {
		s.backups[n] = n.backup(t)
	}
	return s
}

// ask has the referrer ask once, if it still knows the referral.
func (s *rightsStory) ask(t rapid.TB) {
	t.Helper()
	f, err := s.referrer.FollowedReferral(ctx, s.id)
	if s.asked > 0 || err != nil || f.Orphan || f.Need == nil {
		return
	}
	q := gateway.SubjectRequest{Referral: s.id, Act: s.act, Ground: "bezwaar", Received: "2026-11-02", AnswerBy: "2026-11-30", Fields: s.fields}
	if s.act == gateway.Rectify {
		q.Correction = gateway.Correction{Need: gateway.NeedPart{Note: corrected}}
	}
	get(s.referrer.AskRights(ctx, s.now, store.AskedRights{Request: q, Here: true, Terms: terms(), Entry: entryX()}))(t)
	s.asked++
}

// answer has the provider do what it is asked, where it can.
func (s *rightsStory) answer(t rapid.TB) {
	t.Helper()
	for _, r := range get(s.provider.Rights(ctx))(t) {
		if r.Asked || !r.Open() {
			continue
		}
		_, err := s.provider.AnswerRights(ctx, s.now, store.RightsAnswer{
			Request: r.Request.Request, Party: self, Terms: terms(), Entry: entryX(),
			Answer: gateway.SubjectAnswer{Result: gateway.SubjectDone, On: gateway.DateOf(s.now)},
		})
		if err != nil && gateway.KindOf(err) != gateway.Conflict {
			t.Fatal(err)
		}
	}
}

func (s *rightsStory) restore(t rapid.TB, n *node) {
	t.Helper()
	n.putBack(t, s.backups[n], s.now)
	n.reopen(t) // as its node does, once the restore is done
}

// settle brings all that waits, and has the provider answer what it is asked.
func (s *rightsStory) settle(t rapid.TB) {
	t.Helper()
	for range 3 {
		s.greet(t)
		s.exchange(t)
		s.answer(t)
	}
	s.exchange(t)
}

// check: what was asked was answered, once, and both sides have the same.
func (s *rightsStory) check(t rapid.TB) {
	t.Helper()
	mine, theirs := get(s.referrer.Rights(ctx))(t), get(s.provider.Rights(ctx))(t)
	if len(mine) > 1 || len(theirs) > 1 {
		t.Fatalf("got %d requests at the referrer and %d at the provider, want one at most", len(mine), len(theirs))
	}
	for _, r := range mine {
		if r.Open() || r.Answer == nil || r.Answer.Result == gateway.SubjectRefused && r.Answer.Reason != gateway.SubjectUnknown {
			t.Fatalf("got %+v, want it answered", r)
		}
	}
	if s.asked == 0 || len(mine) == 0 { // the referrer lost that it asked before anybody heard it
		return
	}
	provided, err := s.provider.ProvidedReferral(ctx, s.id)
	if err != nil && gateway.KindOf(err) != gateway.NotFound {
		t.Fatal(err)
	}
	there := err == nil
	followed, err := s.referrer.FollowedReferral(ctx, s.id)
	here := err == nil && !followed.Orphan && followed.Need != nil
	switch {
	case s.act == gateway.Erase && len(s.fields) == 0 && there:
		t.Fatalf("got %+v, want nothing left of it at the provider", provided)
	case s.act == gateway.Erase && there && provided.Need.Note != "":
		t.Fatalf("got the note %q at the provider, want that it was erased", provided.Need.Note)
	case s.act == gateway.Rectify && there && provided.Need.Note != corrected:
		t.Fatalf("got the note %q at the provider, want %q", provided.Need.Note, corrected)
	case s.act == gateway.Rectify && here && followed.Need.Note != corrected:
		t.Fatalf("got the note %q at the referrer, want %q", followed.Need.Note, corrected)
	case s.act == gateway.Restrict && there && !restrictedAt(s.provider, s.id):
		t.Fatal("got no restriction at the provider")
	}
	s.referrer.sound(t)
	s.provider.sound(t)
}

func restrictedAt(n *node, id string) bool {
	return len(n.Referrals(func(f store.ReferralFacts) bool { return f.ID == id && f.Restricted })) > 0
}

func rightsStories() map[string]func(*testing.T) *rightsStory {
	return map[string]func(*testing.T) *rightsStory{
		"rectify":  func(t *testing.T) *rightsStory { return newRightsStory(t, gateway.Rectify) },
		"restrict": func(t *testing.T) *rightsStory { return newRightsStory(t, gateway.Restrict) },
		"a field":  func(t *testing.T) *rightsStory { return newRightsStory(t, gateway.Erase, "need.note") },
		"all":      func(t *testing.T) *rightsStory { return newRightsStory(t, gateway.Erase) },
	}
}

// TestRightsAfterARestore puts either side back to each moment of a request, at
// each later moment of it: asked, taken, answered, heard.
func TestRightsAfterARestore(t *testing.T) {
	for name, story := range rightsStories() {
		for _, side := range []string{"referrer", "provider"} {
			for saved := range 5 {
				for restored := saved; restored < 5; restored++ {
					s := story(t)
					n := s.referrer
					if side == "provider" {
						n = s.provider
					}
					steps := []func(rapid.TB){
						s.ask, func(t rapid.TB) { s.deliver(t, s.referrer, s.provider) }, s.answer,
						func(t rapid.TB) { s.deliver(t, s.provider, s.referrer) },
					}
					for i := range 5 {
						if i == saved {
							s.backups[n] = n.backup(t)
						}
						if i == restored {
							s.restore(t, n)
						}
						if i < len(steps) {
							steps[i](t)
						}
					}
					s.settle(t)
					s.checked(t, name, side, saved, restored)
				}
			}
		}
	}
}

// checked is check, with the moments in what it says.
func (s *rightsStory) checked(t *testing.T, name, side string, saved, restored int) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s: the %s of moment %d, put back at %d", name, side, saved, restored)
		}
	}()
	s.check(t)
}

// TestRightsConvergeAfterRestores draws stories with as many restores as come.
func TestRightsConvergeAfterRestores(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"rectify", "restrict", "a field", "all"}
		s := rightsStories()[rapid.SampledFrom(names).Draw(rt, "asked")](t)
		sides := []*node{s.referrer, s.provider}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			n := sides[rapid.IntRange(0, 1).Draw(rt, "side")]
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				s.ask(rt)
			case 2:
				s.answer(rt)
			case 3:
				s.deliver(rt, s.referrer, s.provider)
			case 4:
				s.deliver(rt, s.provider, s.referrer)
			case 5:
				s.backups[n] = n.backup(rt)
			case 6:
				s.restore(rt, n)
			}
		}
		s.settle(rt)
		s.check(rt)
		for _, n := range sides {
			must(rt, n.Close())
		}
	})
}
