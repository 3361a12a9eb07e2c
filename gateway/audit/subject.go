package audit

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// Subject is what a party has of one inhabitant, and what became of it: an answer
// to who asks for that (AVG art. 15), to be given to the inhabitant as it is.
type Subject struct {
	Party     string            `json:"party"`
	Contact   string            `json:"contact,omitempty"` // of the party, as in the register
	Day       gateway.Date      `json:"day"`
	Referrals []SubjectReferral `json:"referrals"`
}

// SubjectReferral is what is kept of one referral.
type SubjectReferral struct {
	Referral  string          `json:"referral"`
	Other     string          `json:"other"`         // the party on the other side
	For       string          `json:"for,omitempty"` // for whom was referred, if that is another party
	Referrer  bool            `json:"referrer"`      // the party whose report it is referred; else it is the provider
	Offer     string          `json:"offer,omitempty"`
	Status    string          `json:"status"` // in Dutch
	Since     time.Time       `json:"since"`
	Kept      string          `json:"kept"` // until when, and why, in Dutch
	Restrict  bool            `json:"restricted,omitempty"`
	Reference string          `json:"reference,omitempty"`
	Data      []SubjectData   `json:"data"`
	History   []SubjectEvent  `json:"history"`
	Grounds   []SubjectGround `json:"grounds"`
}

// SubjectData is one value, as people call it.
type SubjectData struct {
	In    string `json:"in"` // the kind of message in which it went
	Label string `json:"label"`
	Value string `json:"value"`
}

// SubjectEvent is one entry of the journal about the referral.
type SubjectEvent struct {
	At     time.Time       `json:"at"`
	What   string          `json:"what"` // in Dutch
	Party  string          `json:"party,omitempty"`
	Fields []gateway.Field `json:"fields,omitempty"`
	Rules  []string        `json:"rules,omitempty"`
	Policy string          `json:"policy,omitempty"`
}

// SubjectGround is by which rule something went, and why that was allowed then.
type SubjectGround struct {
	Rule        string `json:"rule"`
	Policy      string `json:"policy"`
	Description string `json:"description,omitempty"`
	Purpose     string `json:"purpose"`
	Basis       string `json:"basis"`
	Retention   string `json:"retention"` // ISO 8601, after the end
}

// NewSubjectGround tells of a rule of a version of the policy.
func NewSubjectGround(lists gateway.CodeLists, version string, g policy.Grounds) SubjectGround {
	var basis []string
	for _, code := range g.Basis {
		basis = append(basis, basisLabel(lists, code))
	}
	return SubjectGround{
		Rule: g.ID, Policy: version, Description: g.Description, Purpose: lists.Label("doel", g.Purpose), Basis: strings.Join(basis, "; "), Retention: g.Retention,
	}
}

func (s Subject) document() Document {
	d := Document{
		Title: "Uw gegevens in Doorstroom",
		Facts: []Fact{{"Van", s.Party}, {"Op", string(s.Day)}},
		Notes: []string{
			"Dit is alles wat wij over u hebben van verwijzingen naar een leerwerkbedrijf: wat erin staat, van wie het kwam of naar wie het ging, en waarom dat mocht.",
			"Klopt er iets niet, of wilt u dat wij iets wissen of niet meer gebruiken? Vraag het ons. U krijgt binnen een maand antwoord. Bent u het niet eens met ons antwoord, dan kunt u klagen bij de Autoriteit Persoonsgegevens.",
		},
	}
	if s.Contact != "" {
		d.Facts = append(d.Facts, Fact{"Vragen", s.Contact})
	}
	if len(s.Referrals) == 0 {
		d.Notes = append(d.Notes, "Wij hebben geen gegevens over u.")
	}
	for i, r := range s.Referrals {
		d.Sections = append(d.Sections, r.part(i+1))
	}
	return d
}

func (r SubjectReferral) part(n int) Part {
	who := "Wij hebben u verwezen naar " + r.Other
	if !r.Referrer {
		who = r.Other + " heeft u naar ons verwezen"
	}
	if r.For != "" {
		who += ", namens " + r.For
	}
	p := Part{ID: fmt.Sprint("verwijzing-", n), Title: fmt.Sprint("Verwijzing ", n), Facts: []Fact{
		{"Wat", who + "."}, {"Stand", r.Status + ", sinds " + string(gateway.DateOf(r.Since))}, {"Wij bewaren dit", r.Kept}, {"Kenmerk", r.Referral},
	}}
	if r.Reference != "" {
		p.Facts = append(p.Facts, Fact{"Ons eigen kenmerk", r.Reference})
	}
	if r.Restrict {
		p.Facts = append(p.Facts, Fact{"Beperkt", "op uw verzoek bewaren wij dit wel, maar gebruiken wij het niet"})
	}
	data := Table{Caption: "Wat er over u in staat", Heads: []string{"Gegeven", "Inhoud", "Bericht"}}
	for _, one := range r.Data {
		data.Rows = append(data.Rows, cells(one.Label, one.Value, one.In))
	}
	history := Table{Caption: "Wat ermee gebeurde", Heads: []string{"Wanneer", "Wat", "Met wie", "Gegevens", "Volgens regel"}}
	for _, e := range r.History {
		history.Rows = append(history.Rows, cells(string(gateway.DateOf(e.At)), e.What, e.Party, strings.Join(fieldLabels(e.Fields), ", "), strings.Join(e.Rules, ", ")))
	}
	grounds := Table{Caption: "Waarom dat mocht", Heads: []string{"Regel", "Omschrijving", "Doel", "Grondslag", "Bewaren na afloop, ten hoogste"}}
	for _, g := range r.Grounds {
		grounds.Rows = append(grounds.Rows, cells(g.Rule, g.Description, g.Purpose, g.Basis, cmp.Or(retentions([]string{g.Retention}), "-")))
	}
	for _, t := range []Table{data, history, grounds} {
		if len(t.Rows) > 0 {
			p.Tables = append(p.Tables, t)
		}
	}
	return p
}

// Text writes the document for a terminal, or to print as it is.
func (s Subject) Text(w io.Writer) error { return s.document().Text(w) }

// HTML writes the document as a page.
func (s Subject) HTML(w io.Writer) error { return s.document().HTML(w) }

// CSV writes one line for each row of each table.
func (s Subject) CSV(w io.Writer) error { return s.document().CSV(w) }
