package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// What is corrected, or erased in part, is sealed anew under another key, and then
// the former one is erased, so that neither free pages nor backups tell what was
// there: the keys of the rows are renewed, the transaction writes the rows and
// notes the names, and then the former keys go. Whatever ends it in between, Open
// does the last step again.

// States of a row of tableRenewed.
const (
	renewalDone    = 0
	renewalPending = 1 // former keys may be there, and a row that only they open
)

// restriction holds while the inhabitant asks that data is kept and not used.
type restriction struct {
	Request string    `json:"request"`
	Ground  string    `json:"ground,omitempty"`
	Since   time.Time `json:"since"`
}

// renew renews the keys of all that is kept of a referral. What an earlier renewal
// left must be erased first: else it would not be known what the former keys are of.
// The caller holds s.renewing until it has called eraseRenewed: nobody else may erase
// what is former before the rows are written anew.
func (s *Store) renew(ctx context.Context, now time.Time, of referralKey) error {
	if s.vault == nil {
		return errNoVault()
	}
	if err := s.eraseRenewed(ctx, now); err != nil {
		return err
	}
	for _, in := range []string{tableProvided, tableFollowed, tableHandovers, tableRightsText} {
		if err := s.vault.Renew(of.name(in)); err != nil {
			return err
		}
	}
	return nil
}

// renewed notes that the former keys of a row are to be erased.
func (t *txn) renewed(of referralKey, in string) {
	t.put(table{name: tableRenewed}, []byte(of.name(in)), append([]byte{renewalPending}, of[:]...))
}

// eraseRenewed erases the former keys of what was sealed anew.
func (s *Store) eraseRenewed(ctx context.Context, now time.Time) error {
	if s.vault == nil {
		return nil
	}
	pending, err := s.pendingRenewals(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	if err := s.vault.EraseFormer(slices.Collect(maps.Keys(pending))...); err != nil {
		return err
	}
	return s.update(ctx, now, func(t *txn) error {
		for name, of := range pending {
			t.put(table{name: tableRenewed}, []byte(name), append([]byte{renewalDone}, of[:]...))
		}
		return nil
	})
}

func (s *Store) pendingRenewals(ctx context.Context) (pending map[string]referralKey, err error) {
	err = s.view(ctx, func(r reader) error {
		pending = map[string]referralKey{}
		return r.ascend(table{name: tableRenewed}, nil, func(name, value []byte) (bool, error) {
			if len(value) != 1+len(referralKey{}) {
				return false, corrupt(table{name: tableRenewed}, "a row is too short")
			}
			if value[0] == renewalPending {
				pending[string(name)] = referralKey(value[1:])
			}
			return true, nil
		})
	})
	return pending, err
}

// replayRenewals does again, after a start or a restore, what renewals may have
// left: former keys, and rows from before that nothing opens any more. The other
// side of such a referral gives back what it knows of it.
func (s *Store) replayRenewals(ctx context.Context) error {
	if s.vault == nil {
		return nil
	}
	pending, err := s.pendingRenewals(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	if err := s.vault.EraseFormer(slices.Collect(maps.Keys(pending))...); err != nil {
		return err
	}
	var lost []lostRow
	err = s.view(ctx, func(r reader) error {
		lost = nil
		for name, of := range pending {
			for _, in := range []string{tableProvided, tableFollowed, tableHandovers} {
				sealed, err := r.get(table{name: in}, of[:])
				if err != nil {
					return err
				}
				if name != of.name(in) || sealed == nil {
					continue
				}
				if _, err := s.vault.Open(name, sealed); gateway.KindOf(err) == gateway.NotFound {
					lost = append(lost, lostRow{in, of})
				}
			}
		}
		return nil
	})
	if err != nil || len(lost) == 0 {
		return err
	}
	return s.update(ctx, time.Time{}, func(t *txn) error {
		for _, row := range lost {
			t.delete(table{name: row.in}, row.key[:])
		}
		return t.recountPlaces()
	})
}

// lostRow is one that only a former key opened.
type lostRow struct {
	in  string
	key referralKey
}

// eraseRightsText takes away what requests about a referral say in words.
func (t *txn) eraseRightsText(of referralKey) error {
	keys, err := rightsOf(t, of)
	for _, key := range keys {
		t.delete(table{name: tableRightsText}, key[:])
	}
	return err
}

// forgetCorrections takes out of the requests about a referral, but for the one that
// is carried out, what they said of fields that are erased or corrected now.
func (t *txn) forgetCorrections(of referralKey, but rightsKey, fields []gateway.Field) error {
	keys, err := rightsOf(t, of)
	if err != nil {
		return err
	}
	in := table{name: tableRightsText}
	for _, key := range keys {
		var text rightsText
		ok, err := openNamed(t, t.vault, in.name, key[:], rightsTextName(of), &text)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if key != but {
			text.Correction = text.Correction.Without(fields)
		}
		if err := t.putNamed(in.name, key[:], rightsTextName(of), text); err != nil {
			return err
		}
		t.renewed(of, in.name)
	}
	return nil
}

// apply does what is asked for an inhabitant to what this node has: fields are
// what is erased, or corrected.
func (t *txn) apply(of referralKey, at sides, by rightsKey, q gateway.SubjectRequest, fields []gateway.Field, terms ReferralTerms) error {
	if q.Act == gateway.Rectify || q.Act == gateway.Erase {
		if err := t.forgetCorrections(of, by, fields); err != nil {
			return err
		}
	}
	switch q.Act {
	case gateway.Restrict, gateway.Lift:
		var r *restriction
		if q.Act == gateway.Restrict {
			r = &restriction{Request: q.Request, Ground: q.Ground, Since: t.now}
		}
		return t.restrict(at, r)
	case gateway.Rectify:
		said := q.Correction.Only(fields)
		need, handover := said.Need, said.Handover
		return t.rewrite(of, at, fields, terms,
			func(n gateway.Need) gateway.Need { return n.Corrected(need) },
			func(h gateway.Handover) gateway.Handover { return h.Corrected(handover) })
	case gateway.Erase:
		if slices.Contains(fields, gateway.KindHandover) {
			if err := t.dropHandover(of, at); err != nil {
				return err
			}
		}
		return t.rewrite(of, at, fields, terms,
			func(n gateway.Need) gateway.Need { return n.Erased(fields) },
			func(h gateway.Handover) gateway.Handover { return h.Erased(fields) })
	}
	return gateway.Errorf(gateway.Internal, "there is no such act")
}

func (t *txn) restrict(at sides, r *restriction) error {
	if at.provided != nil {
		at.provided.Restricted = r
		return t.putProvided(at.provided)
	}
	at.followed.Restricted = r
	return t.putFollowed(at.followed)
}

func (t *txn) dropHandover(of referralKey, at sides) error {
	party, _ := at.with()
	t.delete(table{name: tableHandovers}, of[:])
	t.renewed(of, tableHandovers)
	if err := t.unqueue(party, gateway.KindHandover, of.subject()); err != nil {
		return err
	}
	if f := at.followed; f != nil && f.Follow.Open != nil && f.Follow.Open.Act == gateway.ActHandover {
		f.Follow.Open, f.AnswerBy = nil, ""
		return t.putFollowed(f)
	}
	return nil
}

// rewrite writes the rows in which some fields change, under keys that were
// renewed, and queues again what waits of them.
func (t *txn) rewrite(of referralKey, at sides, fields []gateway.Field, terms ReferralTerms,
	need func(gateway.Need) gateway.Need, handover func(gateway.Handover) gateway.Handover) error {
	var h gateway.Handover
	held := false
	if gateway.TouchesHandover(fields) {
		var err error
		if held, err = openSealed(t, t.vault, tableHandovers, of, &h); err != nil {
			return err
		}
	}
	if held {
		if err := t.putSealed(tableHandovers, of, handover(h)); err != nil {
			return err
		}
		t.renewed(of, tableHandovers)
	}
	touched := gateway.TouchesNeed(fields)
	switch {
	case touched && at.provided != nil:
		at.provided.Need = need(at.provided.Need)
		t.renewed(of, tableProvided)
		if err := t.putProvided(at.provided); err != nil {
			return err
		}
		return t.stateAgain(of, at.provided, terms)
	case touched && at.followed != nil && at.followed.Need != nil:
		changed := need(*at.followed.Need)
		at.followed.Need = &changed
		t.renewed(of, tableFollowed)
		fallthrough
	case held && at.followed != nil:
		if err := t.askOnceMore(of, at.followed, terms); err != nil {
			return err
		}
		return t.putFollowed(at.followed)
	}
	return nil
}

// stateAgain queues a state that waits anew: it is sealed under the former key.
func (t *txn) stateAgain(of referralKey, row *providedRow, terms ReferralTerms) error {
	waits, err := t.waits(row.Referral.Referrer, gateway.KindReferralState, of)
	if err != nil || !waits {
		return err
	}
	_, err = t.sendState(row.Referral, terms)
	return err
}

// askOnceMore queues a request that waits anew, as it is now. The caller writes row.
func (t *txn) askOnceMore(of referralKey, row *followedRow, terms ReferralTerms) error {
	for _, kind := range []string{gateway.KindReferral, gateway.KindHandover} {
		waits, err := t.waits(row.Follow.Provider, kind, of)
		if err != nil {
			return err
		}
		if !waits {
			continue
		}
		if row.Recovering != "" {
			hello, err := t.helloOf(row.Follow.Provider)
			if err != nil {
				return err
			}
			return t.giveBack(row, max(hello.Incarnation, row.Follow.Incarnation), Basis{})
		}
		if row.Follow.Open != nil {
			return t.queueSame(row, terms)
		}
	}
	return nil
}

func (t *txn) waits(party gateway.OIN, kind string, of referralKey) (bool, error) {
	in, key := slotOf(party, kind, of.subject())
	sl, ok, err := t.slot(in, key)
	return ok && sl.underWay(), err
}

// RightsAnswer is what is done about a request to this node.
type RightsAnswer struct {
	Request string // its id
	Party   gateway.OIN
	Answer  gateway.SubjectAnswer // Result, On, and what goes with it; the rest is filled in
	Terms   ReferralTerms
	Basis   Basis
	Entry   journal.Entry
}

// AnswerRights does what an answer says that is done, and queues it, in one
// transaction; then the keys of what is erased go. To erase all of a referral that
// has not ended is a Conflict, as it is to answer again.
func (s *Store) AnswerRights(ctx context.Context, now time.Time, a RightsAnswer) (answered Rights, err error) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	key := takenKey(a.Party, a.Request)
	row, text, err := s.rightsToAnswer(ctx, key)
	if err != nil {
		return answered, err
	}
	of := keyOf(row.Request.Referral)
	q, fields := row.Request, changes(row, text, a.Answer)
	q.Correction = text.Correction
	if len(fields) > 0 {
		if err := s.renew(ctx, now, of); err != nil {
			return answered, err
		}
	}
	whole := a.Answer.Result == gateway.SubjectDone && q.Act == gateway.Erase && len(q.Fields) == 0
	err = s.update(ctx, now, func(t *txn) error {
		row, err := readRights(t, t.vault, key)
		if err != nil {
			return err
		}
		if row == nil || row.Answer != nil && row.Answer.Result.Final() {
			return gateway.Errorf(gateway.Conflict, "this request was answered already")
		}
		if a.Answer.Result == gateway.SubjectDone || a.Answer.Result == gateway.SubjectPartly {
			if err := t.carryOut(key, row, q, fields, whole, a); err != nil {
				return err
			}
		}
		answered, err = t.answerRights(key, row, text, a)
		return err
	})
	if err != nil {
		return answered, err
	}
	if whole {
		if err := s.eraseKeys([]referralKey{of}); err != nil {
			return answered, err
		}
	}
	return answered, s.eraseRenewed(ctx, now)
}

func (s *Store) rightsToAnswer(ctx context.Context, key rightsKey) (row *rightsRow, text rightsText, err error) {
	err = s.view(ctx, func(r reader) error {
		if row, err = readRights(r, s.vault, key); err != nil {
			return err
		}
		if row == nil {
			return gateway.Errorf(gateway.NotFound, "there is no such request; see doorstroom subject list")
		}
		text, err = readRightsText(r, s.vault, key, row.Request.Referral)
		return err
	})
	return row, text, err
}

// changes are the fields that an answer changes here.
func changes(row *rightsRow, text rightsText, a gateway.SubjectAnswer) []gateway.Field {
	switch {
	case a.Result == gateway.SubjectPartly:
		return a.Fields
	case a.Result != gateway.SubjectDone:
		return nil
	case row.Request.Act == gateway.Rectify:
		return text.Correction.Fields()
	case row.Request.Act == gateway.Erase:
		return row.Request.Fields
	}
	return nil
}

// carryOut does what was asked.
func (t *txn) carryOut(key rightsKey, row *rightsRow, q gateway.SubjectRequest, fields []gateway.Field, whole bool, a RightsAnswer) error {
	of := keyOf(row.Request.Referral)
	at, err := t.sides(of)
	if err != nil {
		return err
	}
	erased, err := t.wasErased(of)
	switch {
	case err != nil:
		return err
	case at.none() && erased && q.Act == gateway.Erase:
		return nil
	case at.none():
		return gateway.Errorf(gateway.Conflict, "nothing is left here of the referral: only an erasure can be answered so")
	case !whole:
		if err := t.apply(of, at, key, q, fields, a.Terms); err != nil {
			return err
		}
		if q.Act == gateway.Erase {
			return t.recordReferral(a.Entry, journal.KindFieldsErased, row.Party, row.Principal, ErasedForSubject, row.Digest, fields)
		}
		return nil
	case !at.over():
		return gateway.Errorf(gateway.Conflict,
			"the referral has not ended: end it first, or answer partly and say with which fields; then it can be erased")
	}
	if err := t.eraseReferral(of, row.Party); err != nil {
		return err
	}
	entry := a.Entry
	entry.Kind = journal.KindReferralErased
	return t.recordReferral(entry, journal.KindReferralErased, row.Party, row.Principal, ErasedForSubject, row.Digest, nil)
}

// ErasedForSubject is why something was erased, for the journal.
const ErasedForSubject = "verzoek-inwoner"

// answerRights keeps an answer and queues it.
func (t *txn) answerRights(key rightsKey, row *rightsRow, text rightsText, a RightsAnswer) (Rights, error) {
	answer := a.Answer
	answer.Referral, answer.Request, answer.Act, answer.Number = row.Request.Referral, row.Request.Request, row.Request.Act, 1
	if row.Answer != nil {
		answer.Number = row.Answer.Number + 1
	}
	kept := answer
	text.Answer, kept.Explanation = answer.Explanation, ""
	row.Answer, row.Answered = &kept, t.now
	if answer.AnswerBy != "" {
		row.Due = answer.AnswerBy
	}
	if err := t.putRights(key, row, text); err != nil {
		return Rights{}, err
	}
	if err := t.queueRights(key, row, gateway.KindSubjectAnswer, answer, a.Basis); err != nil {
		return Rights{}, err
	}
	entry := a.Entry
	entry.Kind = journal.KindRightsAnswered
	return row.out(), t.recordRights(entry, journal.KindRightsAnswered, row, string(answer.Result), answer.Fields)
}
