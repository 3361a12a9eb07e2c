package desk

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// sift gives the own offers that an import changes, and the ids of all that it
// mentions. It counts them in the report.
func (d *Desk) sift(imp gateway.Import, known map[string]*store.KnownOffer, now time.Time, report *ImportReport) (put []store.OwnOffer, mentioned map[string]bool, err error) {
	day := gateway.DateOf(now)
	bad := problemsByOffer(imp.Problems)
	mentioned = make(map[string]bool, len(imp.Offers))
	for i, offer := range imp.Offers {
		offer.Updated = offer.Updated.UTC() // as the schema has it; the admin wrote local time
		said := offer.Encode()
		if problems := d.refuse(&offer, said, mentioned, known, imp.Source, day); len(problems) > 0 {
			report.Problems = append(report.Problems, problems...)
			if old, ok := known[offer.ID]; !ok || old.Source == imp.Source {
				bad[offer.ID] = problems[0].Message
			}
			continue
		}
		mentioned[offer.ID] = true
		report.Offers++
		old, exists := known[offer.ID]
		if exists && bytes.Equal(old.Said, said) && old.Problem == "" {
			report.Unchanged++
			continue
		}
		if offer.Updated.IsZero() {
			offer.Updated = now
		}
		changed := store.OwnOffer{Offer: offer, Source: imp.Source, Changed: now}
		if !exists {
			report.New++
		} else {
			report.Changed++
			if changed.Sampling, err = old.Sampling(); err != nil {
				return nil, nil, err
			}
		}
		if put == nil { // where one has changed, more have
			put = make([]store.OwnOffer, 0, min(len(imp.Offers)-i, 1000))
		}
		put = append(put, changed)
	}
	marked, err := keepBad(bad, mentioned, known, report)
	return append(put, marked...), mentioned, err
}

// keepBad counts the offers that could not be read or published, and gives those
// whose last good version stays and is to be marked. They are mentioned: a full
// export does not withdraw them.
func keepBad(bad map[string]string, mentioned map[string]bool, known map[string]*store.KnownOffer, report *ImportReport) (marked []store.OwnOffer, err error) {
	for _, id := range slices.Sorted(maps.Keys(bad)) {
		if mentioned[id] {
			continue
		}
		mentioned[id] = true
		report.Bad++
		old, ok := known[id]
		if !ok {
			continue
		}
		report.Kept = append(report.Kept, id)
		if old.Problem != bad[id] {
			whole, err := old.Whole()
			if err != nil {
				return nil, err
			}
			whole.Problem = bad[id]
			marked = append(marked, whole)
		}
	}
	return marked, nil
}

// refuse lists what makes an offer unfit to publish, as row problems without a
// row: an adapter has already reported the rows it could not read. said is the
// encoded offer.
func (d *Desk) refuse(o *gateway.Offer, said []byte, mentioned map[string]bool, known map[string]*store.KnownOffer, source string, day gateway.Date) []gateway.RowProblem {
	var problems []gateway.RowProblem
	add := func(field, message string) {
		problems = append(problems, gateway.RowProblem{Column: field, Offer: o.ID, Message: message})
	}
	if o.Provider != d.Self {
		add("provider", "is niet de partij van deze node")
	}
	if mentioned[o.ID] {
		add("id", "komt twee keer voor")
	}
	if old, ok := known[o.ID]; ok && old.Source != source {
		add("id", "bestaat al uit een andere bron")
	}
	for _, p := range o.Check(d.lists, day) {
		add(p.Field, p.Message)
	}
	if len(problems) > 0 {
		return problems
	}
	// The schema has the bounds of texts, so that what passes here fits a message.
	violations, err := d.Schema.Validate("offer", withUpdated(said, o.Updated))
	for _, v := range violations {
		add(v.Path, v.Dutch)
	}
	if err != nil && len(violations) == 0 {
		add("", "bevat tekens die niet in een bericht kunnen")
	}
	return problems
}

// withUpdated gives the offer as encoding/json writes it.
func withUpdated(said []byte, updated time.Time) []byte {
	if updated.IsZero() {
		return said
	}
	open := said[:len(said)-1]
	b := updated.AppendFormat(append(open[:len(open):len(open)], `,"updated":"`...), time.RFC3339Nano)
	return append(b, `"}`...)
}

func problemsByOffer(problems []gateway.RowProblem) map[string]string {
	bad := map[string]string{}
	for _, p := range problems {
		if p.Offer != "" && !p.Warning {
			bad[p.Offer] = p.Message
		}
	}
	return bad
}

// mentionedIn are the ids of the offers of which an import says something.
func mentionedIn(imp gateway.Import) []string {
	ids := make([]string, 0, len(imp.Offers))
	for _, o := range imp.Offers {
		ids = append(ids, o.ID)
	}
	for _, p := range imp.Problems {
		ids = append(ids, p.Offer)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}
