package journal

// Kinds of entries about the journal itself and about access to what a role does
// not give.
const (
	KindReduced        = "journal-reduced" // the Count oldest entries, all from before Since, are only hashes now
	KindPolicyProposed = "policy-proposed" // to Party, or by it, to be approved there, or here
	KindPolicyAnswered = "policy-answered" // such a proposal was approved, refused or withdrawn
	KindBreakGlass     = "break-glass"     // access number Count to what Caller's roles do not give was opened or has ended; Digest is that of name, reason and end, under a key that can be erased
)

// Kinds of entries about requests for an inhabitant, between the two sides of a
// referral.
const (
	KindRightsAsked    = "rights-asked"    // Party is asked to rectify, erase, restrict or lift, which is Outcome
	KindRightsTaken    = "rights-taken"    // Party asks that; Outcome is what, or why it is refused at once
	KindRightsAnswered = "rights-answered" // a request of Party was answered; Outcome is the result
	KindRightsHeard    = "rights-heard"    // Party answered; Outcome is the result
	KindFieldsErased   = "fields-erased"   // Fields of a referral with Party; Outcome is why
)

// Outcomes of such entries.
const (
	OutcomeSent       = "sent"
	OutcomeReceived   = "received"
	OutcomeOpened     = "opened"
	OutcomeEnded      = "ended"
	OutcomeBreakGlass = "break-glass" // of a reading: allowed only by access number Count
)
