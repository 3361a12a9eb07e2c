// Package sheet reads an export of an admin, CSV or Excel, into rows of text.
// Use it through adapters.Read; it knows files, encodings and separators, and
// nothing of offers. Whatever it cannot read with certainty is an error or a
// broken row, never a guess: what is silently lost here would be withdrawn
// later.
package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	// MaxBytes is the default limit of a file.
	MaxBytes = 32 << 20

	maxRows    = 200_000
	maxColumns = 500
	maxCells   = 4 << 20
)

// Sheet is one table: a CSV file is one, a workbook has one or more.
type Sheet struct {
	Name   string // empty for CSV
	Hidden bool
	Excel  bool // numbers have a decimal point, dates are serial numbers
	Rows   []Row

	// Unfinished says that the last line of a CSV file does not end: the export
	// may have been cut off.
	Unfinished bool

	epoch1904 bool
}

// Row is one row as the admin's program counts it.
type Row struct {
	Line   int      // from 1; where the row begins
	Cells  []string // without empty ones at the end
	Width  int      // cells as written, with empty ones at the end
	Broken string   // Dutch: why the row could not be read; Cells is then empty
}

// Blank tells whether nothing is filled in.
func (r Row) Blank() bool { return r.Broken == "" && r.Filled() == 0 }

// Filled counts the cells that hold something.
func (r Row) Filled() int {
	n := 0
	for _, c := range r.Cells {
		if strings.TrimSpace(c) != "" {
			n++
		}
	}
	return n
}

var (
	zipMagic = []byte("PK\x03\x04")
	oleMagic = []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
)

// Open reads the file at path, of at most limit bytes (0: MaxBytes). What it is
// follows from its content, not from its name. Errors are Invalid or Limit, in
// Dutch; a file that is not there is NotFound.
func Open(path string, limit int64) ([]Sheet, error) {
	if limit <= 0 {
		limit = MaxBytes
	}
	b, err := readFile(path, limit)
	if err != nil {
		return nil, err
	}
	return Parse(b)
}

// Parse is Open for bytes that are already in memory.
func Parse(b []byte) ([]Sheet, error) {
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return nil, gateway.Errorf(gateway.Invalid, "het bestand is leeg")
	case bytes.HasPrefix(b, oleMagic):
		return nil, gateway.Errorf(gateway.Invalid,
			"dit is een oud Excel-bestand (.xls) of een bestand met een wachtwoord; sla het op als .xlsx zonder wachtwoord")
	case bytes.HasPrefix(b, zipMagic):
		return parseXLSX(b)
	}
	s, err := parseCSV(b)
	if err != nil {
		return nil, err
	}
	return []Sheet{s}, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, gateway.Wrap(gateway.NotFound, err, "het bestand is er niet")
	}
	if err != nil {
		return nil, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden geopend")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden gelezen")
	}
	if int64(len(b)) > limit {
		return nil, gateway.Errorf(gateway.Limit, "het bestand is groter dan %d bytes", limit)
	}
	return b, nil
}

// Complete tells whether the file at path ends as a finished export does: a CSV
// file in a newline, a workbook in a readable directory. An empty file is not
// complete. Whether the file still grows is for the caller to watch.
func Complete(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden geopend")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden gelezen")
	}
	size := info.Size()
	head := make([]byte, min(size, int64(len(oleMagic))))
	tail := make([]byte, min(size, 2))
	if _, err := f.ReadAt(head, 0); err != nil {
		return false, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden gelezen")
	}
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return false, gateway.Wrap(gateway.Unavailable, err, "het bestand kan niet worden gelezen")
	}
	switch {
	case bytes.HasPrefix(head, zipMagic):
		_, err := zip.NewReader(f, size)
		return err == nil, nil
	case bytes.HasPrefix(head, oleMagic):
		return true, nil // Open says why it cannot be read
	}
	return endsLine(head, tail), nil
}
