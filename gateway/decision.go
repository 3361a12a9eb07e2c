package gateway

import (
	"fmt"
	"strings"
)

// Decision is what policy says of one disclosure or one admission, with what
// is needed to account for it. Policy hands out one value for all that is decided
// the same: many goroutines and callers hold it at once, so nobody changes it or
// anything in it. Two pointers that are equal are the same decision; the reverse
// is so as a rule, not always, so nothing but effort may depend on it.
type Decision struct {
	Allowed   bool
	Show      Disclosure // outbound only
	Rules     []string   // ids of the rules that allowed
	DeniedBy  string     // id of the rule that denied, or "default" for none that allowed
	Denied    []Field    // outbound only: what DeniedBy keeps back, everything where no rule allowed
	Purpose   string     // code of code list doel
	Basis     []string   // codes of code lists avg-grondslag and grondslag
	Retention string     // ISO 8601 duration the recipient may keep it
	Policy    string     // version (SHA-256) of the policy that decided
}

// Import is what an adapter made of one export of the admin.
type Import struct {
	Source string  `json:"source"`           // which export: the next one of the same source replaces it
	Full   bool    `json:"full"`             // offers that are no longer in it are withdrawn
	Digest string  `json:"digest,omitempty"` // SHA-256 of the export, hex, so that it is not taken twice
	Offers []Offer `json:"offers"`
	// Counted says of offers, by id, which participants of referrals are among those
	// that occupy places already, by the codes that referrals show for an export:
	// they are not counted twice. Of an offer that is not named nothing changes.
	Counted  map[string][]string `json:"counted,omitempty"`
	Problems []RowProblem        `json:"problems,omitempty"`
}

// RowProblem is one thing wrong in one row: Line counts from 1 as the admin's
// program does, Column is the header, Message is Dutch and repeats no value.
// Offer is the row's offer id where it could be read, so that its last good
// version can stay. A Warning does not keep the row back.
type RowProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"`
	Offer   string `json:"offer,omitempty"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

// Text is the problem as an office worker reads it.
func (p RowProblem) Text() string {
	var places []string
	if p.File != "" {
		places = append(places, p.File)
	}
	if p.Line > 0 {
		places = append(places, fmt.Sprintf("regel %d", p.Line))
	}
	if p.Column != "" {
		places = append(places, "kolom "+p.Column)
	}
	if p.Offer != "" {
		places = append(places, "aanbod "+p.Offer)
	}
	where := strings.Join(places, ", ")
	if p.Warning {
		return "let op: " + where + ": " + p.Message
	}
	return where + ": " + p.Message
}
