package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Check looks at everything that must hold between the rows of the database and
// gives, in plain words without values, what does not: checksums, queues and
// their counts, what was shown against what is under way, sequences, references
// to shared values, remembered messages, registers, and the journal's tree. None means the
// database is sound. It reads all of it; use it in tests, after a crash, and on
// command.
func (s *Store) Check(ctx context.Context) []string {
	c := checkup{vault: s.vault, refs: map[sharedKey]uint64{}, answered: map[gateway.OIN]int{}, confidential: map[gateway.OIN]int{}}
	err := s.view(ctx, func(r reader) error {
		c.r = r
		return c.all()
	})
	if err != nil {
		c.fail("reading stopped: %s", damage(err))
	}
	if _, err := s.VerifyJournal(ctx, nil); err != nil {
		c.fail("%s", damage(err))
	}
	return c.problems
}

// damage is what is wrong, without what to do about it: who asks for a check
// tells that.
func damage(err error) string {
	if e, ok := errors.AsType[*gateway.Error](err); ok && e.Err != nil && errors.Is(err, ErrCorrupt) {
		return strings.TrimPrefix(e.Err.Error(), ErrCorrupt.Error()+": ")
	}
	return err.Error()
}

type checkup struct {
	r     reader
	vault Vault
	// confidential counts the messages about persons that wait.
	confidential map[gateway.OIN]int
	highest      time.Time
	refs         map[sharedKey]uint64 // as counted
	answered     map[gateway.OIN]int  // answers, less the slots to which they belong
	problems     []string
}

func (c *checkup) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checkup) all() error {
	highest, err := getUint(c.r, keyHighest())
	if err != nil {
		return err
	}
	c.highest = time.Unix(0, int64(highest))
	tables, err := c.r.tables()
	if err != nil {
		return err
	}
	for _, in := range tables {
		if err := c.table(in); err != nil {
			c.fail("table %s %s: %s", in.name, in.party, damage(err))
		}
	}
	for party, n := range c.answered {
		if n != 0 {
			c.fail("party %s: the answers of messages that were confirmed are %d more than the slots that lack one", party, n)
		}
	}
	if err := eachPeer(c.r, c.peer); err != nil {
		return err
	}
	if err := c.intakes(); err != nil {
		return err
	}
	if err := c.registers(); err != nil {
		return err
	}
	if err := c.events(); err != nil {
		return err
	}
	if err := c.referrals(); err != nil {
		return err
	}
	return c.shared()
}

// table reads every row, which compares its checksum, and looks at those that
// stand alone.
func (c *checkup) table(in table) error {
	return c.r.ascend(in, nil, func(key, value []byte) (bool, error) {
		switch in.name {
		case tableOut, tableHeld:
			return true, c.block(in, key, value)
		case tableConfirmed:
			return true, c.answers(in, key, value)
		case tableShown:
			return true, c.slots(in, key, value)
		case tableLatest:
			sl, err := decodeSlot(in, value)
			if err != nil {
				return true, err
			}
			return true, c.slot(in, string(key), &sl)
		case tableInbox:
			i, err := decodeItem(in, value)
			if err == nil && (i.outcome == gateway.RetryLater || i.outcome == gateway.Unsupported) {
				c.fail("party %s: a message that must come again is remembered as answered", in.party)
			}
			if err == nil && i.received.After(c.highest) {
				c.fail("party %s: a message was received after the last transaction", in.party)
			}
			return true, err
		case tableReceived:
			held, err := decodeSnapshot(in, value)
			if err == nil && held.gone() && held.until.IsZero() {
				c.fail("party %s: a subject that is gone is remembered for ever", in.party)
			}
			return true, err
		}
		return true, nil
	})
}

// registers checks that the newest register that is kept is the one in force.
func (c *checkup) registers() error {
	inForce, err := getUint(c.r, keyRegisterVersion())
	if err != nil {
		return err
	}
	var newest uint64
	err = c.r.ascend(table{name: tableRegisters}, nil, func(key, _ []byte) (bool, error) {
		newest = sequenceOf(key)
		return true, nil
	})
	if err == nil && newest != inForce {
		c.fail("register version %d is in force and version %d is the newest that is kept", inForce, newest)
	}
	return err
}

// block checks the messages of one row of a queue, which is empty only when it
// is not there.
func (c *checkup) block(in table, key, value []byte) error {
	all, err := messageCodec().decodeBlock(in, key, value, nil)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		c.fail("party %s: table %s has a row without messages", in.party, in.name)
	}
	for i := range all {
		found, ok, err := messageCodec().find(c.r, in, all[i].key)
		if err != nil {
			return err
		}
		if !ok || found.id != all[i].entry.id {
			c.fail("party %s: message %d is not found where it is looked for", in.party, all[i].key)
		}
		if err := c.entry(in, all[i].key, &all[i].entry); err != nil {
			return err
		}
	}
	return nil
}

// answers checks one row of answers, each of which belongs to the last message of
// some slot.
func (c *checkup) answers(in table, key, value []byte) error {
	all, err := answerCodec().decodeBlock(in, key, value, nil)
	if err == nil && len(all) == 0 {
		c.fail("party %s: table %s has a row without answers", in.party, in.name)
	}
	for i := range all {
		_, waits, err := findUnderWay(c.r, in.party, all[i].key)
		if err != nil {
			return err
		}
		if waits {
			c.fail("party %s: message %d is under way and was confirmed", in.party, all[i].key)
		}
	}
	c.answered[in.party] += len(all)
	return err
}

// entry checks one message under way against its slot.
func (c *checkup) entry(in table, sequence uint64, e *entry) error {
	c.refs[e.content]++
	c.refs[e.terms]++
	if e.state.Final() || (e.state == gateway.Held) != (in.name == tableHeld) {
		c.fail("party %s: message %d is %s in table %s", in.party, sequence, e.state, in.name)
	}
	if e.time.After(c.highest) {
		c.fail("party %s: message %d was queued after the last transaction", in.party, sequence)
	}
	common, err := readTerms(c.r, e.terms)
	if err != nil {
		return err
	}
	if e.confidential {
		c.confidential[in.party]++
	}
	if e.confidential != gateway.Confidential(common.Kind) {
		c.fail("party %s: message %d does not say whether it is about a person", in.party, sequence)
	}
	at, key := slotOf(in.party, common.Kind, e.subject)
	sl, ok, err := readSlot(c.r, at, key)
	if err != nil {
		return err
	}
	if !ok {
		c.fail("party %s: message %d has no slot", in.party, sequence)
		return nil
	}
	if err == nil && (!sl.underWay() || sl.last != sequence) {
		c.fail("party %s: message %d is unknown to its slot", in.party, sequence)
	}
	return err
}

// slots checks the slots of one row.
func (c *checkup) slots(in table, key, value []byte) error {
	all, err := slotCodec().decodeBlock(in, key, value, nil)
	if err == nil && len(all) == 0 {
		c.fail("party %s: table %s has a row without slots", in.party, in.name)
	}
	for i := range all {
		found, ok, err := slotCodec().find(c.r, in, all[i].key)
		if err != nil {
			return err
		}
		if !ok || found.last != all[i].entry.last {
			c.fail("party %s: the slot of message %d is not found where it is looked for", in.party, all[i].entry.last)
		}
		if err := c.slot(in, all[i].key, &all[i].entry); err != nil {
			return err
		}
	}
	return err
}

// slot checks what a subject says of the message under way.
func (c *checkup) slot(in table, key string, sl *slot) error {
	c.refs[sl.terms]++
	if sl.last == 0 || sl.delivered > sl.last {
		c.fail("party %s: the sequences of a subject are out of order", in.party)
	}
	if !sl.underWay() {
		return nil
	}
	if err := readAnswer(c.r, in.party, sl); err != nil {
		return err
	}
	if !sl.underWay() {
		c.answered[in.party]--
		if in.name != tableShown || sl.withdrawal {
			c.fail("party %s: message %d was confirmed and is no snapshot", in.party, sl.last)
		}
		return nil
	}
	e, ok, err := findUnderWay(c.r, in.party, sl.last)
	if err != nil {
		return err
	}
	if !ok {
		c.fail("party %s: message %d is in its slot but not under way", in.party, sl.last)
	} else if in.name == tableShown && e.subject != key {
		c.fail("party %s: message %d is in the slot of another subject", in.party, sl.last)
	}
	return nil
}

// peer checks the counters of one party.
func (c *checkup) peer(oin gateway.OIN, row peerRow) error {
	for name, want := range map[string]int{tableOut: row.Queued, tableHeld: row.Held} {
		got := 0
		err := eachMessage(c.r, table{name, oin}, func(sequence uint64, _ *entry) (bool, error) {
			got++
			if sequence > row.Sequence {
				c.fail("party %s: message %d comes after the last sequence %d", oin, sequence, row.Sequence)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		if got != want {
			c.fail("party %s: table %s has %d messages and the count says %d", oin, name, got, want)
		}
	}
	if got := c.confidential[oin]; got != row.Confidential {
		c.fail("party %s: %d messages that wait are about persons and the count says %d", oin, got, row.Confidential)
	}
	return nil
}

// intakes counts what is kept of each sender.
func (c *checkup) intakes() error {
	return c.r.ascend(table{name: tableIntake}, nil, func(key, value []byte) (bool, error) {
		got, err := decodeIntake(value)
		if err != nil {
			return false, err
		}
		want, err := countIntake(c.r, gateway.OIN(key))
		if got != want {
			c.fail("party %s: %+v is kept and the count says %+v", key, want, got)
		}
		return true, err
	})
}

// shared compares the values that are stored once with those who refer to them.
func (c *checkup) shared() error {
	stored := map[sharedKey]bool{}
	err := c.r.ascend(table{name: tableShared}, nil, func(key, value []byte) (bool, error) {
		if len(key) != len(sharedKey{}) || !sharedKey(key).fits(sha256.Sum256(value)) {
			c.fail("a shared value is not what its hash says")
		}
		stored[sharedKey(key)] = true
		return true, nil
	})
	if err != nil {
		return err
	}
	err = c.r.ascend(table{name: tableRefs}, nil, func(key, value []byte) (bool, error) {
		n, _ := binary.Uvarint(value)
		at := sharedKey(key)
		if n != c.refs[at] || !stored[at] {
			c.fail("a shared value is there: %t, is referred to %d times, and the count says %d", stored[at], c.refs[at], n)
		}
		delete(c.refs, at)
		delete(stored, at)
		return true, nil
	})
	if len(c.refs) > 0 || len(stored) > 0 {
		c.fail("%d shared values are not counted and %d are referred to by nothing", len(c.refs), len(stored))
	}
	return err
}
