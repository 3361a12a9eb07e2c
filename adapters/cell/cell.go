// Package cell reads what office workers write in one cell of a sheet: numbers,
// dates, dagdelen, terms of a code list, free text. Use it through adapters.Read;
// it knows neither files nor offers. Its errors are Dutch, follow the name of a
// column ("Plekken: moet een heel getal zijn") and repeat nothing of the cell.
package cell

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// maxLength is far more than any field holds.
const maxLength = 1000

var (
	errLong     = errors.New("is langer dan 1000 tekens")
	errSheet    = errors.New("bevat een fout uit het rekenblad")
	errControl  = errors.New("bevat een regeleinde of een onzichtbaar teken")
	errBSN      = errors.New("lijkt op een BSN; een BSN mag hier nooit staan")
	errNegative = errors.New("mag niet negatief zijn")
	errWhole    = errors.New("moet een heel getal zijn")
	errDecimal  = errors.New("moet een getal zijn, zoals 51,8650")
	errSpan     = errors.New("moet een cijfer zijn of een reeks, zoals 2 of 1-3 (in Excel als tekst)")
	errDate     = errors.New("moet een datum zijn, zoals 1-12-2026 of 2026-12-01")
	errFlag     = errors.New("moet ja of nee zijn")
)

// Sane refuses what no cell can be: a text without end, or an error value of
// Excel in English or Dutch.
func Sane(cell string) error {
	switch {
	case len(cell) > maxLength:
		return errLong
	case sheetError.MatchString(cell):
		return errSheet
	}
	return nil
}

var sheetError = regexp.MustCompile(`^#(N/A|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|N/B|VERW!|DEEL/0!|WAARDE!|NAAM\?|GETAL!|LEEG!)$`)

// Text reads free text: on one line, with single spaces, and without anything
// that looks like a BSN.
func Text(cell string) (string, error) {
	switch {
	case HasControls(cell):
		return "", errControl
	case LooksLikeBSN(cell):
		return "", errBSN
	}
	return strings.Join(strings.Fields(cell), " "), nil
}

// Reference is Text for the admin's own reference. Eight digits are let through:
// a year and a number are common, and nobody would know why one in eleven fails.
func Reference(cell string) (string, error) {
	if eightDigits.MatchString(cell) {
		return cell, nil
	}
	return Text(cell)
}

var eightDigits = regexp.MustCompile(`^[0-9]{8}$`)

// Notation is how a file writes numbers and dates. The zero value is that of
// CSV: a point or space may separate thousands.
type Notation struct {
	// Serial is the moment that a number means. Where it is set, numbers have a
	// decimal point, as in the cells of Excel.
	Serial func(float64) (time.Time, bool)
}

var (
	thousands = regexp.MustCompile(`^[0-9]{1,3}(?:[. ][0-9]{3})+$`)
	zeroTail  = regexp.MustCompile(`,0+$`)
)

// Count reads a whole number from 0 to a million.
func (n Notation) Count(cell string) (int, error) {
	if strings.HasPrefix(cell, "-") {
		return 0, errNegative
	}
	if n.Serial != nil {
		f, err := strconv.ParseFloat(cell, 64)
		if err != nil || !(f < 1e6) || math.Abs(f-math.Round(f)) > 1e-9 {
			return 0, errWhole
		}
		return int(math.Round(f)), nil
	}
	cell = zeroTail.ReplaceAllString(cell, "")
	if thousands.MatchString(cell) {
		cell = strings.NewReplacer(".", "", " ", "").Replace(cell)
	}
	count, err := strconv.ParseUint(cell, 10, 32)
	if err != nil || count > 1e6 {
		return 0, errWhole
	}
	return int(count), nil
}

// Ratio reads the number of participants per guide: "8", "1:8" or "1 op 8".
func (n Notation) Ratio(cell string) (int, error) {
	return n.Count(oneTo.ReplaceAllString(cell, ""))
}

var oneTo = regexp.MustCompile(`^1 ?(?::|op|/) ?`)

// Degree reads a decimal number with a comma or a point.
func Degree(cell string) (float64, error) {
	f, err := strconv.ParseFloat(strings.Replace(cell, ",", ".", 1), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errDecimal
	}
	return f, nil
}

var spanPattern = regexp.MustCompile(`^([1-9])(?: ?(?:-|–|t/m|tm|tot en met) ?([1-9]))?$`)

// Span reads "2", "1-3" or "1 t/m 3".
func Span(cell string) (gateway.Range, error) {
	m := spanPattern.FindStringSubmatch(Normal(cell))
	if m == nil {
		return gateway.Range{}, errSpan
	}
	low, _ := strconv.Atoi(m[1])
	high := low
	if m[2] != "" {
		high, _ = strconv.Atoi(m[2])
	}
	return gateway.Range{Min: low, Max: high}, nil
}

var (
	isoDay   = regexp.MustCompile(`^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})$`)
	dutchDay = regexp.MustCompile(`^([0-9]{1,2})[-/. ]([0-9]{1,2}|[a-z]+\.?)[-/. ]([0-9]{4})$`)
	clock    = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?$`)
)

// Moment reads a day, perhaps with a time, in the Netherlands: 2026-12-01,
// 1-12-2026, 01/12/2026 or 1 december 2026.
func (n Notation) Moment(cell string) (time.Time, error) {
	if n.Serial != nil {
		if serial, err := strconv.ParseFloat(cell, 64); err == nil {
			t, ok := n.Serial(serial)
			if !ok {
				return time.Time{}, errDate
			}
			return t, nil
		}
	}
	date, hour := Normal(cell), ""
	if i := strings.LastIndexAny(date, " t"); i > 0 && clock.MatchString(date[i+1:]) {
		date, hour = date[:i], date[i+1:]
	}
	var year, month, dayOfMonth string
	if m := isoDay.FindStringSubmatch(date); m != nil {
		year, month, dayOfMonth = m[1], m[2], m[3]
	} else if m := dutchDay.FindStringSubmatch(date); m != nil {
		year, month, dayOfMonth = m[3], m[2], m[1]
	} else {
		return time.Time{}, errDate
	}
	y, _ := strconv.Atoi(year)
	d, _ := strconv.Atoi(dayOfMonth)
	mo, ok := readMonth(month)
	if !ok || y < 1990 || y >= 2200 {
		return time.Time{}, errDate
	}
	var h, mi, s int
	if m := clock.FindStringSubmatch(hour); m != nil {
		h, _ = strconv.Atoi(m[1])
		mi, _ = strconv.Atoi(m[2])
		s, _ = strconv.Atoi(m[3])
	}
	t := time.Date(y, mo, d, h, mi, s, 0, gateway.Amsterdam())
	if t.Day() != d || t.Month() != mo || h > 23 || mi > 59 || s > 59 {
		return time.Time{}, errDate
	}
	return t, nil
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

// Flag reads ja or nee and what admins write for them; an empty cell is no.
func Flag(cell string) (bool, error) {
	switch Normal(cell) {
	case "ja", "j", "x", "1", "waar", "true", "yes", "y", "v", "✓", "✔":
		return true, nil
	case "", "nee", "n", "0", "onwaar", "false", "no", "-":
		return false, nil
	}
	return false, errFlag
}

var houseNumber = regexp.MustCompile(`^(.*[^ ]) +([0-9]+(?: ?-? ?[0-9A-Za-z]{1,6})?)$`)

// Address takes the number off the end of "Oostgaarde 12 b".
func Address(s string) (street, number string) {
	if m := houseNumber.FindStringSubmatch(s); m != nil {
		return m[1], m[2]
	}
	return s, ""
}

// Postcode writes "2952 ab" as 2952AB.
func Postcode(s string) string { return strings.ToUpper(strings.ReplaceAll(s, " ", "")) }
