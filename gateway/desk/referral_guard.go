package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/guard"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Override is what somebody says, having looked, to be no personal data: in which
// field, and what it looked like.
type Override = guard.Finding

// Greatest lengths of texts, in characters, as the schemas have them.
const (
	mostLine      = 200
	mostPhone     = 40
	mostGuidance  = 1000
	mostReference = 200
)

// scan refuses texts with what should not be in them. It gives what was only let
// pass because of an override; meant are things that a field is there for.
func scan(fields []guard.Field, meant, overrides []Override) (used []Override, err error) {
	refused, passed := guard.Check(fields, append(slices.Clone(meant), overrides...))
	if err := guard.Refusal(refused); err != nil {
		return nil, err
	}
	for _, f := range passed {
		if !slices.Contains(meant, f) {
			used = append(used, f)
		}
	}
	return used, nil
}

// functionalFields are the texts of a functional contact, which has telephone and
// e-mail.
func functionalFields(name string, f gateway.Functional) (fields []guard.Field, meant []Override) {
	fields = []guard.Field{
		{Name: name + ".name", Text: f.Name, Max: mostLine}, {Name: name + ".phone", Text: f.Phone, Max: mostPhone}, {Name: name + ".email", Text: f.Email},
	}
	for _, f := range fields {
		meant = append(meant, Override{Field: f.Name, What: guard.Phone}, Override{Field: f.Name, What: guard.Email})
	}
	return fields, meant
}

func scanNeed(need gateway.Need, reference string, overrides []Override) ([]Override, error) {
	contact, meant := functionalFields("contact", need.Contact)
	deputy, more := functionalFields("deputy", need.Deputy)
	fields := append([]guard.Field{
		{Name: "note", Text: need.Note, Max: mostLine}, {Name: "reference", Text: reference, Max: mostReference},
	}, append(contact, deputy...)...)
	return scan(fields, append(meant, more...), overrides)
}

func scanHandover(h gateway.Handover, overrides []Override) ([]Override, error) {
	fields := []guard.Field{
		{Name: "name", Text: h.Name, Max: mostLine}, {Name: "phone", Text: h.Phone, Max: mostPhone}, {Name: "email", Text: h.Email},
		{Name: "reachable", Text: h.Reachable, Max: mostLine}, {Name: "guidance", Text: h.Guidance, Max: mostGuidance},
		{Name: "contact.name", Text: h.Contact.Name, Max: mostLine}, {Name: "contact.role", Text: h.Contact.Role, Max: mostLine},
		{Name: "contact.phone", Text: h.Contact.Phone, Max: mostPhone}, {Name: "contact.email", Text: h.Contact.Email},
	}
	if a := h.Address; a != nil {
		fields = append(fields, guard.Field{Name: "address.street", Text: a.Street, Max: mostLine},
			guard.Field{Name: "address.number", Text: a.Number, Max: mostLine}, guard.Field{Name: "address.city", Text: a.City, Max: mostLine})
	}
	meant := []Override{
		{Field: "phone", What: guard.Phone}, {Field: "email", What: guard.Email},
		{Field: "contact.phone", What: guard.Phone}, {Field: "contact.email", What: guard.Email},
	}
	return scan(fields, meant, overrides)
}

// journalOverrides enters who let pass what, before it leaves: names of fields
// and kinds of things only.
func (d *Desk) journalOverrides(ctx context.Context, caller gateway.Caller, party gateway.OIN, used []Override) error {
	now := d.now()
	for _, o := range used {
		entry := d.entry(caller, journal.KindOverride, now)
		entry.Party, entry.Fields, entry.Outcome = party, []gateway.Field{gateway.Field(o.Field)}, string(o.What)
		if err := d.Store.Append(ctx, now, entry); err != nil {
			return fmt.Errorf("journal an override: %w", err)
		}
	}
	return nil
}
