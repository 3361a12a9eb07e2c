package adapters

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// maxCell is far more than any field holds.
const maxCell = 1000

// value is what a cell was read as; which member counts follows from the kind.
type value struct {
	text   string
	codes  []string
	number int
	degree float64
	span   gateway.Range
	moment time.Time
}

// cellReader reads cells of one table. Its methods give a Dutch message, which
// repeats nothing of the cell, for what they cannot read.
type cellReader struct {
	matcher    matcher
	table      sheet.Sheet
	separators string
}

func (r cellReader) read(s spec, cell string) (v value, message string) {
	switch s.kind {
	case code:
		found, ok := r.matcher.find(s.list, cell)
		if !ok {
			return v, "staat niet in codelijst " + s.list
		}
		v.text = found
	case codes:
		found, ok := r.matcher.findAll(s.list, cell, r.separators)
		if !ok {
			return v, "noemt iets dat niet in codelijst " + s.list + " staat"
		}
		v.codes = distinct(found)
	case number:
		v.number, message = r.count(cell)
	case degree:
		v.degree, message = readDegree(cell)
	case span:
		v.span, message = readSpan(cell)
	case day, moment:
		v.moment, message = r.moment(cell)
		v.text = string(gateway.DateOf(v.moment))
	default:
		v.text, message = readText(s.key, cell)
	}
	return v, message
}

func distinct(list []string) []string {
	var once []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			once = append(once, s)
		}
		seen[s] = true
	}
	return once
}

func readText(key, cell string) (string, string) {
	switch {
	case hasControls(cell):
		return "", "bevat een regeleinde of een onzichtbaar teken"
	case looksLikeBSN(cell) && (key != keyID || !eightDigits.MatchString(cell)):
		return "", "lijkt op een BSN; een BSN mag hier nooit staan"
	}
	return strings.Join(strings.Fields(cell), " "), ""
}

// eightDigits are common as the admin's own reference (2026 and a number).
var eightDigits = regexp.MustCompile(`^[0-9]{8}$`)

// spreadsheetError are the errors that Excel shows, in English and in Dutch.
var spreadsheetError = regexp.MustCompile(`^#(N/A|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|N/B|VERW!|DEEL/0!|WAARDE!|NAAM\?|GETAL!|LEEG!)$`)

var (
	thousands = regexp.MustCompile(`^[0-9]{1,3}(?:[. ][0-9]{3})+$`)
	zeroTail  = regexp.MustCompile(`,0+$`)
)

const notWhole = "moet een heel getal zijn"

// count reads a whole number from 0 to a million. In CSV a point or space may
// separate thousands; in Excel a point is a decimal point.
func (r cellReader) count(cell string) (int, string) {
	if strings.HasPrefix(cell, "-") {
		return 0, "mag niet negatief zijn"
	}
	if r.table.Excel {
		f, err := strconv.ParseFloat(cell, 64)
		if err != nil || !(f < 1e6) || math.Abs(f-math.Round(f)) > 1e-9 {
			return 0, notWhole
		}
		return int(math.Round(f)), ""
	}
	cell = zeroTail.ReplaceAllString(cell, "")
	if thousands.MatchString(cell) {
		cell = strings.NewReplacer(".", "", " ", "").Replace(cell)
	}
	n, err := strconv.ParseUint(cell, 10, 32)
	if err != nil || n > 1e6 {
		return 0, notWhole
	}
	return int(n), ""
}

func readDegree(cell string) (float64, string) {
	f, err := strconv.ParseFloat(strings.Replace(cell, ",", ".", 1), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, "moet een getal zijn, zoals 51,8650"
	}
	return f, ""
}

var spanPattern = regexp.MustCompile(`^([1-9])(?: ?(?:-|–|t/m|tm|tot en met) ?([1-9]))?$`)

func readSpan(cell string) (gateway.Range, string) {
	m := spanPattern.FindStringSubmatch(normal(cell))
	if m == nil {
		return gateway.Range{}, "moet een cijfer zijn of een reeks, zoals 2 of 1-3 (in Excel als tekst)"
	}
	low, _ := strconv.Atoi(m[1])
	high := low
	if m[2] != "" {
		high, _ = strconv.Atoi(m[2])
	}
	return gateway.Range{Min: low, Max: high}, ""
}

var (
	isoDay   = regexp.MustCompile(`^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})$`)
	dutchDay = regexp.MustCompile(`^([0-9]{1,2})[-/. ]([0-9]{1,2}|[a-z]+\.?)[-/. ]([0-9]{4})$`)
	clock    = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?$`)
)

const notADate = "moet een datum zijn, zoals 1-12-2026 of 2026-12-01"

// moment reads a day, perhaps with a time, in the Netherlands.
func (r cellReader) moment(cell string) (time.Time, string) {
	if r.table.Excel {
		if serial, err := strconv.ParseFloat(cell, 64); err == nil {
			t, ok := r.table.Time(serial)
			return t, unless(ok, notADate)
		}
	}
	date, hour := normal(cell), ""
	if i := strings.LastIndexAny(date, " t"); i > 0 && clock.MatchString(date[i+1:]) {
		date, hour = date[:i], date[i+1:]
	}
	var year, month, dayOfMonth string
	if m := isoDay.FindStringSubmatch(date); m != nil {
		year, month, dayOfMonth = m[1], m[2], m[3]
	} else if m := dutchDay.FindStringSubmatch(date); m != nil {
		year, month, dayOfMonth = m[3], m[2], m[1]
	} else {
		return time.Time{}, notADate
	}
	y, _ := strconv.Atoi(year)
	d, _ := strconv.Atoi(dayOfMonth)
	mo, ok := readMonth(month)
	if !ok || y < 1990 || y >= 2200 {
		return time.Time{}, notADate
	}
	var h, mi, s int
	if m := clock.FindStringSubmatch(hour); m != nil {
		h, _ = strconv.Atoi(m[1])
		mi, _ = strconv.Atoi(m[2])
		s, _ = strconv.Atoi(m[3])
	}
	t := time.Date(y, mo, d, h, mi, s, 0, gateway.Amsterdam())
	return t, unless(t.Day() == d && t.Month() == mo && h < 24 && mi < 60 && s < 60, notADate)
}

func readMonth(s string) (time.Month, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return time.Month(n), n >= 1 && n <= 12
	}
	s = strings.TrimSuffix(s, ".")
	for i, name := range []string{"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"} {
		if s == name || s == name[:3] || (s == "mrt" && i == 2) || (s == "sept" && i == 8) {
			return time.Month(i + 1), true
		}
	}
	return 0, false
}

func unless(ok bool, message string) string {
	if ok {
		return ""
	}
	return message
}

// readFlag reads ja or nee and what admins write for them; an empty cell is no.
func readFlag(cell string) (yes bool, message string) {
	switch normal(cell) {
	case "ja", "j", "x", "1", "waar", "true", "yes", "y", "v", "✓", "✔":
		return true, ""
	case "", "nee", "n", "0", "onwaar", "false", "no", "-":
		return false, ""
	}
	return false, "moet ja of nee zijn"
}

var houseNumber = regexp.MustCompile(`^(.*[^0-9 ]) +([0-9]+(?: ?-? ?[0-9A-Za-z]{1,6})?)$`)

// splitAddress takes the number off the end of "Oostgaarde 12 b".
func splitAddress(s string) (street, number string) {
	if m := houseNumber.FindStringSubmatch(s); m != nil {
		return m[1], m[2]
	}
	return s, ""
}

func normalPostcode(s string) string { return strings.ToUpper(strings.ReplaceAll(s, " ", "")) }
