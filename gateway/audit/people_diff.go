package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// PersonChange is what some recipients are told otherwise of persons, by messages
// of one kind.
type PersonChange struct {
	Kind string `json:"kind"`
	Goes Effect `json:"goes,omitempty"` // the message itself: wider if it may go now and could not; empty: no change
	Change
}

// newPersonChanges compares what two policies let parties know of persons, in
// every case that either can tell apart.
func newPersonChanges(old, next *policy.Policy, day gateway.Date, recipients []gateway.Recipient) ([]PersonChange, error) {
	changes := []PersonChange{}
	cells, err := personCells(day, recipients, func(q policy.Personal) (PersonChange, bool) {
		return personChange(next, q.Kind, old.Tell(q), next.Tell(q))
	}, old, next)
	for _, cell := range cells {
		change := cell.answer
		change.Recipients, change.Conditions = cell.recipients, cell.conditions
		changes = append(changes, change)
	}
	return changes, err
}

// personChange tells two answers to one question apart; false if they are the
// same but for the rules that they follow from.
func personChange(p *policy.Policy, kind string, old, next policy.Told) (PersonChange, bool) {
	c := PersonChange{Kind: kind}
	if old.Allowed != next.Allowed {
		c.Goes = Narrower
		if next.Allowed {
			c.Goes = Wider
		}
		c.effect(c.Goes)
	}
	for _, f := range gateway.PersonalFields(kind) {
		was, is := slices.Contains(old.Fields, f), slices.Contains(next.Fields, f)
		if was == is {
			continue
		}
		one := FieldChange{Field: f, Label: policy.FieldLabel(f), Old: gateway.None, New: gateway.Exact, Effect: Wider}
		if was {
			one.Old, one.New, one.Effect = gateway.Exact, gateway.None, Narrower
		}
		c.Fields = append(c.Fields, one)
		c.effect(one.Effect)
	}
	c.groundsOf(p, &old.Decision, &next.Decision)
	return c, len(c.Effects) > 0
}

func (c PersonChange) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s aan %s\n", kindWord(c.Kind), whoText(c.Recipients))
	if len(c.Conditions) > 0 {
		fmt.Fprintf(b, "  als %s\n", strings.Join(c.Conditions, "; "))
	}
	switch c.Goes {
	case Wider:
		b.WriteString("  [ruimer] mag nu gaan, en mocht niet\n")
	case Narrower:
		b.WriteString("  [beperkter] mag niet meer gaan\n")
		c.writeAskedBack(b)
		return
	}
	for _, f := range c.Fields {
		word := "gaat nu mee"
		if f.Effect == Narrower {
			word = "gaat niet meer mee"
		}
		fmt.Fprintf(b, "  [%s] %s %s\n", effectText(f.Effect), f.Label, word)
	}
	c.writeGrounds(b, cmp.Or(c.Goes, Other))
	c.writeAskedBack(b)
}

// writeAskedBack tells what becomes of what was told already, as the desk does it
// once a day.
func (c PersonChange) writeAskedBack(b *strings.Builder) {
	told := c.Kind == gateway.KindReferral || c.Kind == gateway.KindHandover
	less := c.Goes == Narrower || slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return f.Effect == Narrower })
	if told && less {
		b.WriteString("  Wat daarvan al is verteld, wordt teruggevraagd: de ander wist het, of zegt waarom niet.\n")
	}
}
