package sheet

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/doorstroom/doorstroom/gateway"
)

var (
	bomUTF8    = []byte("\xef\xbb\xbf")
	bomUTF16LE = []byte("\xff\xfe")
	bomUTF16BE = []byte("\xfe\xff")
)

// endsLine tells whether a text that begins with head and ends with tail ends
// in a newline.
func endsLine(head, tail []byte) bool {
	newline := func(order binary.ByteOrder) bool {
		return len(tail) == 2 && (order.Uint16(tail) == '\n' || order.Uint16(tail) == '\r')
	}
	switch {
	case bytes.HasPrefix(head, bomUTF16LE):
		return newline(binary.LittleEndian)
	case bytes.HasPrefix(head, bomUTF16BE):
		return newline(binary.BigEndian)
	}
	return bytes.HasSuffix(tail, []byte("\n")) || bytes.HasSuffix(tail, []byte("\r"))
}

// decode gives the text of b, whatever its encoding. Valid UTF-8 is UTF-8;
// anything else without a byte order mark is Windows-1252, in which Dutch
// programs for Windows write.
func decode(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, bomUTF16LE), bytes.HasPrefix(b, bomUTF16BE):
		if len(b)%2 != 0 {
			return "", gateway.Errorf(gateway.Invalid, "het bestand (UTF-16) is midden in een teken afgebroken")
		}
		text, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(b)
		if err != nil {
			return "", gateway.Wrap(gateway.Invalid, err, "het bestand is geen geldige UTF-16")
		}
		return string(text), nil
	case bytes.HasPrefix(b, bomUTF8):
		if !utf8.Valid(b) {
			return "", gateway.Errorf(gateway.Invalid, "het bestand zegt UTF-8 te zijn, maar is beschadigd")
		}
		return string(b[len(bomUTF8):]), nil
	case utf8.Valid(b):
		return string(b), nil
	case damagedUTF8(b):
		return "", gateway.Errorf(gateway.Invalid, "het bestand gebruikt twee tekensets door elkaar; sla het opnieuw op als CSV UTF-8")
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return "", gateway.Wrap(gateway.Invalid, err, "het bestand is geen geldige Windows-1252")
	}
	return string(text), nil
}

// damagedUTF8 tells UTF-8 with a few bad bytes from Windows-1252: in the latter
// hardly any two accented letters stand together so that they look like UTF-8.
func damagedUTF8(b []byte) bool {
	good, bad := 0, 0
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		b = b[n:]
	}
	return good > bad
}

func parseCSV(b []byte) (Sheet, error) {
	text, err := decode(b)
	if err != nil {
		return Sheet{}, err
	}
	if strings.ContainsRune(text, 0) {
		return Sheet{}, gateway.Errorf(gateway.Invalid,
			"het bestand bevat NUL-tekens: het is geen CSV, of het is beschadigd; sla het opnieuw op als CSV UTF-8")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.SplitAfter(text, "\n")
	first := 0
	comma, declared := declaredSeparator(lines[0])
	if declared {
		first = 1
	} else {
		comma = guessSeparator(lines)
	}
	s := Sheet{Unfinished: !strings.HasSuffix(text, "\n")}
	s.Rows, err = readRecords(lines, first, comma)
	return s, err
}

// declaredSeparator reads the line "sep=;" that Excel writes and understands.
func declaredSeparator(line string) (rune, bool) {
	line = strings.Trim(strings.TrimRight(line, "\n"), `"`)
	rest, ok := strings.CutPrefix(strings.ToLower(line), "sep=")
	if !ok || utf8.RuneCountInString(rest) != 1 {
		return 0, false
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return r, r == ';' || r == ',' || r == '\t' || r == '|'
}

// guessSeparator counts the separators, outside quotes, of the first line that
// has any.
func guessSeparator(lines []string) rune {
	for _, line := range lines {
		best, most := ';', 0
		for _, comma := range []rune{';', '\t', ','} {
			if n := countOutsideQuotes(line, comma); n > most {
				best, most = comma, n
			}
		}
		if most > 0 {
			return best
		}
	}
	return ';'
}

func countOutsideQuotes(line string, comma rune) int {
	n, quoted := 0, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == comma && !quoted:
			n++
		}
	}
	return n
}

// readRecords reads lines[first:]. A quote that is never closed swallows
// everything after it, so after a record that is not right reading begins anew
// at the next line: one stray quote costs one row.
func readRecords(lines []string, first int, comma rune) ([]Row, error) {
	var rows []Row
	cells := 0
	for first < len(lines) {
		r := csv.NewReader(&lineReader{lines: lines[first:]})
		r.Comma = comma
		r.FieldsPerRecord = -1
		for {
			record, err := r.Read()
			if err == io.EOF {
				return rows, nil
			}
			if broken, ok := errors.AsType[*csv.ParseError](err); ok {
				rows = append(rows, Row{Line: first + broken.StartLine, Broken: "de aanhalingstekens in deze regel kloppen niet"})
				first += broken.StartLine
				break
			}
			if err != nil {
				return nil, gateway.Wrap(gateway.Invalid, err, "het bestand kan niet als CSV worden gelezen")
			}
			line, _ := r.FieldPos(0)
			width := len(record)
			record = trimRow(record)
			cells += len(record)
			if len(rows) >= maxRows || cells > maxCells {
				return nil, gateway.Errorf(gateway.Limit, "het bestand heeft te veel regels of cellen")
			}
			rows = append(rows, Row{Line: first + line, Cells: record, Width: width})
		}
	}
	return rows, nil
}

// trimRow drops empty cells at the end, which programs add as they please.
func trimRow(cells []string) []string {
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// lineReader reads lines one after another without joining them again.
type lineReader struct {
	lines []string
	rest  string
}

func (l *lineReader) Read(p []byte) (int, error) {
	for l.rest == "" {
		if len(l.lines) == 0 {
			return 0, io.EOF
		}
		l.rest, l.lines = l.lines[0], l.lines[1:]
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
