package adapters

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/gateway"
)

// Layout is how an export spreads offers over rows.
type Layout string

const (
	PerDagdeel Layout = "per-dagdeel" // rows with the same id are one offer
	PerAanbod  Layout = "per-aanbod"  // every row is an offer
)

// Mapping says which column of an export fills which field of an offer. Make it
// with Propose or ParseMapping; it is read-only afterwards.
type Mapping struct {
	Layout     Layout           `yaml:"layout"`
	Full       bool             `yaml:"full"`       // the export holds all offers; true if left out
	Sheet      string           `yaml:"sheet"`      // name of the worksheet; empty: the first with these headers
	Separators string           `yaml:"separators"` // of several values in one cell, tried in this order
	Fields     map[string]Field `yaml:"fields"`     // by the JSON name of the property
	Places     Places           `yaml:"places"`
	Allotments []Allotment      `yaml:"allotments"`
}

// Field is where a value comes from: a column, a constant for what the admin
// does not keep (also where the cell is empty), or both. A YAML scalar is short
// for a column.
type Field struct {
	Column  string            `yaml:"column"`
	Default string            `yaml:"default"`
	Values  map[string]string `yaml:"values"` // what the admin writes → what it means
	Flags   map[string]string `yaml:"flags"`  // code → column with ja or nee; code lists with several values only
}

// Places says where the numbers per dagdeel are: either Columns, one for each
// dagdeel, or a cell that names one or more dagdelen with the numbers for each
// of them.
type Places struct {
	Weekday  Field           `yaml:"weekday"` // where the day has a column of its own
	Dagdeel  Field           `yaml:"dagdeel"`
	Maximum  Field           `yaml:"maximum"`
	Occupied Field           `yaml:"occupied"`
	Counted  Field           `yaml:"counted"` // column with the codes of participants of referrals who are among those that occupy places
	Columns  []DagdeelColumn `yaml:"columns"`
}

// DagdeelColumn names the columns of one dagdeel.
type DagdeelColumn struct {
	Dagdeel  gateway.Dagdeel `yaml:"dagdeel"`
	Maximum  Field           `yaml:"maximum"`
	Occupied Field           `yaml:"occupied"`
}

// Allotment names the columns of one allotment; its numbers hold for each
// dagdeel of the row.
type Allotment struct {
	ID         string             `yaml:"id"`
	Gemeenten  []gateway.Gemeente `yaml:"gemeenten"`
	Parties    []gateway.OIN      `yaml:"parties"`
	Maximum    Field              `yaml:"maximum"`
	Occupied   Field              `yaml:"occupied"`
	Grondslag  string             `yaml:"grondslag"`
	ValidFrom  gateway.Date       `yaml:"validFrom"`
	ValidUntil gateway.Date       `yaml:"validUntil"`
}

const (
	defaultSeparators = ",;|/"
	maxMappingBytes   = 1 << 20
)

// UnmarshalYAML reads a Field or the name of a column.
func (f *Field) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		f.Column = n.Value
		return nil
	}
	type plain Field // without this method
	return n.Load((*plain)(f), yaml.WithKnownFields())
}

func (f Field) given() bool { return f.Column != "" || f.Default != "" || len(f.Flags) > 0 }

// ParseMapping reads a mapping file strictly. All errors are Invalid and given
// together, one on each line, as name:line:column.
func ParseMapping(name string, b []byte) (Mapping, error) {
	m := Mapping{Full: true, Separators: defaultSeparators}
	if len(b) > maxMappingBytes {
		return Mapping{}, gateway.Errorf(gateway.Limit, "%s: de koppeling is te groot", name)
	}
	var root yaml.Node
	err := yaml.Load(b, &root)
	if err == nil {
		err = yaml.Load(b, &m, yaml.WithKnownFields())
	}
	if err != nil {
		return Mapping{}, gateway.Wrap(gateway.Invalid, err, yamlMessage(name, err))
	}
	faults := m.faults()
	if len(faults) == 0 {
		return m, nil
	}
	var lines []string
	for _, f := range faults {
		at := nearest(&root, f.path)
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s: %s", name, at.Line, at.Column, strings.Join(f.path, "."), f.message))
	}
	return Mapping{}, gateway.Errorf(gateway.Invalid, "%s", strings.Join(lines, "\n"))
}

var unknownKey = regexp.MustCompile(`^field (\S{1,40}) not found`)

// yamlMessage says in Dutch what the YAML package found.
func yamlMessage(name string, err error) string {
	found := []*yaml.LoadError{}
	if several, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		found = several.Errors
	} else if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		found = append(found, one)
	}
	var lines []string
	for _, e := range found {
		message := "dit is geen geldige YAML"
		if key := unknownKey.FindStringSubmatch(e.Message); key != nil {
			message = "onbekende sleutel " + key[1]
		} else if strings.Contains(e.Message, "already defined") {
			message = "deze sleutel staat er twee keer"
		} else if strings.Contains(e.Message, "cannot construct") {
			message = "hier hoort een ander soort waarde"
		} else if strings.Contains(e.Message, "no documents") {
			message = "de koppeling is leeg"
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", name, max(1, e.Mark.Line), max(1, e.Mark.Column), message))
	}
	if len(lines) == 0 {
		return name + ":1:1: dit is geen geldige YAML"
	}
	return strings.Join(lines, "\n")
}

// nearest finds the node at path, or the last one on the way to it.
func nearest(n *yaml.Node, path []string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if len(path) == 0 {
		return n
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == path[0] {
				return nearest(n.Content[i+1], path[1:])
			}
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if fmt.Sprint(i+1) == path[0] {
				return nearest(item, path[1:])
			}
		}
	}
	return n
}

// fault is one thing wrong with a mapping; items of lists count from 1 in path.
type fault struct {
	path    []string
	message string
}

// check is for a mapping that did not come from ParseMapping.
func (m Mapping) check() error {
	if faults := m.faults(); len(faults) > 0 {
		return gateway.Errorf(gateway.Invalid, "koppeling: %s: %s", strings.Join(faults[0].path, "."), faults[0].message)
	}
	return nil
}

func (m Mapping) faults() []fault {
	var c mappingChecker
	c.require(m.Layout == PerDagdeel || m.Layout == PerAanbod, "kies per-dagdeel of per-aanbod", "layout")
	c.require(m.Separators != "", "noem ten minste één scheidingsteken", "separators")
	for _, s := range specs() {
		f := m.Fields[s.key]
		c.require(f.given() || !s.required, "geef een kolom of een vaste waarde (default)", "fields", s.key)
		c.require(len(f.Flags) == 0 || s.kind == codes, "flags kan alleen bij werksoorten, doelgroepen en accessibility", "fields", s.key)
		c.translations(f, "fields", s.key)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Fields)) {
		_, known := findSpec(key)
		c.require(known, "onbekend veld", "fields", key)
	}
	c.require(m.Fields[keyID].Column != "", "moet een kolom zijn", "fields", keyID)
	c.places(m)
	c.allotments(m.Allotments)
	return c.faults
}

type mappingChecker struct{ faults []fault }

func (c *mappingChecker) require(ok bool, message string, path ...string) {
	if !ok {
		c.faults = append(c.faults, fault{path: slices.Clone(path), message: message})
	}
}

func (c *mappingChecker) translations(f Field, path ...string) {
	for _, from := range slices.Sorted(maps.Keys(f.Values)) {
		c.require(f.Values[from] != "", "vul in wat deze waarde betekent", append(path, "values", from)...)
	}
	for _, flag := range slices.Sorted(maps.Keys(f.Flags)) {
		c.require(f.Flags[flag] != "", "noem een kolom", append(path, "flags", flag)...)
	}
}

func (c *mappingChecker) places(m Mapping) {
	p := m.Places
	c.require(p.Counted.Default == "" && len(p.Counted.Values)+len(p.Counted.Flags) == 0, "noem alleen een kolom", "places", "counted")
	if len(p.Columns) == 0 {
		c.require(p.Dagdeel.given(), "geef een kolom of een vaste waarde (default)", "places", "dagdeel")
		c.require(p.Maximum.given(), "geef een kolom of een vaste waarde (default)", "places", "maximum")
		c.require(p.Occupied.given(), "geef een kolom of een vaste waarde (default)", "places", "occupied")
		return
	}
	c.require(m.Layout != PerDagdeel, "kolommen per dagdeel horen bij layout per-aanbod", "places", "columns")
	c.require(!p.Dagdeel.given() && !p.Weekday.given() && !p.Maximum.given() && !p.Occupied.given(),
		"kies kolommen per dagdeel (columns) of één cel met dagdelen, niet allebei", "places")
	seen := map[gateway.Dagdeel]bool{}
	for i, col := range p.Columns {
		at := fmt.Sprint(i + 1)
		c.require(slices.Contains(gateway.Dagdelen(), col.Dagdeel), "onbekend dagdeel", "places", "columns", at, "dagdeel")
		c.require(!seen[col.Dagdeel], "dit dagdeel staat er twee keer", "places", "columns", at, "dagdeel")
		c.require(col.Maximum.Column != "", "noem een kolom", "places", "columns", at, "maximum")
		c.require(col.Occupied.given(), "geef een kolom of een vaste waarde (default)", "places", "columns", at, "occupied")
		seen[col.Dagdeel] = true
	}
}

func (c *mappingChecker) allotments(allotments []Allotment) {
	seen := map[string]bool{}
	for i, a := range allotments {
		at := fmt.Sprint(i + 1)
		c.require(a.ID != "" && !seen[a.ID], "geef elke toedeling een eigen id", "allotments", at, "id")
		seen[a.ID] = true
		c.require(len(a.Gemeenten)+len(a.Parties) > 0, "noem gemeenten of partijen", "allotments", at, "gemeenten")
		for j, g := range a.Gemeenten {
			_, err := gateway.ParseGemeente(string(g))
			c.require(err == nil, "schrijf een gemeente als gm en vier cijfers, zoals gm0482", "allotments", at, "gemeenten", fmt.Sprint(j+1))
		}
		for j, p := range a.Parties {
			_, err := gateway.ParseOIN(string(p))
			c.require(err == nil, "schrijf een partij als OIN van 20 posities", "allotments", at, "parties", fmt.Sprint(j+1))
		}
		c.require(a.Maximum.given(), "geef een kolom of een vaste waarde (default)", "allotments", at, "maximum")
		c.require(a.Occupied.given(), "geef een kolom of een vaste waarde (default)", "allotments", at, "occupied")
		c.require(isDate(a.ValidFrom), "schrijf een datum als 2026-11-01", "allotments", at, "validFrom")
		c.require(isDate(a.ValidUntil), "schrijf een datum als 2026-11-01", "allotments", at, "validUntil")
	}
}

func isDate(d gateway.Date) bool {
	_, err := gateway.ParseDate(string(d))
	return d == "" || err == nil
}

// columns lists every column that the mapping needs, once.
func (m Mapping) columns() []string {
	var all []string
	add := func(fields ...Field) {
		for _, f := range fields {
			all = append(all, f.Column)
			all = append(all, slices.Sorted(maps.Values(f.Flags))...)
		}
	}
	for _, s := range specs() {
		add(m.Fields[s.key])
	}
	add(m.Places.Weekday, m.Places.Dagdeel, m.Places.Maximum, m.Places.Occupied, m.Places.Counted)
	for _, c := range m.Places.Columns {
		add(c.Maximum, c.Occupied)
	}
	for _, a := range m.Allotments {
		add(a.Maximum, a.Occupied)
	}
	seen := map[string]bool{"": true}
	return slices.DeleteFunc(all, func(c string) bool {
		name := cell.Normal(c)
		again := seen[name]
		seen[name] = true
		return again
	})
}
