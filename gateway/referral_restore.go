package gateway

import "time"

// Point is a place in the history of a referral: the number of a state, and the
// incarnation of the provider's database that committed it.
type Point struct {
	Incarnation uint64 `json:"incarnation,omitempty"` // 0: not known, then the number alone says what is later
	Number      uint64 `json:"number"`
}

// After tells whether p comes after q.
func (p Point) After(q Point) bool {
	if p.Incarnation != q.Incarnation && p.Incarnation != 0 && q.Incarnation != 0 {
		return p.Incarnation > q.Incarnation
	}
	return p.Number > q.Number
}

// Life is that of a provider's database: its incarnation, and when it was put
// back from a backup, if it ever was.
type Life struct {
	Incarnation uint64
	Restored    time.Time
}

// ConfirmWithin is how long a provider that was restored waits for its referrers
// to say what they know. A node that is switched off over a weekend is back within
// it, and of the five working days for an answer enough is left.
const ConfirmWithin = 3 * 24 * time.Hour

// Until is when a provider goes on without its referrers.
func (l Life) Until() time.Time { return l.Restored.Add(ConfirmWithin) }

// Provided is a referral as its provider, the authority over it, has it.
type Provided struct {
	Referral
	Incarnation uint64 // of the database when it was last committed or confirmed; 0: not known
	// Base is the state of the backup from which the provider went on although the
	// referrer had not said what it knows of this referral. Zero: it did not.
	Base Point
}

// Doubtful tells whether the referral was put back from a backup and nothing says
// yet that it did not go on after that.
func (p Provided) Doubtful(l Life) bool {
	return !l.Restored.IsZero() && p.Incarnation < l.Incarnation
}

// Awaits tells whether nothing may become of the referral now: its referrer must
// first say what it knows.
func (p Provided) Awaits(l Life, now time.Time) bool {
	return p.Doubtful(l) && now.Before(l.Until())
}

// GoOn makes a referral one of the present life although nothing proves that no
// more was known of it: its time is over, or its referrer says that it has no more.
func (p Provided) GoOn(l Life) Provided {
	if p.Doubtful(l) {
		p.Base = Point{p.Incarnation, p.Number}
	}
	p.Incarnation = l.Incarnation
	return p
}

// confirmed is GoOn with proof.
func (p Provided) confirmed(l Life) Provided {
	p.Incarnation, p.Base = l.Incarnation, Point{}
	return p
}

// Take is Referral.Take in a life. It is false when nothing may become of the
// request now: it must come again, and nothing has changed. A request that names
// the present incarnation proves that its maker has said what it knows.
func (p Provided) Take(q ReferralRequest, l Life, s Step) (_ Provided, ok bool) {
	switch knows := q.Incarnation == l.Incarnation; {
	case p.Doubtful(l) && knows:
		p = p.confirmed(l)
	case p.Doubtful(l) && (q.Incarnation != 0 || s.At.Before(l.Until())):
		return p, false
	}
	p = p.GoOn(l)
	p.Referral = p.Referral.Take(q, l.Incarnation, s)
	return p, true
}

// TakeBack is what a provider's node makes of a request to recover: the later of
// what it has and what it once signed, under a new number, so that the referrer
// hears of it. signed is nil when it signed nothing that the referrer knows; in is
// the incarnation in which it signed. Where the provider has gone on from its
// backup meanwhile, without the referrer, its own stands, and undone is the state
// that the referrer knew: people must talk.
func (p Provided) TakeBack(q ReferralRequest, signed *Referral, in uint64, l Life) (_ Provided, undone ReferralStatus) {
	base := Point{p.Incarnation, p.Number}
	if !p.Doubtful(l) && p.Base != (Point{}) { // one of an earlier life is of no interest
		base = p.Base
	}
	answer := Answer{Request: q.Request, Result: Committed}
	later := signed != nil && Point{in, signed.Number}.After(base)
	number := p.Number
	switch {
	case signed == nil && q.State != "": // not by this node
		answer.Result, answer.Why = NotDone, WhyNotNow
	case later && p.Number != base.Number:
		undone = signed.Status
		answer.Result, answer.Why = NotDone, WhyNotNow
		number = max(number, signed.Number)
	case later:
		number = max(number, signed.Number)
		p.Referral = *signed
	}
	p.Number = number + 1
	p.Answer = answer
	return p.confirmed(l), undone
}
