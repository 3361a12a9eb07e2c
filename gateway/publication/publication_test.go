package publication_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// queued is what waits for a recipient: hash of the data by subject.
func (r *region) queued(t testing.TB, to gateway.OIN) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, o := range get(r.store.Due(ctx, start(), to, 1<<20, 1<<30, nil))(t) {
		all[o.Subject] = gateway.Hash(o.Data)
	}
	return all
}

func (r *region) sound(t testing.TB) {
	t.Helper()
	for _, problem := range r.store.Check(ctx) {
		t.Errorf("check: %s", problem)
	}
}

// TestOneImportIsAsManySmallOnes publishes more offers than fit a transaction at
// once, and the same ones a few at a time.
func TestOneImportIsAsManySmallOnes(t *testing.T) {
	const n = 1100
	large, small := newRegion(t, 7, 3, store.Options{NoSync: true}), newRegion(t, 7, 3, store.Options{NoSync: true})
	var seen []string
	c := change(offers(n, "Groen"))
	c.Progress = func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) }
	result := get(large.Publish(ctx, start(), c))(t)
	if result.Messages != 7*n || !slices.Equal(result.Recipients, large.gemeenten) || len(result.Denied) > 0 {
		t.Errorf("got %d messages for %d, %d denials, want %d for all", result.Messages, len(result.Recipients), len(result.Denied), 7*n)
	}
	if want := []string{"1000/1100", "1100/1100"}; !slices.Equal(seen, want) {
		t.Errorf("progress: got %q, want %q", seen, want)
	}
	for part := range slices.Chunk(offers(n, "Groen"), 100) {
		get(small.Publish(ctx, start(), change(part)))(t)
	}
	for i, to := range large.gemeenten {
		got, want := large.queued(t, to), small.queued(t, small.gemeenten[i])
		if len(got) != n || !maps.Equal(got, want) {
			t.Errorf("%s: got %d messages, want the %d of small imports", to, len(got), len(want))
		}
	}
	large.sound(t)

	// The same again sends nothing; a change of one offer sends that one.
	if again := get(large.Publish(ctx, start(), change(offers(n, "Groen"))))(t); again.Messages != 0 {
		t.Errorf("unchanged: got %d messages, want none", again.Messages)
	}
	one := get(large.Publish(ctx, start(), change(offers(1, "Hout"))))(t)
	if one.Messages != 7 {
		t.Errorf("one offer: got %d messages, want 7", one.Messages)
	}
	large.sound(t)
}

func TestDenialsNameOffersTogether(t *testing.T) {
	r := newRegion(t, 4, 2, store.Options{NoSync: true})
	all := offers(3, "Groen")
	r.rules.Policy = r.policy(t, [][]string{{fmt.Sprintf("%q", r.gemeenten[0])}})
	got := get(r.Publish(ctx, start(), change(all)))(t).Denied
	want := publication.Denial{Offers: []string{"aanbod-000000", "aanbod-000001", "aanbod-000002"}, Rule: "default", Recipients: r.gemeenten[1:]}
	if len(got) != 1 || !slices.Equal(got[0].Offers, want.Offers) || got[0].Rule != want.Rule || !slices.Equal(got[0].Recipients, want.Recipients) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestDenialsNameFields: the journal says what was kept back. Where no rule allows,
// that is everything; a never rule names what it forbids.
func TestDenialsNameFields(t *testing.T) {
	r := newRegion(t, 3, 1, store.Options{NoSync: true})
	data := fmt.Sprintf(`policy: region
party: "%s"
defaults: {purpose: toeleiding, basis: {avg: avg-6-1-e, wet: participatiewet}, retention: P90D}
rules:
  - {id: titel, effect: show, kinds: [capacity], to: {parties: ["%s", "%s"]}, fields: {exact: [title, contact]}}
  - {id: niet-contact, effect: never, to: {parties: ["%s"]}, fields: [contact, title]}
`, gatewaytest.Smile, r.gemeenten[0], r.gemeenten[1], r.gemeenten[1])
	p, _, err := policy.Load([]policy.File{{Name: "region.yaml", Data: []byte(data)}}, policy.Env{
		Self: gatewaytest.Smile, Parties: r.rules.Register.Parties(), Lists: r.schema.Lists(), Class: r.schema.Class, Today: gateway.DateOf(start()),
	})
	r.rules.Policy = get(p, err)(t)
	get(r.Publish(ctx, start(), change(offers(1, "Groen"))))(t)
	got := map[string][]gateway.Field{}
	for _, e := range get(r.store.Journal(ctx, 0, 100))(t) {
		if e.Kind == journal.KindDenied {
			got[e.Rule+" "+e.Recipients] = e.Fields
		}
	}
	want := map[string][]gateway.Field{
		"niet-contact " + string(r.gemeenten[1]): {gateway.FieldTitle, gateway.FieldContact}, "default " + string(r.gemeenten[2]): gateway.Fields(),
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWhatIsGoneIsTakenBack deletes an offer behind the publisher's back.
func TestWhatIsGoneIsTakenBack(t *testing.T) {
	r := newRegion(t, 3, 1, store.Options{NoSync: true})
	get(r.Publish(ctx, start(), change(offers(5, "Groen"))))(t)
	for _, to := range r.gemeenten {
		due := get(r.store.Due(ctx, start(), to, 9, 1<<20, nil))(t)
		get(0, r.store.BeginAttempt(ctx, start(), to, []uint64{due[2].Sequence}, start()))(t)
	}
	gone := map[string]bool{}
	for _, id := range []string{"aanbod-000001", "aanbod-000003"} {
		get(0, r.store.Publish(ctx, start(), store.Publication{Delete: []string{id}}))(t)
		gone[r.Subject(id)] = true
	}
	get(r.Renew(ctx, start(), true))(t)
	for _, to := range r.gemeenten {
		for _, shown := range get(r.store.Shown(ctx, to))(t) {
			if gone[shown.Subject] && (!shown.Exposed || !shown.Withdrawal) {
				t.Errorf("%s: got %+v, want a withdrawal of what may have arrived and nothing else", to, shown)
			}
		}
		if got := len(get(r.store.Shown(ctx, to))(t)); got < 3 || got > 4 {
			t.Errorf("%s: got %d subjects, want the three that stay and at most one withdrawal", to, got)
		}
	}
	r.sound(t)
	if again := get(r.Renew(ctx, start(), true))(t); again.Messages != 0 {
		t.Errorf("again: got %d messages, want none", again.Messages)
	}
}

// TestFullQueuesAreFilledLater publishes more than one queue holds.
func TestFullQueuesAreFilledLater(t *testing.T) {
	r := newRegion(t, 2, 1, store.Options{NoSync: true, MaxQueue: 3})
	get(r.Publish(ctx, start(), change(offers(5, "Groen"))))(t)
	to := r.gemeenten[0]
	if got := len(r.queued(t, to)); got != 3 {
		t.Fatalf("got %d queued, want 3", got)
	}
	var all []store.Settlement
	var sequences []uint64
	for _, o := range get(r.store.Due(ctx, start(), to, 9, 1<<20, nil))(t) {
		digest := gateway.Hash(o.Data)
		all = append(all, store.Settlement{
			Sequence: o.Sequence, Digest: digest, Event: gateway.EventReceived,
			Item: gateway.ReceiptItem{Sender: gatewaytest.Smile, Recipient: to, ID: o.ID, Digest: digest, Outcome: gateway.Received},
		})
		sequences = append(sequences, o.Sequence)
	}
	get(0, r.store.BeginAttempt(ctx, start(), to, sequences, start()))(t)
	get(0, r.store.Settle(ctx, start(), to, all, "head", start(), nil))(t)
	if ready := get(r.Ready(ctx, start(), to))(t); !ready || len(r.queued(t, to)) != 2 {
		t.Errorf("got ready %t and %d queued, want the other 2", ready, len(r.queued(t, to)))
	}
	r.sound(t)
}

// TestDecidesAgain deletes an offer behind the publisher's back: whoever decides
// everything again takes it back. What a node remembers of the rules it planned
// under is the same whether it stopped in between or not.
func TestDecidesAgain(t *testing.T) {
	fault := func() error { return nil }
	again := func(r *region) { r.rules.Policy = r.policy(t, [][]string{{fmt.Sprintf("%q", r.gemeenten[0])}}) }
	for name, test := range map[string]struct {
		before, after func(r *region)
		want          bool // that everything is decided again
	}{
		"the same rules": {},
		"other rules":    {after: again, want: true},
		"a plan under other rules that failed": {before: func(r *region) {
			old := r.rules.Policy
			again(r)
			commits := 0
			fault = func() error {
				if commits++; commits > 1 { // the first notes that a plan begins
					return errors.New("power cut")
				}
				return nil
			}
			if _, err := r.Renew(ctx, start(), true); err == nil {
				t.Fatal("the plan did not fail")
			}
			r.rules.Policy, fault = old, func() error { return nil }
		}, want: true},
		"an import under other rules": {before: func(r *region) {
			old := r.rules.Policy
			again(r)
			get(r.Publish(ctx, start(), change(offers(1, "Hout"))))(t)
			r.rules.Policy = old
		}, want: true},
		"an import without rules": {before: func(r *region) {
			old := r.rules.Policy
			r.rules.Policy = policy.DenyAll()
			get(r.Publish(ctx, start(), change(offers(1, "Hout"))))(t)
			r.rules.Policy = old
		}, want: true},
	} {
		for _, stops := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/stops %t", name, stops), func(t *testing.T) {
				r := newRegion(t, 2, 1, store.Options{NoSync: true, Fault: func(string) error { return fault() }})
				get(r.Publish(ctx, start(), change(offers(3, "Groen"))))(t)
				get(r.Renew(ctx, start(), false))(t)
				if test.before != nil {
					test.before(r)
				}
				gone := r.Subject("aanbod-000001")
				get(0, r.store.Publish(ctx, start(), store.Publication{Delete: []string{"aanbod-000001"}}))(t)
				if stops {
					get(0, r.store.Close())(t)
					r.open(t)
				}
				if test.after != nil {
					test.after(r)
				}
				get(r.Ready(ctx, start(), r.gemeenten[0]))(t)
				_, waits := r.queued(t, r.gemeenten[0])[gone]
				if waits == test.want {
					t.Errorf("decided again: got %t, want %t", !waits, test.want)
				}
			})
		}
	}
}
