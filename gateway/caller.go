package gateway

import "slices"

// Role is what somebody may do at their own node.
type Role string

const (
	Coordinator    Role = "coordinator"     // publishes and confirms the offer of a leerwerkbedrijf
	Consulent      Role = "consulent"       // searches and refers at a gemeente
	Analist        Role = "analist"         // reads offers and aggregates
	PrivacyOfficer Role = "privacy-officer" // reads policy, decisions and journal; changes nothing
	Beheerder      Role = "beheerder"       // runs the node; reads no payloads
	Program        Role = "program"         // an adapter beside the admin
)

// Roles lists every role.
func Roles() []Role {
	return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Beheerder, Program}
}

// Caller is who asks something of a node: a required argument of every
// operation that is triggered from outside. Name is stored only as a keyed
// pseudonym.
type Caller struct {
	Name  string
	Roles []Role
}

// Operation is one thing that can be asked of a node's desk.
type Operation string

const (
	OpPublish        Operation = "publish"         // bring offers from the admin
	OpConfirmImport  Operation = "confirm-import"  // release or drop a held batch
	OpOwnOffers      Operation = "own-offers"      // what I offer
	OpReceivedOffers Operation = "received-offers" // what others offer me
	OpSearchPlaces   Operation = "search-places"   // which places fit somebody
	OpReportMissing  Operation = "report-missing"  // that there is no fitting place
	OpMissingPlaces  Operation = "missing-places"  // how often there was none, by month
	OpStatus         Operation = "status"          // peers and queues, no payloads
	OpShowRegister   Operation = "show-register"
	OpChangeRegister Operation = "change-register" // install a signed successor
	OpExplainPolicy  Operation = "explain-policy"
	OpReload         Operation = "reload"          // policy and reloadable configuration
	OpDiffPolicy     Operation = "diff-policy"     // what another policy shows otherwise of the own offers
	OpReplayPolicy   Operation = "replay-policy"   // what a draft would have decided otherwise
	OpPolicyHistory  Operation = "policy-history"  // which policies were in force, and what was in them
	OpPolicyRollback Operation = "policy-rollback" // take out the files of an earlier policy
	OpListJournal    Operation = "list-journal"
	OpSearchJournal  Operation = "search-journal"
	OpExportJournal  Operation = "export-journal" // take entries away
	OpArchiveJournal Operation = "archive-journal"
	OpVerifyJournal  Operation = "verify-journal"
	OpProveJournal   Operation = "prove-journal"   // give a proof of an entry, which holds the entry
	OpWitnessJournal Operation = "witness-journal" // send its head to the witnesses now
	OpBackup         Operation = "backup"          // write an encrypted copy of the database
	OpDoctor         Operation = "doctor"          // examine the node and its machine
	OpTestWebhook    Operation = "test-webhook"    // send a test to an address that gets events
	OpReadEvents     Operation = "read-events"     // what happened: of each kind whoever may ask for it otherwise

	OpProposePolicy  Operation = "propose-policy"  // send the policy on disk to another party to be approved there
	OpListProposals  Operation = "list-proposals"  // what is proposed, here and elsewhere
	OpAnswerProposal Operation = "answer-proposal" // send what one signed for another party, or that one refuses

	OpBreakGlass            Operation = "break-glass" // take, for a bounded time, the reading that one's roles lack; and end it
	OpListBreakGlass        Operation = "list-break-glass"
	OpAcknowledgeBreakGlass Operation = "acknowledge-break-glass" // mark that one has seen it

	OpRefer           Operation = "refer"            // ask a place for somebody
	OpAskReferral     Operation = "ask-referral"     // what the referrer asks afterwards: withdraw, cancel, another introduction
	OpHandOver        Operation = "hand-over"        // give a provider what guidance needs to know of somebody
	OpCommitReferral  Operation = "commit-referral"  // take a step as provider
	OpListReferrals   Operation = "list-referrals"   // where they stand and whose the next step is; nothing of needs or persons
	OpReadReferral    Operation = "read-referral"    // one, with need and handover
	OpWaitingList     Operation = "waiting-list"     // who waits for an own offer, in what order, and who was passed over
	OpEraseReferral   Operation = "erase-referral"   // before its term
	OpRetentionReport Operation = "retention-report" // what is due to be erased, was, or is held and why

	OpListAllotments  Operation = "list-allotments"  // requests to release or swap places of allotments
	OpAskAllotment    Operation = "ask-allotment"    // ask that, or take it back
	OpAnswerAllotment Operation = "answer-allotment" // sign for places that one gives, or refuse
	OpAskSubject      Operation = "ask-subject"      // ask the other side of a referral to rectify, erase or restrict
	OpAnswerSubject   Operation = "answer-subject"   // do what the other side asks, or say why not
	OpListSubject     Operation = "list-subject"     // which requests of inhabitants there are; not what they say
	OpReadSubject     Operation = "read-subject"     // one, with what it says
	OpReportSubject   Operation = "report-subject"   // all that is kept of one inhabitant, for him
)

// Operations lists every desk operation.
func Operations() []Operation {
	return []Operation{
		OpPublish, OpConfirmImport, OpOwnOffers, OpReceivedOffers, OpStatus, OpShowRegister,
		OpChangeRegister, OpExplainPolicy, OpReload, OpListJournal, OpVerifyJournal, OpBackup, OpDoctor,
		OpDiffPolicy, OpReplayPolicy, OpPolicyHistory, OpPolicyRollback,
		OpSearchJournal, OpExportJournal, OpArchiveJournal, OpProveJournal, OpWitnessJournal,
		OpBreakGlass, OpListBreakGlass, OpAcknowledgeBreakGlass,
		OpProposePolicy, OpListProposals, OpAnswerProposal,
		OpSearchPlaces, OpReportMissing, OpMissingPlaces, OpReadEvents, OpTestWebhook,
		OpRefer, OpAskReferral, OpHandOver, OpCommitReferral, OpListReferrals, OpReadReferral, OpWaitingList,
		OpEraseReferral, OpRetentionReport,
		OpListAllotments, OpAskAllotment, OpAnswerAllotment,
		OpAskSubject, OpAnswerSubject, OpListSubject, OpReadSubject, OpReportSubject,
	}
}

// allowed is the table of operations by role; docs/operators.md shows the same
// table and a test compares them.
func allowed(op Operation) []Role {
	switch op {
	case OpPublish:
		return []Role{Coordinator, Program}
	case OpConfirmImport:
		return []Role{Coordinator}
	case OpOwnOffers:
		return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Program}
	case OpReceivedOffers:
		return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Program}
	case OpSearchPlaces, OpReportMissing:
		return []Role{Coordinator, Consulent, Program}
	case OpMissingPlaces:
		return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Program}
	case OpStatus, OpReadEvents:
		return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Beheerder, Program}
	case OpShowRegister:
		return []Role{Coordinator, Consulent, Analist, PrivacyOfficer, Beheerder, Program}
	case OpChangeRegister:
		return []Role{Beheerder}
	case OpExplainPolicy:
		return []Role{Coordinator, PrivacyOfficer, Beheerder}
	case OpReplayPolicy:
		return []Role{Coordinator, PrivacyOfficer}
	case OpDiffPolicy, OpPolicyHistory:
		return []Role{Coordinator, PrivacyOfficer, Beheerder}
	case OpReload, OpPolicyRollback:
		return []Role{Beheerder}
	case OpListJournal, OpSearchJournal, OpExportJournal, OpArchiveJournal:
		return []Role{PrivacyOfficer, Beheerder}
	case OpVerifyJournal, OpProveJournal:
		return []Role{PrivacyOfficer, Beheerder}
	case OpBackup, OpDoctor, OpWitnessJournal, OpBreakGlass, OpTestWebhook:
		return []Role{Beheerder}
	case OpProposePolicy:
		return []Role{Coordinator, Beheerder}
	case OpListProposals:
		return []Role{Coordinator, PrivacyOfficer, Beheerder}
	case OpListBreakGlass, OpAcknowledgeBreakGlass, OpAnswerProposal:
		return []Role{PrivacyOfficer}
	}
	return allowedReferral(op)
}

// allowedReferral is the part of the table about referrals and allotments. Who may do an act is
// in ReferralAct.Roles, too.
func allowedReferral(op Operation) []Role {
	switch op {
	case OpRefer:
		return []Role{Consulent, Program}
	case OpAskReferral, OpHandOver:
		return []Role{Consulent}
	case OpCommitReferral:
		return []Role{Coordinator}
	case OpListReferrals:
		return []Role{Coordinator, Consulent, PrivacyOfficer, Program}
	case OpReadReferral, OpEraseReferral:
		return []Role{Coordinator, Consulent}
	case OpWaitingList:
		return []Role{Coordinator, PrivacyOfficer}
	case OpRetentionReport:
		return []Role{Coordinator, Consulent, PrivacyOfficer}
	case OpListAllotments:
		return []Role{Coordinator, Consulent, PrivacyOfficer, Program}
	case OpAskAllotment, OpAnswerAllotment:
		return []Role{Coordinator, Consulent}
	case OpAskSubject, OpListSubject:
		return []Role{Coordinator, Consulent, PrivacyOfficer}
	case OpAnswerSubject, OpReadSubject:
		return []Role{Coordinator, Consulent}
	case OpReportSubject:
		return []Role{Coordinator, Consulent, PrivacyOfficer}
	}
	return nil
}

// May tells whether the caller has a role that may do op.
func (c Caller) May(op Operation) bool {
	return slices.ContainsFunc(allowed(op), func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// Authorize is May as an error that names what is missing.
func (c Caller) Authorize(op Operation) error {
	if c.May(op) {
		return nil
	}
	return Errorf(Denied, "operation %s needs one of the roles %v", op, allowed(op))
}

// UnderBreakGlass lists what break-glass access adds: what shows offers, and
// nothing that changes anything.
func UnderBreakGlass() []Operation {
	return []Operation{OpOwnOffers, OpReceivedOffers, OpReplayPolicy}
}
