package journal

// Kinds of entries about the journal itself and about access to what a role does
// not give.
const (
	KindReduced = "journal-reduced" // the Count oldest entries, all from before Since, are only hashes now
)
