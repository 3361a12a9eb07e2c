package adapters

import (
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/gateway"
)

// kind is how the cell of a field is read.
type kind int

const (
	text   kind = iota // free text, guarded
	code               // one code of a code list
	codes              // several codes in one cell
	ratio              // "8", "1:8"
	degree             // decimal number
	span               // "2", "1-3", "1 t/m 3"
	day                // date
	moment             // date and perhaps time
)

// spec describes one field of an offer that a mapping can fill. Its key is the
// JSON name of the property, so that problems of gateway.Offer.Check find their
// column.
type spec struct {
	key      string
	label    string // Dutch, for the comments of a mapping
	kind     kind
	list     string // code list of code and codes
	required bool
}

const (
	keyID    = "id"
	keyTitle = "title"
)

// specs lists every field in the order in which a mapping shows them.
func specs() []spec {
	return []spec{
		{keyID, "eigen kenmerk van het aanbod", text, "", true},
		{keyTitle, "naam van het aanbod", text, "", true},
		{"werksoorten", "werksoorten", codes, "werksoort", true},
		{"trajectsoort", "soort traject", code, "trajectsoort", true},
		{"dienstverband", "dienstverband", code, "dienstverband", true},
		{"doelgroepen", "doelgroepen", codes, "doelgroep", false},
		{"grondslag", "wettelijke grondslag", code, "grondslag", true},
		{"functionaliteit", "functionaliteit A–I", code, "functionaliteit", true},
		{"fase", "fase 1–3, bijvoorbeeld 1-2", span, "", false},
		{"trede", "trede 1–6, bijvoorbeeld 2-4", span, "", false},
		{"begeleiding.soort", "soort begeleiding", code, "begeleiding", false},
		{"begeleiding.intensiteit", "intensiteit van de begeleiding", code, "intensiteit", false},
		{"begeleiding.ratio", "deelnemers per begeleider", ratio, "", false},
		{"location.address", "straat en huisnummer in één cel", text, "", false},
		{"location.street", "straat", text, "", false},
		{"location.number", "huisnummer", text, "", false},
		{"location.postcode", "postcode", text, "", false},
		{"location.city", "plaats", text, "", false},
		{"location.gemeente", "gemeente waar het werk is", code, "gemeente", true},
		{"location.latitude", "breedtegraad", degree, "", false},
		{"location.longitude", "lengtegraad", degree, "", false},
		{"status", "status", code, "status", false},
		{"contact.name", "contactpersoon", text, "", false},
		{"contact.role", "functie van de contactpersoon", text, "", false},
		{"contact.phone", "telefoon", text, "", false},
		{"contact.email", "e-mail", text, "", false},
		{"accessibility", "toegankelijkheid", codes, "toegankelijkheid", false},
		{"validFrom", "geldig vanaf", day, "", true},
		{"validUntil", "geldig tot en met", day, "", true},
		{"updated", "laatst gewijzigd", moment, "", false},
	}
}

func findSpec(key string) (spec, bool) {
	for _, s := range specs() {
		if s.key == key {
			return s, true
		}
	}
	return spec{}, false
}

// value is what a cell was read as; which member counts follows from the kind.
type value struct {
	text   string
	codes  []string
	number int
	degree float64
	span   gateway.Range
	moment time.Time
}

// reader reads the cells of one table.
type reader struct {
	codes      *cell.Codes
	notation   cell.Notation
	separators string
}

func newReader(t table, codes *cell.Codes, separators string) reader {
	r := reader{codes: codes, separators: separators}
	if t.sheet.Excel {
		r.notation.Serial = t.sheet.Time
	}
	return r
}

// read reads a cell as s says; translations hold for the single terms of a cell
// with several.
func (r reader) read(s spec, translations map[string]string, written string) (v value, err error) {
	if err := cell.Sane(written); err != nil {
		return v, err
	}
	ok := true
	switch s.kind {
	case code:
		if v.text, ok = r.codes.Find(s.list, written); !ok {
			err = fmt.Errorf("staat niet in codelijst %s", s.list)
		}
	case codes:
		if v.codes, ok = r.codes.FindAll(s.list, translations, written, r.separators); !ok {
			err = fmt.Errorf("noemt iets dat niet in codelijst %s staat", s.list)
		}
	case ratio:
		v.number, err = r.notation.Ratio(written)
	case degree:
		v.degree, err = cell.Degree(written)
	case span:
		v.span, err = cell.Span(written)
	case day, moment:
		v.moment, err = r.notation.Moment(written)
		v.text = string(gateway.DateOf(v.moment))
	default:
		v.text, err = cell.Text(written)
	}
	return v, err
}

// fill sets a field of an offer from a value that was read for it.
func fill(o *gateway.Offer, key string, v value) {
	switch key {
	case keyID:
		o.ID = v.text
	case keyTitle:
		o.Title = v.text
	case "werksoorten":
		o.Werksoorten = v.codes
	case "trajectsoort":
		o.Trajectsoort = v.text
	case "dienstverband":
		o.Dienstverband = v.text
	case "doelgroepen":
		o.Doelgroepen = v.codes
	case "grondslag":
		o.Grondslag = v.text
	case "functionaliteit":
		o.Functionaliteit = v.text
	case "fase":
		o.Fase = v.span
	case "trede":
		o.Trede = v.span
	case "begeleiding.soort":
		o.Begeleiding.Soort = v.text
	case "begeleiding.intensiteit":
		o.Begeleiding.Intensiteit = v.text
	case "begeleiding.ratio":
		o.Begeleiding.Ratio = v.number
	case "status":
		o.Status = gateway.Status(v.text)
	case "accessibility":
		o.Accessibility = v.codes
	case "validFrom":
		o.ValidFrom = gateway.Date(v.text)
	case "validUntil":
		o.ValidUntil = gateway.Date(v.text)
	case "updated":
		o.Updated = v.moment.UTC()
	default:
		fillPlace(o, key, v)
	}
}

// fillPlace is fill for where the work is and whom to ask.
func fillPlace(o *gateway.Offer, key string, v value) {
	switch key {
	case "location.address":
		o.Location.Address.Street, o.Location.Address.Number = cell.Address(v.text)
	case "location.street":
		o.Location.Address.Street = v.text
	case "location.number":
		o.Location.Address.Number = v.text
	case "location.postcode":
		o.Location.Postcode = cell.Postcode(v.text)
	case "location.city":
		o.Location.Address.City = v.text
	case "location.gemeente":
		o.Location.Gemeente = gateway.Gemeente(v.text)
	case "location.latitude":
		coordinates(o).Lat = v.degree
	case "location.longitude":
		coordinates(o).Lon = v.degree
	case "contact.name":
		o.Contact.Name = v.text
	case "contact.role":
		o.Contact.Role = v.text
	case "contact.phone":
		o.Contact.Phone = v.text
	case "contact.email":
		o.Contact.Email = v.text
	}
}

func coordinates(o *gateway.Offer) *gateway.Coordinates {
	if o.Location.Coordinates == nil {
		o.Location.Coordinates = &gateway.Coordinates{}
	}
	return o.Location.Coordinates
}
