package gateway

import (
	"slices"
	"time"
)

// ReferralStatus is where a referral stands; code list verwijsstatus has the
// Dutch labels.
type ReferralStatus string

const (
	Requested     ReferralStatus = "aangemeld"
	Investigating ReferralStatus = "in-onderzoek"
	IntroPlanned  ReferralStatus = "kennismaking-gepland"
	IntroHeld     ReferralStatus = "kennismaking-gehouden"
	IntroMissed   ReferralStatus = "kennismaking-gemist"
	Waitlisted    ReferralStatus = "wachtlijst"
	Accepted      ReferralStatus = "geaccepteerd"
	HandoverAsked ReferralStatus = "overdracht-gevraagd"
	HandedOver    ReferralStatus = "overgedragen"
	Started       ReferralStatus = "gestart"
	OnHold        ReferralStatus = "onderbroken"
	Resumed       ReferralStatus = "hervat"
	CancelAsked   ReferralStatus = "annulering-verzocht"

	Declined       ReferralStatus = "afgewezen"
	Ended          ReferralStatus = "beeindigd" // with an outcome, also when that crossed a cancellation
	Cancelled      ReferralStatus = "geannuleerd"
	WithdrawnByRef ReferralStatus = "teruggetrokken"
	EnteredInError ReferralStatus = "foutief-ingevoerd"
)

// ReferralStatuses lists every status, in the order in which they come.
func ReferralStatuses() []ReferralStatus {
	return []ReferralStatus{
		Requested, Investigating, IntroPlanned, IntroHeld, IntroMissed, Waitlisted, Accepted, HandoverAsked,
		HandedOver, Started, OnHold, Resumed, CancelAsked, Declined, Ended, Cancelled, WithdrawnByRef, EnteredInError,
	}
}

// Side is one of the two parties to a referral.
type Side string

const (
	ReferrerSide Side = "referrer"
	ProviderSide Side = "provider"
)

// ReferralAct is what somebody does to a referral.
type ReferralAct string

const (
	ActRefer       ReferralAct = "refer"
	ActInvestigate ReferralAct = "investigate"
	ActPlan        ReferralAct = "plan-introduction"
	ActMet         ReferralAct = "introduction-held"
	ActMissed      ReferralAct = "introduction-missed"
	ActReplan      ReferralAct = "ask-introduction" // the referrer, after one that was missed
	ActWaitlist    ReferralAct = "waitlist"
	ActAccept      ReferralAct = "accept"
	ActDecline     ReferralAct = "decline"
	ActAskHandover ReferralAct = "ask-handover"
	ActHandover    ReferralAct = "handover"
	ActStart       ReferralAct = "start"
	ActHold        ReferralAct = "hold"
	ActResume      ReferralAct = "resume"
	ActEnd         ReferralAct = "end"
	ActWithdraw    ReferralAct = "withdraw" // before a place was promised: no more is needed
	ActCancel      ReferralAct = "cancel"   // after: a request, which may come too late
	ActConfirm     ReferralAct = "confirm-cancellation"
	ActError       ReferralAct = "entered-in-error"
	ActRecover     ReferralAct = "recover" // what a provider that was restored has lost; changes no state of its own
)

// ReferralActs lists every act.
func ReferralActs() []ReferralAct {
	return []ReferralAct{
		ActRefer, ActInvestigate, ActPlan, ActMet, ActMissed, ActReplan, ActWaitlist, ActAccept, ActDecline,
		ActAskHandover, ActHandover, ActStart, ActHold, ActResume, ActEnd, ActWithdraw, ActCancel, ActConfirm,
		ActError, ActRecover,
	}
}

// By are the sides that may do an act: the provider commits its own, the referrer
// asks for its.
func (a ReferralAct) By() []Side {
	switch a {
	case ActRefer, ActReplan, ActHandover, ActWithdraw, ActCancel, ActRecover:
		return []Side{ReferrerSide}
	case ActError:
		return []Side{ReferrerSide, ProviderSide}
	}
	return []Side{ProviderSide}
}

// Roles may do an act at their own node.
func (a ReferralAct) Roles() []Role {
	switch {
	case a == ActRecover: // a node's own
		return nil
	case len(a.By()) == 2:
		return []Role{Coordinator, Consulent}
	case a.By()[0] == ReferrerSide:
		return []Role{Consulent}
	}
	return []Role{Coordinator}
}

// Reasons is the code list from which an act must give a reason, or "".
func (a ReferralAct) Reasons() string {
	switch a {
	case ActDecline:
		return "afwijsreden"
	case ActWithdraw, ActCancel:
		return "intrekreden"
	case ActHold:
		return "onderbrekingsreden"
	case ActEnd:
		return "uitkomst"
	}
	return ""
}

// Dated tells whether an act must say a date, and whether it may.
func (a ReferralAct) Dated() (must, may bool) {
	switch a {
	case ActPlan, ActStart:
		return true, true
	case ActHold, ActAccept, ActEnd: // until; from; last day
		return false, true
	}
	return false, false
}

// Next is the state that an act leads to; false where the table has no such edge.
// A referral begins with refer in the state "".
func (s ReferralStatus) Next(a ReferralAct) (ReferralStatus, bool) {
	to, ok := s.edges()[a]
	return to, ok
}

// Acts are the acts that one side may do in a state, in the order of ReferralActs.
func (s ReferralStatus) Acts(by Side) []ReferralAct {
	var acts []ReferralAct
	for _, a := range ReferralActs() {
		if _, ok := s.Next(a); ok && slices.Contains(a.By(), by) {
			acts = append(acts, a)
		}
	}
	return acts
}

// edges is the whole machine: what is not in it is refused.
func (s ReferralStatus) edges() map[ReferralAct]ReferralStatus {
	switch s {
	case "":
		return map[ReferralAct]ReferralStatus{ActRefer: Requested}
	case Requested:
		return map[ReferralAct]ReferralStatus{
			ActInvestigate: Investigating, ActPlan: IntroPlanned, ActAccept: Accepted, ActWaitlist: Waitlisted,
			ActDecline: Declined, ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	case Investigating:
		return map[ReferralAct]ReferralStatus{
			ActPlan: IntroPlanned, ActAccept: Accepted, ActWaitlist: Waitlisted, ActDecline: Declined,
			ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	case IntroPlanned:
		return map[ReferralAct]ReferralStatus{
			ActPlan: IntroPlanned, ActMet: IntroHeld, ActMissed: IntroMissed, ActAccept: Accepted, ActWaitlist: Waitlisted,
			ActDecline: Declined, ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	case IntroHeld:
		return map[ReferralAct]ReferralStatus{
			ActPlan: IntroPlanned, ActAccept: Accepted, ActWaitlist: Waitlisted, ActDecline: Declined,
			ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	case IntroMissed:
		return map[ReferralAct]ReferralStatus{
			ActReplan: Investigating, ActPlan: IntroPlanned, ActDecline: Declined,
			ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	case Waitlisted:
		return map[ReferralAct]ReferralStatus{
			ActPlan: IntroPlanned, ActAccept: Accepted, ActDecline: Declined,
			ActWithdraw: WithdrawnByRef, ActError: EnteredInError,
		}
	}
	return s.laterEdges()
}

// laterEdges are those from the promise of a place on.
func (s ReferralStatus) laterEdges() map[ReferralAct]ReferralStatus {
	switch s {
	case Accepted:
		return map[ReferralAct]ReferralStatus{
			ActAskHandover: HandoverAsked, ActHandover: HandedOver, ActDecline: Declined,
			ActCancel: CancelAsked, ActError: EnteredInError,
		}
	case HandoverAsked:
		return map[ReferralAct]ReferralStatus{
			ActHandover: HandedOver, ActDecline: Declined, ActCancel: CancelAsked, ActError: EnteredInError,
		}
	case HandedOver:
		return map[ReferralAct]ReferralStatus{
			ActHandover: HandedOver, ActStart: Started, ActDecline: Declined, ActCancel: CancelAsked, ActError: EnteredInError,
		}
	case Started, Resumed:
		return map[ReferralAct]ReferralStatus{
			ActHold: OnHold, ActEnd: Ended, ActCancel: CancelAsked, ActError: EnteredInError,
		}
	case OnHold:
		return map[ReferralAct]ReferralStatus{
			ActResume: Resumed, ActEnd: Ended, ActCancel: CancelAsked, ActError: EnteredInError,
		}
	case CancelAsked:
		return map[ReferralAct]ReferralStatus{
			ActConfirm: Cancelled, ActEnd: Ended, ActError: EnteredInError,
		}
	}
	return nil
}

// Final tells whether a state is an end.
func (s ReferralStatus) Final() bool {
	switch s {
	case Declined, Ended, Cancelled, WithdrawnByRef, EnteredInError:
		return true
	}
	return false
}

// NextStep is what must be done in a state, by whom, and within what term.
// Action is of the code list vervolgstap. OnDate says that it is due on the date
// of the state, where that has one. A final state has none.
type NextStep struct {
	Owner  Side
	Action string
	Term   Term
	OnDate bool
}

// Term is a time within which something must be done: a number of working days,
// or of weeks.
type Term struct{ WorkingDays, Weeks int }

// NextStep gives every state that is not final exactly one owner. The terms of
// the first two are those of iWmo (answer within 5 working days, or "in
// onderzoek", then at most 8 weeks); the others are ours, and each may be set
// otherwise per trajectsoort.
func (s ReferralStatus) NextStep() NextStep {
	switch s {
	case Requested:
		return NextStep{ProviderSide, "beantwoorden", Term{WorkingDays: 5}, false}
	case Investigating:
		return NextStep{ProviderSide, "besluiten", Term{Weeks: 8}, false}
	case IntroPlanned:
		return NextStep{ProviderSide, "kennismaken", Term{WorkingDays: 10}, true}
	case IntroHeld:
		return NextStep{ProviderSide, "besluiten", Term{WorkingDays: 5}, false}
	case IntroMissed:
		return NextStep{ReferrerSide, "contact-inwoner", Term{WorkingDays: 5}, false}
	case Waitlisted:
		return NextStep{ProviderSide, "plek-aanbieden", Term{Weeks: 13}, false}
	case Accepted:
		return NextStep{ProviderSide, "overdracht-vragen", Term{WorkingDays: 5}, false}
	case HandoverAsked:
		return NextStep{ReferrerSide, "overdragen", Term{WorkingDays: 5}, false}
	case HandedOver:
		return NextStep{ProviderSide, "starten", Term{WorkingDays: 10}, true}
	case Started, Resumed:
		return NextStep{ProviderSide, "begeleiden", Term{Weeks: 13}, false}
	case OnHold:
		return NextStep{ProviderSide, "hervatten", Term{Weeks: 13}, true}
	case CancelAsked:
		return NextStep{ProviderSide, "annulering-bevestigen", Term{WorkingDays: 5}, false}
	}
	return NextStep{}
}

// Step is one act on a referral, with what belongs to it.
type Step struct {
	By      Side
	Act     ReferralAct
	Seen    uint64 // of a request: the number that its maker knew
	Request string // of a request: its id
	Reason  string
	Date    Date
	At      time.Time
}

// Commit gives the next state of a referral at its provider; places and the date
// that it is due are for the caller. It changes nothing when it gives an error:
// Conflict for what the table does not allow or a request that knew an older
// state (Stale), Denied for the wrong side, Invalid for a missing reason or date.
func (r Referral) Commit(s Step) (Referral, error) {
	to, ok := r.Status.Next(s.Act)
	must, may := s.Act.Dated()
	switch {
	case !slices.Contains(s.Act.By(), s.By):
		return r, Errorf(Denied, "%s is not for the %s to do", s.Act, s.By)
	case s.By == ReferrerSide && s.Seen != r.Number:
		return r, Errorf(Conflict, "the referral has changed since: its state is number %d", r.Number)
	case !ok:
		return r, Errorf(Conflict, "%s is not possible in the state %q", s.Act, r.Status)
	case (s.Reason != "") != (s.Act.Reasons() != ""):
		return r, Errorf(Invalid, "%s needs a reason of the code list %s, and nothing else takes one", s.Act, s.Act.Reasons())
	case must && s.Date == "":
		return r, Errorf(Invalid, "%s needs a date", s.Act)
	case s.Date != "" && !may:
		return r, Errorf(Invalid, "%s has no date", s.Act)
	}
	r.Number++
	r.Status, r.Reason, r.Date, r.Due = to, s.Reason, s.Date, ""
	r.Since = s.At.UTC().Truncate(time.Second)
	if s.By == ReferrerSide {
		r.Answer = Answer{Request: s.Request, Result: Committed}
	}
	return r, nil
}
