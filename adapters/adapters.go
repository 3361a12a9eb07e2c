// Package adapters turns the export of a leerwerkbedrijf's own admin into
// offers. Use Propose once to make a mapping from the headers of an export, and
// Read for every export after that. Everything wrong in a file is reported for
// an office worker: in Dutch, with line and column, without repeating what is
// in the cell.
package adapters

import (
	"context"
	"path/filepath"

	"github.com/doorstroom/doorstroom/adapters/sheet"
	"github.com/doorstroom/doorstroom/gateway"
)

// Options is what Read needs beside the file.
type Options struct {
	Mapping  Mapping
	Provider gateway.OIN       // of every offer in the file
	Lists    gateway.CodeLists // read only
	Day      gateway.Date      // on which codes and offers are checked
	Source   string            // becomes Import.Source; empty: the name of the file
	MaxBytes int64             // of the file; 0: sheet.MaxBytes
}

// Read makes an Import of the export at path, CSV or Excel by its content. An
// error, Invalid, NotFound or Limit with a Dutch message, means that the file
// as a whole cannot be used; what is wrong in a row is a problem of the import,
// whose offer is then left out.
//
// Import.Full is the mapping's, unless a row could not be tied to its offer:
// then nothing may be concluded from what is missing.
func Read(ctx context.Context, path string, opt Options) (gateway.Import, error) {
	if err := opt.Mapping.check(); err != nil {
		return gateway.Import{}, err
	}
	if err := ctx.Err(); err != nil {
		return gateway.Import{}, err
	}
	sheets, err := sheet.Open(path, opt.MaxBytes)
	if err != nil {
		return gateway.Import{}, err
	}
	t, err := findTable(sheets, opt.Mapping)
	if err != nil {
		return gateway.Import{}, err
	}
	if opt.Source == "" {
		opt.Source = filepath.Base(path)
	}
	im := newImporter(opt, t, filepath.Base(path))
	if err := im.collect(ctx); err != nil {
		return gateway.Import{}, err
	}
	return im.result(ctx)
}

// Complete tells whether the file at path ends as a finished export does. Use it
// before Read; whether the file still grows is for the caller to watch.
func Complete(path string) (bool, error) { return sheet.Complete(path) }
