package gateway

import "slices"

// Take is what a provider's node does with a request of the referrer of r: the
// state that it commits, or the same state with an answer that says why not.
// Whatever comes twice is answered as the first time; only the last request can
// be, and an older one is stale. So is one of a state that another incarnation of
// the provider's database committed, whatever its number. The state that is given
// is sent, changed or not.
func (r Referral) Take(q ReferralRequest, incarnation uint64, s Step) Referral {
	if r.Answer.Request == q.Request {
		return r
	}
	if q.Incarnation != 0 && q.Incarnation != incarnation {
		return r.Reply(Answer{Request: q.Request, Result: Stale})
	}
	s.By, s.Act, s.Seen, s.Request, s.Reason = ReferrerSide, q.Act, q.Seen, q.Request, q.Reason
	next, err := r.Commit(s)
	if err == nil {
		return next
	}
	if q.Seen != r.Number {
		return r.Reply(Answer{Request: q.Request, Result: Stale})
	}
	return r.Reply(Answer{Request: q.Request, Result: NotDone, Why: WhyNotNow})
}

// Reply is the same state with another answer, under a number of its own.
func (r Referral) Reply(a Answer) Referral {
	r.Number++
	r.Answer = a
	return r
}

// Follow is a referral as its referrer's node knows it: the last state that came
// from the provider, and what was asked and not answered yet. At most one request
// is open.
type Follow struct {
	Referral
	Incarnation uint64           `json:"incarnation"` // of the provider when it signed the state; before the first, when it was asked
	Open        *ReferralRequest `json:"open,omitempty"`
}

// Ask makes a request of the referrer. It is refused, with Conflict, while
// another is open, except an end of what the provider never answered; and where
// the last known state does not allow it.
func (f Follow) Ask(q ReferralRequest) (Follow, ReferralRequest, error) {
	if _, ok := f.Status.Next(q.Act); !ok {
		return f, q, Errorf(Conflict, "%s is not possible in the state %q", q.Act, f.Status)
	}
	if !slices.Contains(q.Act.By(), ReferrerSide) {
		return f, q, Errorf(Denied, "%s is not for the referrer to do", q.Act)
	}
	if err := q.Check(); err != nil {
		return f, q, err
	}
	if f.Open != nil {
		return f, q, Errorf(Conflict, "a request is open (%s): wait for the answer of the provider", f.Open.Act)
	}
	q.Referral, q.Seen, q.Incarnation = f.ID, f.Number, f.Incarnation
	f.Open = &q
	return f, q, nil
}

// Later tells whether a state is newer than the one known: by the incarnation of
// the provider's node, then by number.
func (f Follow) Later(incarnation uint64, r Referral) bool {
	if incarnation != f.Incarnation {
		return incarnation > f.Incarnation
	}
	return r.Number > f.Number
}

// Restored tells whether a provider of which a later incarnation is heard must be
// told what is known here: it may have lost it.
func (f Follow) Restored(incarnation uint64) bool {
	return f.Number > 0 && f.Status != "" && incarnation > f.Incarnation
}

// Behind tells whether a provider that was restored from a backup says less than
// it had said before: what it lost must be given back to it, not taken over.
func (f Follow) Behind(incarnation uint64, r Referral) bool {
	return f.Number > 0 && incarnation > f.Incarnation && r.Number <= f.Number
}

// Hear takes a state of the provider. What is not later changes nothing. When the
// open request was answered as stale and is still possible, it is asked again
// with the number of the state that came: a cancellation is not lost because
// something else happened meanwhile. id is that of such a new request.
func (f Follow) Hear(incarnation uint64, r Referral, id string) (_ Follow, again *ReferralRequest) {
	if !f.Later(incarnation, r) {
		return f, nil
	}
	f.Referral, f.Incarnation = r, incarnation
	open := f.Open
	if open == nil || r.Answer.Request != open.Request {
		if r.Status.Final() { // nothing can come of what is open
			f.Open = nil
		}
		return f, nil
	}
	f.Open = nil
	if r.Answer.Result != Stale {
		return f, nil
	}
	if next, q, err := f.Ask(ReferralRequest{Request: id, Act: open.Act, Reason: open.Reason}); err == nil && !lonely(open.Act) {
		return next, &q
	}
	return f, nil
}

// lonely acts carry more than can be asked again without it.
func lonely(a ReferralAct) bool { return a == ActRefer || a == ActRecover || a == ActHandover }
