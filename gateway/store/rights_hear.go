package store

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// asksRights tells whether a message asks something for an inhabitant.
func asksRights(in Inbound) bool {
	return in.Effect.Referral != nil && in.Effect.Referral.Rights != nil
}

// takeRights is what this node makes of a request for an inhabitant: it waits for
// somebody to answer it. One that comes again gets the answer again. To anybody but
// the other side of the referral, and once that was erased, it is unknown: the
// answer is the same, and nothing of it stays.
func (t *txn) takeRights(m gateway.Message, q gateway.SubjectRequest) (gateway.Outcome, gateway.Reason, error) {
	key := takenKey(m.Source, q.Request)
	row, err := readRights(t, t.vault, key)
	if err != nil {
		return "", "", err
	}
	if row != nil {
		return gateway.Received, "", t.answerAgain(key, row)
	}
	of := keyOf(q.Referral)
	at, err := t.sides(of)
	if err != nil {
		return "", "", err
	}
	erased, err := t.wasErased(of)
	if err != nil {
		return "", "", err
	}
	if at.none() || erased {
		return gateway.Received, "", t.refuseRights(m, q, gateway.SubjectUnknown)
	}
	party, principal := at.with()
	if party != m.Source || at.provided != nil && principal != m.Principal {
		return gateway.Received, "", t.refuseRights(m, q, gateway.SubjectUnknown)
	}
	open, err := t.openRights(of, m.Source)
	if err != nil {
		return "", "", err
	}
	if open >= maxOpenRights || t.roomForOne() != nil {
		return gateway.Received, "", t.refuseRights(m, q, "buitensporig")
	}
	row = &rightsRow{
		Request: q, Party: m.Source, Principal: principal, At: t.now, Due: rightsDue(q.AnswerBy, gateway.DateOf(t.now)),
		Corrects: q.Correction.Fields(), Digest: at.digest(of), Refers: at.followed != nil,
	}
	row.Request.Correction, row.Request.Explanation = gateway.Correction{}, ""
	if err := t.putRights(key, row, rightsText{Correction: q.Correction, Explanation: q.Explanation}); err != nil {
		return "", "", err
	}
	return gateway.Received, "", t.recordRights(journal.Entry{}, journal.KindRightsTaken, row, string(q.Act), slices.Concat(q.Fields, row.Corrects))
}

// rightsDue is the day that who asks says, within the month that the law gives.
func rightsDue(said, today gateway.Date) gateway.Date {
	day, err := time.Parse(time.DateOnly, string(today))
	if err != nil {
		return said
	}
	return max(today, min(said, gateway.Date(day.AddDate(0, 0, gateway.SubjectMonth).Format(time.DateOnly))))
}

// openRights counts the requests of a party about a referral that have no answer.
func (t *txn) openRights(of referralKey, party gateway.OIN) (open int, err error) {
	keys, err := rightsOf(t, of)
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		row, err := readRights(t, t.vault, key)
		if err != nil {
			return 0, err
		}
		if row != nil && !row.Asked && row.Party == party && row.open() {
			open++
		}
	}
	return open, nil
}

// answerAgain queues the answer that was given, if one was.
func (t *txn) answerAgain(key rightsKey, row *rightsRow) error {
	if row.Answer == nil {
		return nil
	}
	text, err := readRightsText(t, t.vault, key, row.Request.Referral)
	if err != nil {
		return err
	}
	answer := *row.Answer
	answer.Explanation = text.Answer
	return t.queueRights(key, row, gateway.KindSubjectAnswer, answer, Basis{})
}

// refuseRights answers a request of which nothing is kept.
func (t *txn) refuseRights(m gateway.Message, q gateway.SubjectRequest, why string) error {
	answer := gateway.SubjectAnswer{
		Referral: q.Referral, Request: q.Request, Act: q.Act, Number: 1, Result: gateway.SubjectRefused, Reason: why, On: gateway.DateOf(t.now),
	}
	err := t.queueSealed(queuedReferral{
		to: m.Source, kind: gateway.KindSubjectAnswer, subject: subjectNone + takenKey(m.Source, q.Request).subject(), value: answer,
	})
	if err != nil {
		return err
	}
	return t.recordReferral(journal.Entry{}, journal.KindRightsTaken, m.Source, m.Principal, why, "", nil)
}

// hearRights is what this node makes of an answer. One to nothing that was asked
// changes nothing, unless it is of the other side of a referral here: then a backup
// was put back, and what was asked is known from its answer.
func (t *txn) hearRights(m gateway.Message, a gateway.SubjectAnswer, signed string) (gateway.Outcome, gateway.Reason, error) {
	key, of := askedKey(a.Request), keyOf(a.Referral)
	row, err := readRights(t, t.vault, key)
	if err != nil {
		return "", "", err
	}
	if row == nil {
		if row, err = t.orphanRights(m, a, of); err != nil || row == nil {
			return gateway.Received, "", err
		}
	}
	if row.Party != m.Source || row.Request.Referral != a.Referral || row.Request.Act != a.Act {
		return gateway.Refused, gateway.ReasonProvider, nil
	}
	later := row.Answer == nil || row.Again || m.Incarnation > row.Incarnation ||
		m.Incarnation == row.Incarnation && a.Number > row.Answer.Number
	if !later {
		return gateway.Received, "", nil
	}
	text, err := readRightsText(t, t.vault, key, row.Request.Referral)
	if err != nil {
		return "", "", err
	}
	row.Signed, text.Signed = signed, ""
	if a.Explanation != "" { // goes with the referral
		row.Signed, text.Signed = "", signed
	}
	text.Answer, a.Explanation = a.Explanation, ""
	row.Answer, row.Answered, row.Incarnation, row.Again, row.Failed = &a, t.now, m.Incarnation, false, ""
	if a.AnswerBy != "" {
		row.Due = a.AnswerBy
	}
	if err := t.putRights(key, row, text); err != nil {
		return "", "", err
	}
	return gateway.Received, "", t.recordRights(journal.Entry{}, journal.KindRightsHeard, row, string(a.Result), a.Fields)
}

// orphanRights is the row of an answer to what is not known to have been asked;
// nil if it is none of ours.
func (t *txn) orphanRights(m gateway.Message, a gateway.SubjectAnswer, of referralKey) (*rightsRow, error) {
	at, err := t.sides(of)
	if err != nil || at.none() {
		return nil, err
	}
	party, principal := at.with()
	keys, err := rightsOf(t, of)
	if err != nil || party != m.Source || len(keys) >= 2*maxOpenRights || t.roomForOne() != nil {
		return nil, err
	}
	return &rightsRow{
		Request: gateway.SubjectRequest{Referral: a.Referral, Request: a.Request, Act: a.Act}, Party: party, Principal: principal,
		Asked: true, At: t.now, Orphan: true, Digest: at.digest(of), Refers: at.followed != nil,
	}, nil
}

// rightsEnded is told of the end of a request that never came: people must know.
func (t *txn) rightsEnded(subject string, state gateway.DeliveryState) error {
	if state != gateway.RefusedBy && state != gateway.Withdrawn {
		return nil
	}
	of, ok, err := t.bySubject(tableRights, subject)
	if err != nil || !ok {
		return err
	}
	key := rightsKey(of)
	row, err := readRights(t, t.vault, key)
	if err != nil || row == nil || !row.Asked || !row.open() {
		return err
	}
	row.Failed = string(state)
	return t.putRights(key, row, rightsText{})
}

// erasedThere are the fields of a referral that its other side says it has erased
// because this node asked; all tells whether that is all of it.
func (t *txn) erasedThere(of referralKey) (fields []gateway.Field, all bool, err error) {
	keys, err := rightsOf(t, of)
	if err != nil {
		return nil, false, err
	}
	for _, key := range keys {
		row, err := readRights(t, t.vault, key)
		if err != nil {
			return nil, false, err
		}
		if row == nil || !row.Asked || row.Orphan || row.Request.Act != gateway.Erase || row.Answer == nil {
			continue
		}
		switch {
		case row.Answer.Result == gateway.SubjectPartly:
			fields = append(fields, row.Answer.Fields...)
		case row.Answer.Result == gateway.SubjectDone:
			all = all || len(row.Request.Fields) == 0
			fields = append(fields, row.Request.Fields...)
		}
	}
	return fields, all, nil
}

// reconcileRights queues again for a party what it may have lost: open requests,
// restrictions that it has said it holds where it was restored since, and answers
// given since a moment. It gives the number of messages.
func (t *txn) reconcileRights(party gateway.OIN, incarnation uint64, since time.Time) (n int, err error) {
	type kept struct {
		key rightsKey
		row *rightsRow
	}
	var all []kept
	err = eachRights(t, t.vault, func(key rightsKey, row *rightsRow) error {
		if row.Party == party {
			all = append(all, kept{key, row})
		}
		return nil
	})
	for _, k := range all {
		if err != nil {
			return n, err
		}
		restored := k.row.Incarnation != 0 && incarnation > k.row.Incarnation
		switch {
		case !k.row.Asked && k.row.Answer != nil && !k.row.Answered.Before(since):
			err = t.answerAgain(k.key, k.row)
		case k.row.Asked && !k.row.Orphan && k.row.Failed == "" && (k.row.open() || restored && k.row.Request.Act == gateway.Restrict):
			k.row.Again = k.row.Answer != nil && k.row.Answer.Result.Final()
			err = t.requestAgain(k.key, k.row)
		case k.row.Asked && k.row.Orphan && k.row.Failed == "" && k.row.open() && restored: // it cannot be asked again
			k.row.Failed = string(gateway.Withdrawn)
			err = t.putRights(k.key, k.row, rightsText{})
		default:
			continue
		}
		n++
	}
	return n, err
}

// requestAgain queues a request again. One of which nothing is left here that could
// be asked ends as withdrawn, unless its answer comes after all.
func (t *txn) requestAgain(key rightsKey, row *rightsRow) error {
	text, err := readRightsText(t, t.vault, key, row.Request.Referral)
	if err != nil {
		return err
	}
	q := row.Request
	q.Correction, q.Explanation = text.Correction, text.Explanation
	spent := q.Act == gateway.Rectify && q.Correction.IsZero() // it was erased here
	if spent {
		row.Failed = string(gateway.Withdrawn)
	}
	if err := t.putRights(key, row, text); err != nil || spent {
		return err
	}
	return t.queueRights(key, row, gateway.KindSubjectRequest, q, Basis{})
}

// EraseSpentRights takes away requests that were answered, or never came, before a
// moment and of which the referral is gone here, and the keys of messages about
// them that wait no longer. It gives the number of requests. What earlier erasures
// have left, of whatever, it does first.
func (s *Store) EraseSpentRights(ctx context.Context, now, before time.Time) (n int, err error) {
	if s.vault == nil {
		return 0, nil
	}
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if err := s.eraseLeft(ctx, now); err != nil {
		return 0, err
	}
	var spent []string
	err = s.update(ctx, now, func(t *txn) error {
		n, spent = 0, nil
		rows := map[rightsKey]*rightsRow{}
		err := eachRights(t, t.vault, func(key rightsKey, row *rightsRow) error {
			rows[key] = row
			return nil
		})
		if err != nil {
			return err
		}
		for key, row := range rows {
			waits, err := t.rightsWait(key, row)
			if err != nil {
				return err
			}
			if waits {
				continue
			}
			over, err := t.rightsOver(row, before)
			if err != nil {
				return err
			}
			if over {
				t.eraseRights(key, row)
				n++
			} else {
				spent = append(spent, key.messages()...)
			}
		}
		return nil
	})
	if err == nil && len(spent) > 0 {
		err = s.vault.Erase(spent...) // else at the next turn: their requests are there
	}
	if err != nil {
		return 0, err
	}
	return n, s.eraseDoomed(ctx, now)
}

// messages are the names of the keys of messages about a request.
func (k rightsKey) messages() []string {
	return []string{gateway.KindSubjectRequest + "/" + k.subject(), gateway.KindSubjectAnswer + "/" + k.subject()}
}

// rightsOver tells whether a request need not be kept any more.
func (t *txn) rightsOver(row *rightsRow, before time.Time) (bool, error) {
	if row.open() && row.Failed == "" || row.Answered.After(before) || row.At.After(before) {
		return false, nil
	}
	at, err := t.sides(keyOf(row.Request.Referral))
	return at.none(), err
}

// eraseRights takes away a request, and notes its keys: whatever ends it before
// these are erased, they are at the next turn, or when the store is opened.
func (t *txn) eraseRights(key rightsKey, row *rightsRow) {
	of := keyOf(row.Request.Referral)
	t.delete(table{name: tableRights}, key[:])
	t.delete(table{name: tableRightsText}, key[:])
	t.delete(table{name: tableRightsOf}, slices.Concat(of[:], key[:]))
	for _, name := range append(key.messages(), key.name()) {
		t.put(table{name: tableDoomed}, []byte(name), []byte{1})
	}
}

// eraseDoomed erases the keys of requests that are gone, and then the marks.
func (s *Store) eraseDoomed(ctx context.Context, now time.Time) error {
	names, err := s.eraseMarked(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	return s.update(ctx, now, func(t *txn) error {
		for _, name := range names {
			t.delete(table{name: tableDoomed}, []byte(name))
		}
		return nil
	})
}

// eraseMarked erases the keys that are marked, which may be done already.
func (s *Store) eraseMarked(ctx context.Context) (names []string, err error) {
	err = s.view(ctx, func(r reader) error {
		names = nil
		return r.ascend(table{name: tableDoomed}, nil, func(name, _ []byte) (bool, error) {
			names = append(names, string(name))
			return true, nil
		})
	})
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return names, s.vault.Erase(names...)
}

// rightsWait tells whether a message about a request waits.
func (t *txn) rightsWait(key rightsKey, row *rightsRow) (bool, error) {
	for _, kind := range []string{gateway.KindSubjectRequest, gateway.KindSubjectAnswer} {
		in, at := slotOf(row.Party, kind, key.subject())
		sl, ok, err := t.slot(in, at)
		if err != nil || ok && sl.underWay() {
			return true, err
		}
	}
	return false, nil
}
