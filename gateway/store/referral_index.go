package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// ReferralFacts is what listings need of a referral: nothing of whom it is about.
type ReferralFacts struct {
	ID         string
	Side       gateway.Side // which side this node is on
	Party      gateway.OIN  // the other side
	Principal  gateway.OIN
	Offer      string
	Allotment  string // from which places are booked; on the waiting list: for which it waits
	Status     gateway.ReferralStatus
	Number     uint64
	Since      time.Time
	Date       gateway.Date
	Due        gateway.Date
	Reference  string              // the referrer's own
	Open       gateway.ReferralAct // what the referrer asked and was not answered
	AnswerBy   gateway.Date        // to that
	Waits      uint64              // its number on the waiting list; 0: it is on none
	Orphan     bool                // a state came of a referral that is unknown here
	Forgotten  bool                // its provider says that it knows none such
	Failed     string              // how the last request ended that its provider never had: refused, withdrawn
	Recovering bool                // its provider was told what it lost, and has not answered
	Conflict   bool                // its places were taken when it was recovered
	Restricted bool                // the inhabitant asks that it is kept and not used
	Pseudonym  string              // by which an export may say that it counts the participant
	// Awaits is until when nothing may become of a referral that was put back from a
	// backup: its referrer must say what it knows of it. Zero: nothing is awaited.
	Awaits time.Time
	Undone gateway.ReferralStatus // after a restore its provider went on without this state, which the referrer knew

	incarnation uint64
	gave        uint64
	key         referralKey
	revision    uint64
}

// Final tells whether nothing more is to be done.
func (f ReferralFacts) Final() bool { return f.Status.Final() }

// Owner is whose the next step is; "" at the end, and before the first answer
// that of the provider.
func (f ReferralFacts) Owner() gateway.Side {
	if f.Status == "" {
		return gateway.ProviderSide
	}
	return f.Status.NextStep().Owner
}

// OverdueOn tells whether the next step, or an answer, was due before a day.
func (f ReferralFacts) OverdueOn(day gateway.Date) bool {
	return !f.Final() && f.Due != "" && f.Due < day || f.Open != "" && f.AnswerBy != "" && f.AnswerBy < day
}

func (r *providedRow) facts() ReferralFacts {
	f := factsOf(r.Referral, r.Revision)
	f.Side, f.Party, f.Conflict, f.Restricted = gateway.ProviderSide, r.Referral.Referrer, r.Conflict, r.Restricted != nil
	f.incarnation, f.Undone = r.Incarnation, r.Undone
	if r.Waiting != nil {
		f.Waits, f.Allotment = r.Waiting.Number, r.Waiting.Allotment
	}
	return f
}

func (r *followedRow) facts() ReferralFacts {
	f := factsOf(r.Follow.Referral, r.Revision)
	f.Side, f.Party, f.Reference, f.Restricted = gateway.ReferrerSide, r.Follow.Provider, r.Reference, r.Restricted != nil
	f.Failed, f.AnswerBy, f.Orphan, f.Forgotten, f.Recovering = r.Failed, r.AnswerBy, r.Orphan, r.Forgotten, r.Recovering != ""
	f.incarnation, f.gave, f.Undone = r.Follow.Incarnation, r.Gave, r.Undone
	if r.Follow.Open != nil {
		f.Open = r.Follow.Open.Act
	}
	return f
}

func factsOf(r gateway.Referral, revision uint64) ReferralFacts {
	return ReferralFacts{
		ID: r.ID, Principal: r.Principal, Offer: r.Offer, Allotment: r.Allotment, Status: r.Status, Number: r.Number,
		Since: r.Since, Date: r.Date, Due: r.Due, Pseudonym: ReferralPseudonym(r.ID), key: keyOf(r.ID), revision: revision,
	}
}

// index has the facts of every referral of both sides. It is built when the
// database is opened and changed after a transaction is on disk, by whoever wrote
// it: revisions say which of two changes is later.
type index struct {
	mu      sync.RWMutex
	all     map[indexKey]ReferralFacts
	gone    map[referralKey]bool // erased: never to come back
	weights map[burden]int       // how many of all weigh on it
}

type indexKey struct {
	side gateway.Side
	key  referralKey
}

// burden is what one party makes this node keep of referrals: as referrer those
// that are not over, as provider those of which nothing is known here but what it
// says. Each is counted on the side of this node.
type burden struct {
	side  gateway.Side
	party gateway.OIN
}

func (f ReferralFacts) burden() (b burden, weighs bool) {
	return burden{f.Side, f.Party}, f.Side == gateway.ProviderSide && !f.Final() || f.Side == gateway.ReferrerSide && f.Orphan
}

func newIndex() *index {
	return &index{all: map[indexKey]ReferralFacts{}, gone: map[referralKey]bool{}, weights: map[burden]int{}}
}

func (x *index) put(some []ReferralFacts) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range some {
		at := indexKey{f.Side, f.key}
		if before := x.all[at]; !x.gone[f.key] && f.revision > before.revision {
			x.weigh(before, -1)
			x.all[at] = f
			x.weigh(f, 1)
		}
	}
}

// weigh is for who holds mu.
func (x *index) weigh(f ReferralFacts, by int) {
	if b, weighs := f.burden(); weighs && f.revision > 0 {
		x.weights[b] += by
	}
}

func (x *index) weight(b burden) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.weights[b]
}

func (x *index) erase(some []referralKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, key := range some {
		x.gone[key] = true
		for _, side := range []gateway.Side{gateway.ReferrerSide, gateway.ProviderSide} {
			x.weigh(x.all[indexKey{side, key}], -1)
			delete(x.all, indexKey{side, key})
		}
	}
}

// Referrals lists what is known of the referrals of both sides that match, those
// first whose next step is due first, then by id.
func (s *Store) Referrals(match func(ReferralFacts) bool) []ReferralFacts {
	life := *s.life.Load()
	s.referrals.mu.RLock()
	defer s.referrals.mu.RUnlock()
	var found []ReferralFacts
	for _, f := range s.referrals.all {
		if f.doubtful(life) && !f.Final() {
			f.Awaits = life.Until()
		}
		if match == nil || match(f) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b ReferralFacts) int {
		return cmp.Or(cmp.Compare(lateIfNone(a.Due), lateIfNone(b.Due)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Side, b.Side))
	})
	return found
}

func (f ReferralFacts) doubtful(l gateway.Life) bool {
	return f.Side == gateway.ProviderSide && gateway.Provided{Incarnation: f.incarnation}.Doubtful(l)
}

// doubtful lists the referrals of a referrer that were put back from a backup and
// that nothing was heard of since.
func (x *index) doubtful(referrer gateway.OIN, l gateway.Life) (found []referralKey) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for at, f := range x.all {
		if f.Party == referrer && f.doubtful(l) {
			found = append(found, at.key)
		}
	}
	return found
}

// byPseudonym finds the referral to an own offer whose participant an export
// counts; "" if there is none.
func (x *index) byPseudonym(offer, pseudonym string) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for at, f := range x.all {
		if at.side == gateway.ProviderSide && f.Offer == offer && f.Pseudonym == pseudonym {
			return f.ID
		}
	}
	return ""
}

func lateIfNone(d gateway.Date) gateway.Date {
	if d == "" {
		return "9999-12-31"
	}
	return d
}

// loadReferrals builds the index.
func (s *Store) loadReferrals(ctx context.Context) error {
	if s.vault == nil {
		return nil
	}
	var erased []referralKey
	var facts []ReferralFacts
	err := s.view(ctx, func(r reader) error {
		erased, facts = nil, nil
		err := r.ascend(table{name: tableErased}, nil, func(key, _ []byte) (bool, error) {
			erased = append(erased, referralKey(key))
			return true, nil
		})
		if err != nil {
			return err
		}
		facts, err = s.allFacts(r)
		return err
	})
	if err != nil {
		return err
	}
	s.referrals.put(facts)
	s.referrals.erase(erased)
	return nil
}

func (s *Store) allFacts(r reader) (facts []ReferralFacts, err error) {
	err = eachProvided(r, s.vault, func(_ referralKey, row *providedRow) error {
		facts = append(facts, row.facts())
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachFollowed(r, s.vault, func(_ referralKey, row *followedRow) error {
		facts = append(facts, row.facts())
		return nil
	})
	return facts, err
}

// eachProvided visits the provider's side; what was erased is passed over.
func eachProvided(r reader, v Vault, visit func(referralKey, *providedRow) error) error {
	return eachKey(r, tableProvided, func(key referralKey) error {
		var row providedRow
		if ok, err := openSealed(r, v, tableProvided, key, &row); err != nil || !ok {
			return err
		}
		return visit(key, &row)
	})
}

// eachFollowed visits the referrer's side; what was erased is passed over.
func eachFollowed(r reader, v Vault, visit func(referralKey, *followedRow) error) error {
	return eachKey(r, tableFollowed, func(key referralKey) error {
		var row followedRow
		if ok, err := openSealed(r, v, tableFollowed, key, &row); err != nil || !ok {
			return err
		}
		return visit(key, &row)
	})
}

func eachKey(r reader, in string, visit func(referralKey) error) error {
	return r.ascend(table{name: in}, nil, func(key, _ []byte) (bool, error) {
		if len(key) != len(referralKey{}) {
			return false, corrupt(table{name: in}, "a key is no hash")
		}
		return true, visit(referralKey(key))
	})
}

// noteReferrals brings the index up to date after a transaction. When nobody
// knows whether it took effect, the rows are looked at.
func (s *Store) noteReferrals(changed []ReferralFacts, erased []referralKey, err error) {
	if len(changed)+len(erased) == 0 {
		return
	}
	if err == nil {
		s.referrals.put(changed)
		s.referrals.erase(erased)
		return
	}
	var now []ReferralFacts
	var gone []referralKey
	_ = s.view(context.Background(), func(r reader) error {
		for _, f := range changed {
			if fact, ok := s.readFacts(r, f.Side, f.key); ok {
				now = append(now, fact)
			}
		}
		for _, key := range erased {
			if mark, err := r.get(table{name: tableErased}, key[:]); err == nil && mark != nil {
				gone = append(gone, key)
			}
		}
		return nil
	})
	s.referrals.put(now)
	s.referrals.erase(gone)
}

func (s *Store) readFacts(r reader, side gateway.Side, key referralKey) (ReferralFacts, bool) {
	if side == gateway.ProviderSide {
		var row providedRow
		ok, err := openSealed(r, s.vault, tableProvided, key, &row)
		return row.facts(), ok && err == nil
	}
	var row followedRow
	ok, err := openSealed(r, s.vault, tableFollowed, key, &row)
	return row.facts(), ok && err == nil
}
