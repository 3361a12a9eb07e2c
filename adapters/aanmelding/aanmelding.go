// Package aanmelding reads referrals from the system of a gemeente: a CSV file or
// a workbook with one referral in each row, under fixed Dutch headers (Columns).
// A row with a problem gives no referral; the others are not touched by it.
package aanmelding

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/adapters/cell"
	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// Row is one referral to be made. Reference is the gemeente's own.
type Row struct {
	Line      int
	Reference string
	Provider  gateway.OIN
	Principal gateway.OIN
	Need      gateway.Need
}

// Column is one that a file can have: its header, what it says, and whether a
// file must have it.
type Column struct {
	Header, Meaning string
	Must            bool
}

// Columns lists them.
func Columns() []Column {
	return []Column{
		{"kenmerk", "eigen kenmerk; het blijft in uw node", true},
		{"aanbod", "kenmerk van het aanbod", true},
		{"leerwerkbedrijf", "OIN, als er meer een aanbod met dat kenmerk hebben", false},
		{"namens", "OIN van de partij voor wie u verwijst", false},
		{"grondslag", "wet op grond waarvan u verwijst", false},
		{"trajectsoort", "soort plek", false},
		{"werksoorten", "met komma's ertussen", false},
		{"dagdelen", "zoals di-ochtend, do-ochtend", false},
		{"fase", "1 tot 3", false},
		{"trede", "1 tot 6", false},
		{"begeleiding", "soort begeleiding", false},
		{"intensiteit", "laag, midden of hoog", false},
		{"toegankelijkheid", "met komma's ertussen", false},
		{"vanaf", "eerste dag", false},
		{"postcode", "alleen de vier cijfers gaan mee", false},
		{"km", "hoe ver de inwoner kan fietsen", false},
		{"toelichting", "enkele woorden, zonder namen of nummers", false},
		{"geinformeerd op", "dag waarop de inwoner het hoorde", false},
		{"geinformeerd hoe", "zoals gesprek of brief", false},
		{"past", "ja: u legde de inwoner naast het aanbod", false},
		{"eerst bellen", "ja: alleen wie gebeld moet worden gaat mee", false},
	}
}

// Read reads a file; its problems are those of rows, with line and column.
func Read(path string, lists gateway.CodeLists, day gateway.Date) (rows []Row, problems []gateway.RowProblem, err error) {
	sheets, err := sheet.Open(path, 0)
	if err != nil {
		return nil, nil, err
	}
	s := sheets[0]
	r := &reader{file: filepath.Base(path), codes: cell.NewCodes(lists, day), at: map[string]int{}}
	if s.Excel {
		r.notation.Serial = s.Time
	}
	for _, row := range s.Rows {
		switch {
		case row.Broken != "":
			r.problem(row.Line, "", row.Broken)
		case row.Blank():
		case !r.headed:
			if err := r.head(row); err != nil {
				return nil, nil, err
			}
		default:
			r.row(row)
		}
	}
	if !r.headed {
		return nil, nil, gateway.Errorf(gateway.Invalid, "het bestand heeft geen kopregel")
	}
	return r.rows, r.problems, nil
}

type reader struct {
	file     string
	codes    *cell.Codes
	notation cell.Notation
	headed   bool
	at       map[string]int // header → place
	seen     map[string]bool
	rows     []Row
	problems []gateway.RowProblem
}

func (r *reader) problem(line int, column, message string) {
	r.problems = append(r.problems, gateway.RowProblem{File: r.file, Line: line, Column: column, Message: message})
}

// head reads the headers: a column that is not known is refused, so that nobody
// believes that it was sent.
func (r *reader) head(row sheet.Row) error {
	r.headed, r.seen = true, map[string]bool{}
	var names, unknown, missing []string
	for _, c := range Columns() {
		names = append(names, c.Header)
	}
	for i, text := range row.Cells {
		if gateway.MeansAttachment(cell.Normal(text)) {
			return gateway.Errorf(gateway.Invalid,
				"regel %d, cel %c: bijlagen worden niet ondersteund; zeg wat van belang is in de kolommen die er zijn, of telefonisch", row.Line, 'A'+min(i, 25))
		}
		name := strings.NewReplacer("ï", "i", "_", " ").Replace(cell.Normal(text))
		if _, twice := r.at[name]; name == "" || twice || !slices.Contains(names, name) {
			unknown = append(unknown, gateway.RowProblem{Line: row.Line}.Text()+" cel "+string(rune('A'+min(i, 25))))
			continue
		}
		r.at[name] = i
	}
	for _, c := range Columns() {
		if _, ok := r.at[c.Header]; c.Must && !ok {
			missing = append(missing, c.Header)
		}
	}
	switch {
	case len(unknown) > 0:
		return gateway.Errorf(gateway.Invalid, "een kolom is onbekend, leeg of staat er twee keer (%s); bekend zijn: %s", strings.Join(unknown, ", "), strings.Join(names, ", "))
	case len(missing) > 0:
		return gateway.Errorf(gateway.Invalid, "deze kolommen ontbreken: %s", strings.Join(missing, ", "))
	}
	return nil
}

func (r *reader) row(row sheet.Row) {
	before := len(r.problems)
	get := func(column string) string {
		i, ok := r.at[column]
		if !ok || i >= len(row.Cells) {
			return ""
		}
		text := strings.TrimSpace(row.Cells[i])
		if err := cell.Sane(text); err != nil {
			r.problem(row.Line, column, err.Error())
			return ""
		}
		return text
	}
	failed := func(column string, err error) {
		if err != nil {
			r.problem(row.Line, column, err.Error())
		}
	}
	out := Row{Line: row.Line, Provider: gateway.OIN(get("leerwerkbedrijf")), Principal: gateway.OIN(get("namens"))}
	var err error
	out.Reference, err = cell.Reference(get("kenmerk"))
	failed("kenmerk", err)
	if out.Reference == "" && err == nil {
		r.problem(row.Line, "kenmerk", "is leeg; zonder kenmerk kan een verwijzing twee keer worden gemaakt")
	}
	if key := out.Reference + "\n" + get("aanbod"); out.Reference != "" && r.seen[key] {
		r.problem(row.Line, "kenmerk", "staat twee keer in het bestand bij hetzelfde aanbod")
	} else {
		r.seen[key] = true
	}
	r.need(&out.Need, row.Line, get, failed)
	if len(r.problems) == before {
		r.rows = append(r.rows, out)
	}
}

func (r *reader) need(n *gateway.Need, line int, get func(string) string, failed func(string, error)) {
	var err error
	n.Offer = get("aanbod")
	if n.Offer == "" {
		r.problem(line, "aanbod", "is leeg")
	}
	n.Grondslag, n.Trajectsoort = r.code(line, "grondslag", "grondslag", get("grondslag")), r.code(line, "trajectsoort", "trajectsoort", get("trajectsoort"))
	n.Werksoorten = r.list(line, "werksoorten", "werksoort", get("werksoorten"))
	n.Accessibility = r.list(line, "toegankelijkheid", "toegankelijkheid", get("toegankelijkheid"))
	n.Informed.How = r.code(line, "geinformeerd hoe", "informatiewijze", get("geinformeerd hoe"))
	if soort := get("begeleiding"); soort != "" {
		n.Begeleiding = &gateway.Begeleiding{
			Soort: r.code(line, "begeleiding", "begeleiding", soort), Intensiteit: r.code(line, "intensiteit", "intensiteit", get("intensiteit")),
		}
	}
	if text := get("dagdelen"); text != "" {
		var ok bool
		if n.Dagdelen, ok = cell.Dagdelen(text); !ok {
			failed("dagdelen", errors.New("moeten dagdelen zijn, zoals di-ochtend, do-ochtend"))
		}
	}
	for column, to := range map[string]*int{"fase": &n.Fase, "trede": &n.Trede, "km": &n.MaxKm} {
		if text := get(column); text != "" {
			*to, err = r.notation.Count(text)
			failed(column, err)
		}
	}
	for column, to := range map[string]*gateway.Date{"vanaf": &n.From, "geinformeerd op": &n.Informed.On} {
		if text := get(column); text != "" {
			var at time.Time
			at, err = r.notation.Moment(text)
			failed(column, err)
			*to = gateway.DateOf(at)
		}
	}
	n.Postcode = get("postcode")
	n.Postcode = n.Postcode[:min(4, len(n.Postcode))]
	n.Note, err = cell.Text(get("toelichting"))
	failed("toelichting", err)
	n.Fits, err = cell.Flag(get("past"))
	failed("past", err)
	n.CallFirst, err = cell.Flag(get("eerst bellen"))
	failed("eerst bellen", err)
}

func (r *reader) code(line int, column, list, text string) string {
	if text == "" {
		return ""
	}
	code, ok := r.codes.Find(list, text)
	if !ok {
		r.problem(line, column, "staat niet in codelijst "+list)
	}
	return code
}

func (r *reader) list(line int, column, list, text string) (codes []string) {
	for _, part := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ';' || c == '|' }) {
		if part = strings.TrimSpace(part); part != "" {
			codes = append(codes, r.code(line, column, list, part))
		}
	}
	return codes
}
