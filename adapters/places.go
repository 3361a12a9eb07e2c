package adapters

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// placeReader reads the numbers per dagdeel of an offer and its allotments.
type placeReader struct {
	im         *importer
	weekday    source
	dagdeel    source
	counts     counts
	counted    source
	columns    []dagdeelCounts
	allotments []allotmentCounts
}

type counts struct{ maximum, occupied source }

type dagdeelCounts struct {
	dagdeel gateway.Dagdeel
	counts
}

type allotmentCounts struct {
	Allotment
	counts counts
}

func newPlaceReader(im *importer, m Mapping) placeReader {
	t := im.table
	bind := func(maximum, occupied Field) counts { return counts{t.source(maximum), t.source(occupied)} }
	r := placeReader{
		im: im, weekday: t.source(m.Places.Weekday), dagdeel: t.source(m.Places.Dagdeel),
		counts: bind(m.Places.Maximum, m.Places.Occupied), counted: t.source(m.Places.Counted),
	}
	for _, c := range m.Places.Columns {
		r.columns = append(r.columns, dagdeelCounts{c.Dagdeel, bind(c.Maximum, c.Occupied)})
	}
	for _, a := range m.Allotments {
		r.allotments = append(r.allotments, allotmentCounts{a, bind(a.Maximum, a.Occupied)})
	}
	return r
}

// read adds the places and allotments of all rows of g to o, in the order of
// the week.
func (r placeReader) read(g *group, o *gateway.Offer) {
	line := map[gateway.Dagdeel]int{}
	allotted := make([][]gateway.Places, len(r.allotments))
	for _, row := range g.rows {
		var fresh []gateway.Places
		for _, p := range r.row(row, g.id) {
			if line[p.Dagdeel] > 0 {
				r.im.report(row.Line, r.dagdeel.column, g.id, fmt.Sprintf("dit dagdeel staat ook in regel %d van hetzelfde aanbod", line[p.Dagdeel]))
				continue
			}
			line[p.Dagdeel] = row.Line
			fresh = append(fresh, p)
		}
		o.Places = append(o.Places, fresh...)
		for i, a := range r.allotments {
			if len(fresh) > 0 {
				allotted[i] = append(allotted[i], r.allotted(row, g.id, a, fresh)...)
			}
		}
	}
	sortPlaces(o.Places)
	for i, a := range r.allotments {
		if !slices.ContainsFunc(allotted[i], func(p gateway.Places) bool { return p.Maximum > 0 }) {
			continue
		}
		sortPlaces(allotted[i])
		o.Allotments = append(o.Allotments, gateway.Allotment{
			ID: a.ID, Gemeenten: slices.Clone(a.Gemeenten), Parties: slices.Clone(a.Parties), Grondslag: a.Grondslag,
			Places: allotted[i], ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil,
		})
	}
}

// participants adds the codes of participants that the rows of g name; it gives
// nothing where the mapping has no column for them.
func (r placeReader) participants(g *group) []string {
	if r.counted.column == "" {
		return nil
	}
	all := []string{}
	for _, row := range g.rows {
		written := r.counted.value(row)
		for _, code := range strings.FieldsFunc(strings.ToLower(written), func(c rune) bool {
			return unicode.IsSpace(c) || strings.ContainsRune(r.im.reader.separators, c)
		}) {
			if !codeForm.MatchString(code) {
				r.im.report(row.Line, r.counted.column, g.id, "noemt iets dat geen verwijscode is; die staat bij de verwijzing, als \"In uw export\"")
				break
			}
			all = append(all, code)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// codeForm is the form of a code of a participant: see store.ReferralPseudonym.
var codeForm = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{8}$`)

func sortPlaces(p []gateway.Places) {
	slices.SortFunc(p, func(a, b gateway.Places) int { return gateway.CompareDagdeel(a.Dagdeel, b.Dagdeel) })
}

// row reads the places of one row. Where each dagdeel has its columns, an empty
// cell means that there is no work then.
func (r placeReader) row(row sheet.Row, offer string) []gateway.Places {
	var places []gateway.Places
	if len(r.columns) > 0 {
		for _, c := range r.columns {
			if p, filled, ok := r.numbers(row, offer, c.counts); filled && ok {
				places = append(places, gateway.Places{Dagdeel: c.dagdeel, Maximum: p.Maximum, Occupied: p.Occupied})
			}
		}
		return places
	}
	p, filled, ok := r.numbers(row, offer, r.counts)
	if !filled {
		r.im.report(row.Line, r.counts.maximum.column, offer, "is leeg")
	}
	dagdelen := r.dagdelen(row, offer)
	if !filled || !ok {
		return nil
	}
	for _, d := range dagdelen {
		places = append(places, gateway.Places{Dagdeel: d, Maximum: p.Maximum, Occupied: p.Occupied})
	}
	return places
}

func (r placeReader) dagdelen(row sheet.Row, offer string) []gateway.Dagdeel {
	written := r.dagdeel.value(row)
	err := cell.Sane(written)
	if written == "" {
		err = errEmpty
	}
	if err != nil {
		r.im.report(row.Line, r.dagdeel.column, offer, err.Error())
		return nil
	}
	dagdelen, ok := cell.Dagdelen(r.weekday.value(row) + " " + written)
	if !ok {
		r.im.report(row.Line, r.dagdeel.column, offer, "noemt geen dagdelen die wij kennen; schrijf bijvoorbeeld: ma t/m vr ochtend en middag")
	}
	return dagdelen
}

// numbers reads a maximum with what is occupied of it; filled says whether
// there is a maximum, ok whether both could be read.
func (r placeReader) numbers(row sheet.Row, offer string, c counts) (p gateway.Places, filled, ok bool) {
	read := func(s source, written string) int {
		n, err := r.im.reader.notation.Count(written)
		if insane := cell.Sane(written); insane != nil {
			err = insane
		}
		if err != nil {
			r.im.report(row.Line, s.column, offer, err.Error())
			ok = false
		}
		return n
	}
	ok = true
	maximum, occupied := c.maximum.value(row), c.occupied.value(row)
	if maximum == "" {
		if occupied != "" && read(c.occupied, occupied) > 0 {
			r.im.report(row.Line, c.maximum.column, offer, "is leeg, maar er zijn wel plekken bezet")
		}
		return p, false, ok
	}
	p.Maximum = read(c.maximum, maximum)
	if occupied == "" {
		r.im.report(row.Line, c.occupied.column, offer, "is leeg; vul 0 in als er niemand is")
		return p, true, false
	}
	p.Occupied = read(c.occupied, occupied)
	if ok && p.Occupied > p.Maximum {
		r.im.warn(row.Line, c.occupied.column, offer, "er is meer bezet dan er plekken zijn")
	}
	return p, true, ok
}

// allotted reads what of places a row allots: the same number on each dagdeel
// that has places.
func (r placeReader) allotted(row sheet.Row, offer string, a allotmentCounts, places []gateway.Places) []gateway.Places {
	n, filled, ok := r.numbers(row, offer, a.counts)
	if !filled || !ok {
		return nil
	}
	var allotted []gateway.Places
	for _, p := range places {
		if p.Maximum > 0 {
			allotted = append(allotted, gateway.Places{Dagdeel: p.Dagdeel, Maximum: n.Maximum, Occupied: n.Occupied})
		}
	}
	return allotted
}

func (r placeReader) checkConstants(opt Options) error {
	bad := func(key string) error {
		return gateway.Errorf(gateway.Invalid, "koppeling: %s: een vaste waarde of code klopt niet", key)
	}
	if d := r.dagdeel.fallback; d != "" && r.weekday.column == "" {
		if _, ok := cell.Dagdelen(r.weekday.fallback + " " + d); !ok {
			return bad("places.dagdeel")
		}
	}
	all := []counts{r.counts}
	for _, c := range r.columns {
		all = append(all, c.counts)
	}
	for _, a := range r.allotments {
		all = append(all, a.counts)
		for _, g := range a.Gemeenten {
			if opt.Lists.Check("gemeente", string(g), opt.Day) != nil {
				return bad("allotments")
			}
		}
		if a.Grondslag != "" && opt.Lists.Check("grondslag", a.Grondslag, opt.Day) != nil {
			return bad("allotments")
		}
	}
	for _, c := range all {
		for _, s := range []source{c.maximum, c.occupied} {
			if s.fallback == "" {
				continue
			}
			if _, err := r.im.reader.notation.Count(s.fallback); err != nil {
				return bad("places")
			}
		}
	}
	return nil
}
