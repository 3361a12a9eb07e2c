package adapters

import "github.com/doorstroom/doorstroom/gateway"

// Proposal is a mapping guessed from an export, and what could not be guessed.
type Proposal struct {
	Mapping   Mapping
	Questions []Question
}

// Question is one thing that only the company knows.
type Question struct {
	Field      string   // key in the mapping file, such as fields.dienstverband
	Column     string   // header it is about; empty: no column was found
	Reason     string   // Dutch
	Candidates []string // columns or codes to choose from; may be empty
}

// Propose guesses a mapping from the headers and the values of the export at
// path.
func Propose(path string, lists gateway.CodeLists) (Proposal, error) {
	return Proposal{}, gateway.Errorf(gateway.Unavailable, "nog niet gebouwd")
}
