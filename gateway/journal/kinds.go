package journal

// Kinds of entries about the journal itself and about access to what a role does
// not give.
const (
	KindReduced        = "journal-reduced" // the Count oldest entries, all from before Since, are only hashes now
	KindPolicyProposed = "policy-proposed" // to Party, or by it, to be approved there, or here
	KindPolicyAnswered = "policy-answered" // such a proposal was approved, refused or withdrawn
	KindBreakGlass     = "break-glass"     // access number Count to what Caller's roles do not give was opened or has ended; Digest is that of name, reason and end, under a key that can be erased
)

// Outcomes of such entries.
const (
	OutcomeSent       = "sent"
	OutcomeReceived   = "received"
	OutcomeOpened     = "opened"
	OutcomeEnded      = "ended"
	OutcomeBreakGlass = "break-glass" // of a reading: allowed only by access number Count
)
