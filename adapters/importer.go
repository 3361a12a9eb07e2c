package adapters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// importer makes an Import of one table: collect gathers the rows of each
// offer, result reads them. For one goroutine, once.
type importer struct {
	opt      Options
	table    table
	file     string
	reader   reader
	id       source
	fields   []boundField
	places   placeReader
	problems []gateway.RowProblem
	groups   map[string]*group
	order    []*group
	counted  map[string][]string
	unsure   bool // a row could not be tied to its offer
}

// boundField is a field that the mapping fills.
type boundField struct {
	spec
	source
}

// group is the rows of one offer.
type group struct {
	id   string
	rows []sheet.Row
	bad  bool
}

// idForm is the form of gateway.Offer.ID; a row without such an id belongs to
// no offer that was ever published.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// checkEvery is how many rows are read between two looks at the context.
const checkEvery = 512

func newImporter(opt Options, t table, file string) *importer {
	im := &importer{
		opt: opt, table: t, file: file, groups: map[string]*group{},
		reader: newReader(t, cell.NewCodes(opt.Lists, opt.Day), opt.Mapping.Separators),
	}
	for _, s := range specs() {
		f := opt.Mapping.Fields[s.key]
		switch {
		case s.key == keyID:
			im.id = t.source(f)
		case f.given():
			im.fields = append(im.fields, boundField{spec: s, source: t.source(f)})
		}
	}
	im.places = newPlaceReader(im, opt.Mapping)
	return im
}

func (im *importer) report(line int, column, offer, message string) {
	im.problems = append(im.problems, gateway.RowProblem{File: im.file, Line: line, Column: column, Offer: offer, Message: message})
}

func (im *importer) warn(line int, column, offer, message string) {
	im.report(line, column, offer, message)
	im.problems[len(im.problems)-1].Warning = true
}

// collect puts every row with the offer that it belongs to.
func (im *importer) collect(ctx context.Context) error {
	for i, row := range im.table.rows {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if row.Broken != "" {
			im.report(row.Line, "", "", row.Broken)
			im.unsure = true
			continue
		}
		if row.Blank() {
			continue
		}
		id, err := im.readID(row)
		ragged := im.table.ragged(row)
		switch {
		case id == "" && row.Filled() == 1:
			im.warn(row.Line, "", "", "deze regel is overgeslagen: er is maar één cel ingevuld")
		case ragged != "":
			im.report(row.Line, "", id, ragged)
			im.unsure = true
			if id != "" {
				im.group(id).bad = true
			}
		case id == "":
			im.report(row.Line, im.id.column, "", err.Error())
			im.unsure = true
		default:
			g := im.group(id)
			g.rows = append(g.rows, row)
		}
	}
	return nil
}

var (
	errEmpty = errors.New("is leeg")
	errID    = errors.New("moet 1–64 letters, cijfers, punten of streepjes zijn")
)

// readID gives the id of the row's offer, or says what is wrong with it.
func (im *importer) readID(row sheet.Row) (string, error) {
	written := im.id.value(row)
	if written == "" {
		return "", errEmpty
	}
	id, err := cell.Reference(written)
	if err == nil && !idForm.MatchString(id) {
		err = errID
	}
	if err != nil {
		return "", err
	}
	return id, nil
}

func (im *importer) group(id string) *group {
	g, ok := im.groups[id]
	if !ok {
		g = &group{id: id}
		im.groups[id] = g
		im.order = append(im.order, g)
	}
	return g
}

// result reads the offers. Problems are in the order of the rows.
func (im *importer) result(ctx context.Context) (gateway.Import, error) {
	if err := im.checkConstants(); err != nil {
		return gateway.Import{}, err
	}
	result := gateway.Import{Source: im.opt.Source, Full: im.opt.Mapping.Full}
	for i, g := range im.order {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return gateway.Import{}, ctx.Err()
		}
		if o, ok := im.offer(g); ok {
			result.Offers = append(result.Offers, o)
		}
	}
	if last := im.table.rows[len(im.table.rows)-1]; im.table.sheet.Unfinished {
		im.warn(last.Line, "", "", "het bestand eindigt midden in deze regel; is de export afgebroken?")
		im.unsure = true
	}
	if im.unsure && result.Full {
		im.warn(im.table.header.Line, "", "", "er is een regel waarvan het kenmerk niet zeker is; daarom wordt nu geen aanbod ingetrokken")
		result.Full = false
	}
	slices.SortStableFunc(im.problems, func(a, b gateway.RowProblem) int { return cmp.Compare(a.Line, b.Line) })
	result.Problems, result.Counted = im.problems, im.counted
	return result, nil
}

// offer makes the offer of a group; false if anything in it is wrong.
func (im *importer) offer(g *group) (gateway.Offer, bool) {
	if len(g.rows) == 0 {
		return gateway.Offer{}, false
	}
	before := len(im.problems)
	first := g.rows[0]
	o := gateway.Offer{ID: g.id, Provider: im.opt.Provider}
	im.fillFrom(first, &o)
	if im.opt.Mapping.Layout == PerAanbod {
		for _, row := range g.rows[1:] {
			im.report(row.Line, im.id.column, g.id, fmt.Sprintf("dit kenmerk staat ook in regel %d", first.Line))
		}
	} else {
		im.agree(g)
	}
	im.places.read(g, &o)
	participants := im.places.participants(g)
	if !g.bad && !im.failedSince(before) {
		im.check(o, first.Line)
	}
	if g.bad || im.failedSince(before) {
		return gateway.Offer{}, false
	}
	if participants != nil {
		if im.counted == nil {
			im.counted = map[string][]string{}
		}
		im.counted[o.ID] = participants
	}
	if o.Expired(im.opt.Day) {
		im.warn(first.Line, im.opt.Mapping.Fields["validUntil"].Column, g.id, "is voorbij: dit aanbod telt niet meer als beschikbaar")
	}
	return o, true
}

func (im *importer) failedSince(before int) bool {
	return slices.ContainsFunc(im.problems[before:], func(p gateway.RowProblem) bool { return !p.Warning })
}

// fillFrom reads the general fields of an offer from its first row.
func (im *importer) fillFrom(row sheet.Row, o *gateway.Offer) {
	for _, f := range im.fields {
		var v value
		var err error
		written := f.value(row)
		if written != "" {
			v, err = im.reader.read(f.spec, f.values, written)
		} else if f.required && len(f.flags) == 0 {
			err = errEmpty
		}
		if err != nil {
			im.report(row.Line, f.column, o.ID, err.Error())
			continue
		}
		for _, flag := range f.flags {
			yes, err := cell.Flag(cellAt(row, flag.index))
			if err != nil {
				im.report(row.Line, flag.column, o.ID, err.Error())
			} else if yes && !slices.Contains(v.codes, flag.code) {
				v.codes = append(v.codes, flag.code)
			}
		}
		if written != "" || len(v.codes) > 0 {
			fill(o, f.key, v)
		}
	}
}

// agree compares the general columns of later rows with the first; they may
// also be left empty there.
func (im *importer) agree(g *group) {
	for _, row := range g.rows[1:] {
		for _, f := range im.fields {
			if here := f.written(row); here != "" && here != f.written(g.rows[0]) {
				im.report(row.Line, f.column, g.id, fmt.Sprintf("is anders dan in regel %d van hetzelfde aanbod", g.rows[0].Line))
			}
			for _, flag := range f.flags {
				if here := cellAt(row, flag.index); here != "" && here != cellAt(g.rows[0], flag.index) {
					im.report(row.Line, flag.column, g.id, fmt.Sprintf("is anders dan in regel %d van hetzelfde aanbod", g.rows[0].Line))
				}
			}
		}
	}
}

// check reports what the domain finds wrong with the whole.
func (im *importer) check(o gateway.Offer, line int) {
	for _, p := range o.Check(im.opt.Lists, im.opt.Day) {
		f := im.opt.Mapping.Fields[p.Field]
		if p.Field == "location.coordinates" {
			f = im.opt.Mapping.Fields["location.latitude"]
		}
		message := p.Message
		if f.Column == "" {
			message = p.Field + ": " + p.Message
		}
		im.report(line, f.Column, o.ID, message)
	}
}

// checkConstants refuses a mapping whose constants and translations cannot be
// read, once instead of in every row.
func (im *importer) checkConstants() error {
	for _, f := range im.fields {
		constants := make([]string, 0, len(f.values)+1)
		for _, to := range f.values {
			constants = append(constants, to)
		}
		if f.fallback != "" {
			constants = append(constants, f.fallback)
		}
		for _, c := range constants {
			if _, err := im.reader.read(f.spec, nil, c); err != nil {
				return gateway.Errorf(gateway.Invalid, "koppeling: fields.%s: een vaste waarde of vertaling klopt niet: %s", f.key, err)
			}
		}
		for _, flag := range f.flags {
			if _, ok := im.opt.Lists.Find(f.list, flag.code); !ok {
				return gateway.Errorf(gateway.Invalid, "koppeling: fields.%s: een code van flags staat niet in codelijst %s", f.key, f.list)
			}
		}
	}
	return im.places.checkConstants(im.opt)
}
