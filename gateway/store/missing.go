package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// missingMonths is how long it is kept how often a place was missing.
const missingMonths = 60

// MissingPlaces is how often in one month no place of a werksoort was found for
// somebody of a gemeente. Nothing else of those persons is kept.
type MissingPlaces struct {
	Month     string           `json:"month"` // 2026-11
	Gemeente  gateway.Gemeente `json:"gemeente"`
	Werksoort string           `json:"werksoort"`
	Count     int              `json:"count"`
}

func (m MissingPlaces) key() []byte {
	return []byte(m.Month + "/" + string(m.Gemeente) + "/" + m.Werksoort)
}

// monthOf is the month it is in the Netherlands at t.
func monthOf(t time.Time) string { return t.In(gateway.Amsterdam()).Format("2006-01") }

// CountMissing counts once for each werksoort, in the month of now.
func (s *Store) CountMissing(ctx context.Context, now time.Time, gemeente gateway.Gemeente, werksoorten []string, entry journal.Entry) error {
	return s.grow(ctx, now, func(t *txn) error {
		for _, werksoort := range werksoorten {
			row := MissingPlaces{Month: monthOf(t.now), Gemeente: gemeente, Werksoort: werksoort}
			if _, err := getJSON(t, table{name: tableMissing}, row.key(), &row); err != nil {
				return err
			}
			row.Count++
			t.put(table{name: tableMissing}, row.key(), encodeJSON(row))
		}
		return t.record(entry)
	})
}

// MissingPlaces lists what was counted from one month until another, both
// included, by month, gemeente and werksoort. "" is no bound.
func (s *Store) MissingPlaces(ctx context.Context, from, until string) (all []MissingPlaces, err error) {
	in := table{name: tableMissing}
	err = s.view(ctx, func(r reader) error {
		all = nil
		return r.ascend(in, []byte(from), func(_, value []byte) (bool, error) {
			var row MissingPlaces
			if err := readJSON(in, value, &row); err != nil {
				return false, err
			}
			if until != "" && row.Month > until {
				return false, nil
			}
			all = append(all, row)
			return true, nil
		})
	})
	return all, err
}
