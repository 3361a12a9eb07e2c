package policy

import "github.com/doorstroom/doorstroom/gateway"

// This file gives reports the words in which Explain says the same.

// Env is the world in which the policy was read. Nothing may change it.
func (p *Policy) Env() Env { return p.env }

// Lookup finds a party of the register in force.
func (e Env) Lookup(oin gateway.OIN) (gateway.Party, bool) { return e.party(oin) }

// PartyName is the name of a party with its OIN.
func (p *Policy) PartyName(oin gateway.OIN) string { return p.partyName(oin) }

// Label is a code of a list with its Dutch label.
func (p *Policy) Label(list, code string) string { return p.label(list, code) }

// FieldLabel is the Dutch name of a field.
func FieldLabel(f gateway.Field) string { return fieldLabel(f) }

// FormText says in Dutch how a field is shown in a form.
func FormText(f gateway.Field, form gateway.Form) string {
	if form == gateway.None || form == "" {
		return "niet te zien"
	}
	return formText(f, form)
}

// RetentionText is a retention such as P90D in Dutch.
func RetentionText(retention string) string { return retentionText(retention) }

// Or and And write words as an enumeration.
func Or(words []string) string  { return or(words) }
func And(words []string) string { return and(words) }
