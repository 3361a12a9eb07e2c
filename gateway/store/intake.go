package store

import (
	"encoding/binary"

	"github.com/doorstroom/doorstroom/gateway"
)

// Quota bounds what this node keeps of one sender, so that none fills the
// database for all. What shrinks the sender's part passes at the limit: a
// withdrawal, a smaller snapshot, a list that drops subjects. Of these, too, no
// more than Remembered once again is taken, so that the whole stays bounded.
type Quota struct {
	Subjects   int   // current snapshots; 0: twice gateway.MaxShown
	Bytes      int64 // of those snapshots; 0: 200 MB
	Remembered int   // messages whose answer is kept, and subjects that are gone; 0: 1,000,000
	Referrals  int   // referrals of the sender to this node that are not over; 0: 10,000
	Orphans    int   // referrals of which this node knows nothing but what the sender says; 0: 1,000
}

func (q Quota) withDefaults() Quota {
	if q.Subjects <= 0 {
		q.Subjects = 2 * gateway.MaxShown
	}
	if q.Bytes <= 0 {
		q.Bytes = 200e6
	}
	if q.Remembered <= 0 {
		q.Remembered = 1_000_000
	}
	if q.Referrals <= 0 {
		q.Referrals = 10_000
	}
	if q.Orphans <= 0 {
		q.Orphans = 1000
	}
	return q
}

// intake is how much this node keeps of one sender. A database from before there
// were quotas has none of a sender: it is counted when first needed.
type intake struct {
	subjects   int
	bytes      int64
	remembered int
}

func (i *intake) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(i.subjects))
	b = binary.AppendUvarint(b, uint64(i.bytes))
	return binary.AppendUvarint(b, uint64(i.remembered))
}

func decodeIntake(value []byte) (intake, error) {
	d := decoder{b: value}
	i := intake{subjects: int(d.uint()), bytes: int64(d.uint()), remembered: int(d.uint())}
	d.failed = d.failed || len(d.b) > 0
	return i, d.err(table{name: tableIntake})
}

// readIntake gives the counters of a sender; known is false where there are none
// yet.
func readIntake(r reader, sender gateway.OIN) (i intake, known bool, err error) {
	value, err := r.get(table{name: tableIntake}, []byte(sender))
	if err != nil || value == nil {
		return intake{}, false, err
	}
	i, err = decodeIntake(value)
	return i, err == nil, err
}

// countIntake counts the rows of a sender.
func countIntake(r reader, sender gateway.OIN) (i intake, err error) {
	err = r.ascend(table{tableInbox, sender}, nil, func(_, _ []byte) (bool, error) {
		i.remembered++
		return true, nil
	})
	if err != nil {
		return i, err
	}
	in := table{tableReceived, sender}
	err = r.ascend(in, nil, func(_, value []byte) (bool, error) {
		held, err := decodeSnapshot(in, value)
		i.add(held, 1)
		return true, err
	})
	return i, err
}

// add counts a row of the table of received snapshots, by 1 or -1.
func (i *intake) add(held snapshot, by int) {
	if held.gone() {
		i.remembered += by
		return
	}
	i.subjects += by
	i.bytes += int64(by) * int64(len(held.data))
}

// intake is the counters of a sender, to be read and changed; finish writes
// them. It must be asked before rows of the sender are changed.
func (t *txn) intake(sender gateway.OIN) (*intake, error) {
	if i := t.intakes[sender]; i != nil {
		return i, nil
	}
	i, known, err := readIntake(t, sender)
	if err == nil && !known {
		i, err = countIntake(t, sender)
	}
	if err != nil {
		return nil, err
	}
	t.intakes[sender] = &i
	if known {
		t.intakesBefore[sender] = i
	}
	return &i, nil
}

// forget takes a purged row out of the counters of its sender, if there are any.
func (t *txn) forget(in table) error {
	if in.name != tableInbox && in.name != tableReceived {
		return nil
	}
	if t.intakes[in.party] == nil {
		if _, known, err := readIntake(t, in.party); err != nil || !known {
			return err
		}
	}
	i, err := t.intake(in.party)
	if err == nil {
		i.remembered--
	}
	return err
}

// room tells whether a change may be made to what is kept of a sender that had
// before. While the database is tight, only what shrinks it may.
func (q Quota) room(before intake, c change, tight bool) bool {
	remembered := q.Remembered
	switch {
	case c.shrinks:
		remembered *= 2
	case tight:
		return false
	}
	after := before
	after.apply(c)
	return after.remembered <= remembered &&
		(after.subjects <= q.Subjects || after.subjects <= before.subjects) &&
		(after.bytes <= q.Bytes || after.bytes <= before.bytes)
}

// takes tells whether there is room for one more than so many referrals.
func (q Quota) takes(b burden, weight int) bool {
	if b.side == gateway.ProviderSide {
		return weight < q.Referrals
	}
	return weight < q.Orphans
}

// reached tells whether a sender's next message may have no room.
func (q Quota) reached(k Kept) bool {
	return k.Subjects >= q.Subjects || k.Bytes >= q.Bytes || k.Remembered >= q.Remembered || k.Referrals >= q.Referrals || k.Orphans >= q.Orphans
}

// apply counts a change, and the answer that is remembered of it.
func (i *intake) apply(c change) {
	i.remembered++
	for _, row := range c.rows {
		if row.before != nil {
			i.add(*row.before, -1)
		}
		i.add(row.after, 1)
	}
}
