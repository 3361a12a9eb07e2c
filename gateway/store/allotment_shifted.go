package store

import (
	"context"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

const tableShifted = "shifted" // own offer id → shiftedRow

// shiftedRow is what committed requests make of the allotments of an own offer, for
// as long as its export divides the places as it did then. An export that divides
// them otherwise is the admin's own word, and ends it. Whom the places hold is the
// export's to say in any case.
type shiftedRow struct {
	Base     string          `json:"base"`   // gateway.Division of the export
	Target   string          `json:"target"` // of what is in force
	Shifts   []gateway.Shift `json:"shifts"` // in the order in which they were committed
	Requests []string        `json:"requests"`
}

// reads tells what the row means for allotments that an export brings: with
// ShiftCommitted they are shifted, with ShiftAdopted or ShiftReplaced it is over.
func (row shiftedRow) reads(export []gateway.Allotment) gateway.AllotmentStatus {
	switch gateway.Division(export) {
	case row.Base:
		return gateway.ShiftCommitted
	case row.Target:
		return gateway.ShiftAdopted
	}
	return gateway.ShiftReplaced
}

func readShiftedRows(r reader) (map[string]shiftedRow, error) {
	rows := map[string]shiftedRow{}
	in := table{name: tableShifted}
	err := r.ascend(in, nil, func(key, value []byte) (bool, error) {
		var row shiftedRow
		err := readJSON(in, value, &row)
		rows[string(key)] = row
		return true, err
	})
	return rows, err
}

// Shifted gives offers as an import brings them with the allotments that committed
// requests gave them: what is compared, published and stored is this. Of those
// whose export divides the places otherwise by now it says how that ends what was
// shifted: pass it on with the publication.
func (s *Store) Shifted(ctx context.Context, offers []gateway.Offer) (_ []gateway.Offer, over map[string]gateway.AllotmentStatus, err error) {
	var rows map[string]shiftedRow
	err = s.view(ctx, func(r reader) error {
		rows, err = readShiftedRows(r)
		return err
	})
	if err != nil || len(rows) == 0 {
		return offers, nil, err
	}
	out := slices.Clone(offers)
	over = map[string]gateway.AllotmentStatus{}
	for i := range out {
		row, ok := rows[out[i].ID]
		if !ok {
			continue
		}
		if status := row.reads(out[i].Allotments); status != gateway.ShiftCommitted {
			over[out[i].ID] = status
			continue
		}
		out[i].Allotments = gateway.ShiftAllotments(out[i].Allotments, row.Shifts)
	}
	return out, over, nil
}

// layShift puts what a request shifts over what the export says.
func (t *txn) layShift(r gateway.AllotmentRequest, before, after gateway.Offer) error {
	in := table{name: tableShifted}
	var row shiftedRow
	ok, err := getJSON(t, in, []byte(r.Offer), &row)
	if err != nil {
		return err
	}
	if !ok {
		row.Base = gateway.Division(before.Allotments)
	}
	row.Target = gateway.Division(after.Allotments)
	row.Shifts, row.Requests = append(row.Shifts, r.Shifts...), append(row.Requests, r.ID)
	t.put(in, []byte(r.Offer), encodeJSON(row))
	value, err := t.get(table{name: tableOwn}, []byte(r.Offer))
	if err != nil {
		return err
	}
	own, err := decodeOwn([]byte(r.Offer), value)
	if err != nil {
		return err
	}
	own.Offer.Allotments, own.Changed = after.Allotments, t.now
	t.put(table{name: tableOwn}, []byte(r.Offer), encodeOwn(&own))
	t.delete(table{name: tableMeta}, keyPlanned()) // what others are shown was not decided since
	return nil
}

// shiftOwn gives the offers of a publication with their allotments as requests have
// shifted them, and ends what was shifted of those whose export says otherwise now.
// The offers of p stay as they are.
func (t *txn) shiftOwn(p *Publication) ([]OwnOffer, error) {
	rows, err := readShiftedRows(t)
	if err != nil || len(rows) == 0 {
		return p.Put, err
	}
	put := slices.Clone(p.Put)
	for i := range put {
		row, ok := rows[put[i].Offer.ID]
		if !ok {
			continue
		}
		switch row.reads(put[i].Offer.Allotments) {
		case gateway.ShiftCommitted:
			put[i].Offer.Allotments = gateway.ShiftAllotments(put[i].Offer.Allotments, row.Shifts)
		case gateway.ShiftReplaced:
			err = t.endShifted(put[i].Offer.ID, gateway.ShiftReplaced)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, id := range p.Delete {
		if err := t.endShifted(id, gateway.ShiftReplaced); err != nil {
			return nil, err
		}
	}
	for id, status := range p.ShiftsOver {
		if err := t.endShifted(id, status); err != nil {
			return nil, err
		}
	}
	return put, nil
}

// endShifted forgets what was shifted of an offer: its requests tell why.
func (t *txn) endShifted(offer string, status gateway.AllotmentStatus) error {
	in := table{name: tableShifted}
	var row shiftedRow
	ok, err := getJSON(t, in, []byte(offer), &row)
	if err != nil || !ok {
		return err
	}
	t.delete(in, []byte(offer))
	for _, id := range row.Requests {
		r, ok, err := t.knownShift(id)
		if err != nil {
			return err
		}
		if !ok || r.Status != gateway.ShiftCommitted {
			continue
		}
		r.Status = status
		if err := t.keepShift(&r, journal.Entry{Party: r.Asked}); err != nil {
			return err
		}
	}
	return nil
}
