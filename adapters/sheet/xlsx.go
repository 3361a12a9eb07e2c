package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/doorstroom/doorstroom/gateway"
)

// maxUnzipped is the size of all parts of a workbook together; 20,000 rows of
// thirty columns take about 40 MB.
const maxUnzipped = 256 << 20

var errDamaged = errors.New("damaged workbook")

// parseXLSX reads every worksheet. Formulas give the value that the admin's
// program stored with them; they are not calculated.
func parseXLSX(b []byte) (sheets []Sheet, err error) {
	// Excelize can panic on a workbook that only looks like one, and a bad file
	// must not stop the node.
	defer func() {
		if r := recover(); r != nil {
			sheets, err = nil, damaged(fmt.Errorf("%w: %v", errDamaged, r))
		}
	}()
	if err := verifyParts(b); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(b), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipped,
	})
	if err != nil {
		return nil, damaged(err)
	}
	defer f.Close()
	props, err := f.GetWorkbookProps()
	if err != nil {
		return nil, damaged(err)
	}
	cells := 0
	for _, name := range f.GetSheetList() {
		visible, err := f.GetSheetVisible(name)
		if err != nil {
			return nil, damaged(err)
		}
		s := Sheet{Name: name, Hidden: !visible, Excel: true, epoch1904: props.Date1904 != nil && *props.Date1904}
		if s.Rows, err = readRows(f, name, &cells); err != nil {
			return nil, err
		}
		sheets = append(sheets, s)
	}
	return sheets, nil
}

func damaged(err error) error {
	return gateway.Wrap(gateway.Invalid, err, "het Excel-bestand is beschadigd of onvolledig; sla het opnieuw op als .xlsx")
}

// verifyParts reads every part of the workbook once. Excelize ignores checksums
// and stops without an error where XML is broken: rows would be missing and
// nobody would know. It also bounds what a zip bomb can do.
func verifyParts(b []byte) error {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return damaged(err)
	}
	left := uint64(maxUnzipped)
	workbook := false
	for _, part := range z.File {
		if part.UncompressedSize64 > left {
			return gateway.Errorf(gateway.Limit, "het Excel-bestand is uitgepakt te groot")
		}
		left -= part.UncompressedSize64
		if err := verifyPart(part); err != nil {
			return damaged(fmt.Errorf("%s: %w", part.Name, err))
		}
		workbook = workbook || strings.EqualFold(part.Name, "xl/workbook.xml")
	}
	if !workbook {
		return gateway.Errorf(gateway.Invalid, "dit is een zip-bestand, maar geen Excel-werkmap (.xlsx)")
	}
	return nil
}

func verifyPart(part *zip.File) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if name := strings.ToLower(part.Name); strings.HasPrefix(name, "xl/worksheets/") || name == "xl/sharedstrings.xml" {
		if err := verifyXML(r); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, r) // to the end: that is where the checksum is
	return err
}

// verifyXML reads XML to its end. Rows and cells must be in order: Excelize mixes
// those that are not.
func verifyXML(r io.Reader) error {
	d := xml.NewDecoder(r)
	row, column := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		at := ""
		for _, a := range start.Attr {
			if a.Name.Local == "r" {
				at = a.Value
			}
		}
		switch start.Name.Local {
		case "row":
			next := row + 1
			if at != "" {
				if next, err = strconv.Atoi(at); err != nil || next <= row {
					return fmt.Errorf("row %q after row %d: %w", at, row, errDamaged)
				}
			}
			row, column = next, 0
		case "c":
			next := column + 1
			if at != "" {
				if next, _, err = excelize.CellNameToCoordinates(at); err != nil || next <= column {
					return fmt.Errorf("cell %q after column %d: %w", at, column, errDamaged)
				}
			}
			column = next
		}
	}
}

func readRows(f *excelize.File, name string, cells *int) ([]Row, error) {
	raw, err := f.Rows(name)
	if err != nil {
		return nil, nil // a chart sheet has no rows
	}
	defer raw.Close()
	shown, err := f.Rows(name)
	if err != nil {
		return nil, damaged(err)
	}
	defer shown.Close()
	var rows []Row
	for line := 1; raw.Next() && shown.Next(); line++ {
		values, err := raw.Columns()
		if err != nil {
			return nil, damaged(err)
		}
		formatted, err := shown.Columns(excelize.Options{RawCellValue: false})
		if err != nil {
			return nil, damaged(err)
		}
		values = trimRow(values[:min(len(values), maxColumns)])
		if len(values) == 0 {
			continue
		}
		restoreZeros(values, formatted)
		*cells += len(values)
		if len(rows) >= maxRows || *cells > maxCells {
			return nil, gateway.Errorf(gateway.Limit, "het bestand heeft te veel regels of cellen")
		}
		rows = append(rows, Row{Line: line, Cells: values, Width: len(values)})
	}
	if err := raw.Error(); err != nil {
		return nil, damaged(err)
	}
	return rows, nil
}

// restoreZeros takes the shown form of a number that differs only in leading
// zeros: a reference 007 or a telephone number may be a number with a format.
func restoreZeros(values, shown []string) {
	for i, v := range values {
		if i < len(shown) && len(shown[i]) > len(v) && v != "" && strings.Trim(v, "0123456789") == "" &&
			strings.TrimLeft(shown[i], "0") == v {
			values[i] = shown[i]
		}
	}
}

// Time is the moment, in the Netherlands, that a serial number of this workbook
// means; false if it lies outside 1990–2199.
func (s Sheet) Time(serial float64) (time.Time, bool) {
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if s.epoch1904 {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !(serial >= 0 && serial < 200_000) {
		return time.Time{}, false
	}
	days := math.Floor(serial)
	seconds := time.Duration(math.Round((serial-days)*86400)) * time.Second
	t := epoch.AddDate(0, 0, int(days)).Add(seconds)
	local := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, gateway.Amsterdam())
	return local, local.Year() >= 1990 && local.Year() < 2200
}
