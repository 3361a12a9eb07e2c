// Package guard looks in texts that people type for what should not be in them:
// what looks like a burgerservicenummer, an e-mail address, a telephone number or
// a bank account, and characters that do not show. Use it on every free text, and
// on every structured text that is not meant for such a thing, before it leaves
// the node.
//
// It guards against mistakes and habits, not against somebody who wants to hide
// a number: "een een een" and letters for digits pass. What it says never repeats
// what it found. It is pure.
package guard

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
)

// What is a kind of thing that should not be in a text.
type What string

const (
	BSN     What = "bsn"     // nine digits that pass the elfproef, as one in eleven others do
	Email   What = "email"   //
	Phone   What = "phone"   // Dutch, or any with a country code
	IBAN    What = "iban"    //
	Control What = "control" // control characters but the line break, and broken text
	Hidden  What = "hidden"  // characters that do not show or turn the direction of writing
	Long    What = "long"    // more characters than the field has
)

// Finding says that something is in a field, not what it says.
type Finding struct {
	Field string `json:"field"`
	What  What   `json:"what"`
}

// Field is a text to be looked at. Name is ours, never input; Max is its greatest
// length in characters, 0 for none.
type Field struct {
	Name string
	Text string
	Max  int
}

// Overridable tells whether a person who looked may say that it is something
// else. About one in eleven numbers of nine digits passes the elfproef; nobody
// needs a character that does not show.
func (w What) Overridable() bool {
	return slices.Contains([]What{BSN, Email, Phone, IBAN}, w)
}

// Scan says what is in a text that should not be, each thing once. It knows no
// maximum length.
func Scan(field, text string) []Finding {
	var found []Finding
	add := func(w What, is bool) {
		if is {
			found = append(found, Finding{field, w})
		}
	}
	flat := flatten(text)
	phones, bsn := numbers(flat)
	add(BSN, bsn)
	add(Email, hasEmail(flat))
	add(Phone, phones)
	add(IBAN, hasIBAN(flat))
	add(Control, hasControl(text))
	add(Hidden, hasHidden(text))
	return found
}

// Check looks at all fields. What somebody has allowed after having looked, and
// may allow, is not refused; those that were indeed needed are in used, for the
// caller to journal.
func Check(fields []Field, allowed []Finding) (refused, used []Finding) {
	for _, f := range fields {
		found := Scan(f.Name, f.Text)
		if f.Max > 0 && utf8.RuneCountInString(f.Text) > f.Max {
			found = append(found, Finding{f.Name, Long})
		}
		for _, finding := range found {
			if finding.What.Overridable() && slices.Contains(allowed, finding) {
				used = append(used, finding)
			} else {
				refused = append(refused, finding)
			}
		}
	}
	return refused, used
}

// Refusal is the error for what was found; nil for nothing.
func Refusal(found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	var all []string
	for _, f := range found {
		all = append(all, f.English())
	}
	return gateway.Errorf(gateway.Invalid, "%s", strings.Join(all, "; "))
}

// English says what is wrong.
func (f Finding) English() string {
	switch f.What {
	case BSN:
		return "the field " + f.Field + " seems to hold a citizen service number (BSN), which may not be shared"
	case Email:
		return "the field " + f.Field + " seems to hold an e-mail address; contact details follow at the handover"
	case Phone:
		return "the field " + f.Field + " seems to hold a telephone number; contact details follow at the handover"
	case IBAN:
		return "the field " + f.Field + " seems to hold a bank account number (IBAN), which may not be shared"
	case Control:
		return "the field " + f.Field + " has control characters or is not proper text"
	case Hidden:
		return "the field " + f.Field + " has characters that do not show or that turn the direction of writing"
	case Long:
		return "the field " + f.Field + " is too long"
	}
	return "the field " + f.Field + " is not in order"
}

// Dutch says what is wrong.
func (f Finding) Dutch() string {
	switch f.What {
	case BSN:
		return "in het veld " + f.Field + " lijkt een burgerservicenummer (BSN) te staan; dat mag niet worden gedeeld"
	case Email:
		return "in het veld " + f.Field + " lijkt een e-mailadres te staan; contactgegevens volgen bij de overdracht"
	case Phone:
		return "in het veld " + f.Field + " lijkt een telefoonnummer te staan; contactgegevens volgen bij de overdracht"
	case IBAN:
		return "in het veld " + f.Field + " lijkt een rekeningnummer (IBAN) te staan; dat mag niet worden gedeeld"
	case Control:
		return "in het veld " + f.Field + " staan stuurtekens, of het is geen goede tekst"
	case Hidden:
		return "in het veld " + f.Field + " staan tekens die niet te zien zijn of die de schrijfrichting omkeren"
	case Long:
		return "het veld " + f.Field + " is te lang"
	}
	return "het veld " + f.Field + " is niet in orde"
}

func hasControl(s string) bool {
	if !utf8.ValidString(s) {
		return true
	}
	return strings.ContainsFunc(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) bool {
		return r != '\n' && unicode.In(r, unicode.Cc, unicode.Co, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar || r&0xFFFE == 0xFFFE
	})
}

// hasHidden: format characters are the zero-width ones, the bidirectional ones,
// the soft hyphen and tags. The others are letters and marks without a form.
func hasHidden(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.Is(unicode.Cf, r) || strings.ContainsRune("\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0", r)
	})
}
