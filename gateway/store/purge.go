package store

import (
	"context"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Purge forgets what no longer matters: the items of messages that expired
// gateway.DedupeMargin ago, events that were kept long enough, subjects that are gone as long, receipts and
// proposals older than 30 days, requests about allotments that ended 90 days ago, who broke the glass and why, a year after that was acknowledged,
// and counts of missing places of five years ago. It gives the number of rows, events apart. It reads beside other transactions
// and deletes a thousand rows in each of its own. While now lies more than
// gateway.ClockSkew behind the highest committed time it does nothing but give
// ErrClock.
func (s *Store) Purge(ctx context.Context, now time.Time) (n int, err error) {
	if by := s.EffectiveTime(now).Sub(now); by > gateway.ClockSkew {
		return 0, clockRanBack(by)
	}
	var tables []table
	err = s.view(ctx, func(r reader) error {
		tables, err = r.tables()
		return err
	})
	for _, in := range tables {
		if err != nil {
			break
		}
		var purged int
		if over := overBy(in, now); over != nil {
			purged, err = s.purgeTable(ctx, now, in, over)
		}
		n += purged
	}
	if err == nil {
		err = s.purgeEvents(ctx, now)
	}
	return n, err
}

// overBy gives the test by which rows of a table are purged; nil for those that
// stay.
func overBy(in table, now time.Time) func(key, value []byte) (bool, error) {
	switch in.name {
	case tableGone:
		return func(_, value []byte) (bool, error) {
			var sampling gateway.Sampling
			err := readJSON(in, value, &sampling)
			return now.After(sampling.NextSample()), err
		}
	case tableMissing:
		return func(key, _ []byte) (bool, error) {
			return string(key[:min(7, len(key))]) < monthOf(now.AddDate(0, -missingMonths, 0)), nil
		}
	case tableInbox:
		return func(_, value []byte) (bool, error) {
			i, err := decodeItem(in, value)
			return now.After(i.until), err
		}
	case tableReceived:
		return func(_, value []byte) (bool, error) {
			held, err := decodeSnapshot(in, value)
			return held.gone() && now.After(held.until), err
		}
	case tablePartyProposals:
		return func(_, value []byte) (bool, error) {
			var p PartyProposal
			err := readJSON(in, value, &p)
			return now.After(p.At.Add(proposalLife)), err
		}
	case tableShifts:
		return func(_, value []byte) (bool, error) {
			var r gateway.AllotmentRequest
			err := readJSON(in, value, &r)
			return shiftForgotten(r.Status, r.Ended, now), err
		}
	case tableShiftsHeard:
		return func(_, value []byte) (bool, error) {
			var h HeardShift
			err := readJSON(in, value, &h)
			ended := h.State.Ended
			if ended.IsZero() {
				ended = h.Request.Until
			}
			return shiftForgotten(h.State.Status, ended, now), err
		}
	case tableBreakGlassSaid:
		return func(_, value []byte) (bool, error) {
			var row said
			err := readJSON(in, value, &row)
			return !row.Until.IsZero() && now.After(row.Until), err
		}
	case tableReceipts:
		return func(key, _ []byte) (bool, error) {
			return sequenceOf(key[:min(8, len(key))]) < uint64(now.Add(-receiptLife).UnixNano()), nil
		}
	}
	return nil
}

// shiftForgotten tells whether a request about allotments is to be forgotten: not
// while what it changed is in force.
func shiftForgotten(status gateway.AllotmentStatus, ended, now time.Time) bool {
	return status != gateway.ShiftCommitted && !ended.IsZero() && now.After(ended.Add(shiftsKept))
}

// rowsPerRead bounds how long a purge keeps one transaction for reading open.
const rowsPerRead = 10 * rowsPerWrite

func (s *Store) purgeTable(ctx context.Context, now time.Time, in table, over func(key, value []byte) (bool, error)) (n int, err error) {
	from := []byte{}
	for from != nil {
		var found [][]byte
		err := s.view(ctx, func(r reader) error {
			start, rows := from, 0
			from, found = nil, nil
			return r.ascend(in, start, func(key, value []byte) (bool, error) {
				if rows++; rows > rowsPerRead || len(found) == rowsPerWrite {
					from = key
					return false, nil
				}
				ok, err := over(key, value)
				if ok {
					found = append(found, key)
				}
				return true, err
			})
		})
		if err != nil {
			return n, err
		}
		if len(found) == 0 {
			continue
		}
		if err := s.purgeRows(ctx, now, in, found, over); err != nil {
			return n, err
		}
		n += len(found)
	}
	return n, nil
}

func (s *Store) purgeRows(ctx context.Context, now time.Time, in table, keys [][]byte, over func(key, value []byte) (bool, error)) error {
	return s.update(ctx, now, func(t *txn) error {
		for _, key := range keys {
			value, err := t.get(in, key)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			if ok, err := over(key, value); err != nil {
				return err
			} else if ok {
				if err := t.forget(in); err != nil {
					return err
				}
				t.delete(in, key)
			}
		}
		return nil
	})
}
