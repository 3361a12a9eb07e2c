package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// peerRow is what is kept of the exchange with one party.
type peerRow struct {
	Sequence uint64 `json:"sequence"` // last given out
	Queued   int    `json:"queued"`   // queued or being attempted
	Held     int    `json:"held"`

	Confidential int `json:"confidential,omitempty"` // of these, messages about persons

	LastContact time.Time `json:"lastContact,omitzero"`
	LastAttempt time.Time `json:"lastAttempt,omitzero"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	Failures    int       `json:"failures,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Owed        bool      `json:"owed,omitempty"`      // the present state must be sent again
	Referrals   bool      `json:"referrals,omitempty"` // must be gone through again with it
	Untold      bool      `json:"untold,omitempty"`    // rules kept states from it: once these change, the same
	Reconciled  time.Time `json:"reconciled,omitzero"` // when they last were

	Later gateway.Reason `json:"later,omitempty"` // of the last message that it takes only later
}

type helloRow struct {
	Hello gateway.Hello `json:"hello"`
	At    time.Time     `json:"at"`
}

func readPeer(r reader, oin gateway.OIN) (row peerRow, err error) {
	if oin == "" {
		return row, gateway.Errorf(gateway.Internal, "a peer without OIN")
	}
	_, err = getJSON(r, table{name: tablePeers}, []byte(oin), &row)
	return row, err
}

func eachPeer(r reader, visit func(gateway.OIN, peerRow) error) error {
	in := table{name: tablePeers}
	return r.ascend(in, nil, func(key, value []byte) (bool, error) {
		var row peerRow
		if err := readJSON(in, value, &row); err != nil {
			return false, err
		}
		return true, visit(gateway.OIN(key), row)
	})
}

func (s *Store) peersWith(ctx context.Context, match func(peerRow) bool) (peers []gateway.OIN, err error) {
	err = s.view(ctx, func(r reader) error {
		peers = nil
		return eachPeer(r, func(oin gateway.OIN, row peerRow) error {
			if match(row) {
				peers = append(peers, oin)
			}
			return nil
		})
	})
	return peers, err
}

// Peers gives the status of every party there was ever something to send to or
// to receive from, by OIN.
func (s *Store) Peers(ctx context.Context) (all []PeerStatus, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		return eachPeer(r, func(oin gateway.OIN, row peerRow) error {
			status, err := s.readStatus(r, oin, row)
			all = append(all, status)
			return err
		})
	})
	return all, err
}

// Peer gives the status of one party; that of a party never met is empty but
// for its OIN.
func (s *Store) Peer(ctx context.Context, peer gateway.OIN) (status PeerStatus, err error) {
	err = s.view(ctx, func(r reader) error {
		row, err := readPeer(r, peer)
		if err != nil {
			return err
		}
		status, err = s.readStatus(r, peer, row)
		return err
	})
	return status, err
}

func (s *Store) readStatus(r reader, peer gateway.OIN, row peerRow) (PeerStatus, error) {
	status := PeerStatus{
		OIN: peer, LastContact: row.LastContact, LastAttempt: row.LastAttempt, NextAttempt: row.NextAttempt,
		Failures: row.Failures, Reason: row.Reason, Queued: row.Queued, Held: row.Held, Confidential: row.Confidential, Later: row.Later,
	}
	for _, in := range []table{{tableOut, peer}, {tableHeld, peer}} {
		err := eachMessage(r, in, func(_ uint64, e *entry) (bool, error) {
			if status.Oldest.IsZero() || e.time.Before(status.Oldest) {
				status.Oldest = e.time
			}
			return false, nil
		})
		if err != nil {
			return PeerStatus{}, err
		}
	}
	kept, _, err := readIntake(r, peer)
	if err != nil {
		return PeerStatus{}, err
	}
	status.Kept = Kept{
		Subjects: kept.subjects, Bytes: kept.bytes, Remembered: kept.remembered,
		Referrals: s.referrals.weight(burden{gateway.ProviderSide, peer}), Orphans: s.referrals.weight(burden{gateway.ReferrerSide, peer}),
	}
	status.Kept.Full = s.quota.reached(status.Kept)
	hello, err := s.hellos.read(r, peer)
	if hello != nil {
		status.Hello, status.HelloAt = &hello.Hello, hello.At
	}
	return status, err
}

// hellos are those of peers as they were last decoded: they are read often and
// change rarely. What is kept counts only for the bytes that it was decoded from,
// so it is never older than the database is. Safe for concurrent use.
type hellos struct {
	mu  sync.Mutex
	all map[gateway.OIN]decodedHello // guarded by mu
}

type decodedHello struct {
	from []byte
	row  *helloRow // is read by all and changed by nobody
}

// read gives the last hello of a peer, which must not be changed; nil if there was
// none.
func (h *hellos) read(r reader, peer gateway.OIN) (*helloRow, error) {
	value, err := r.get(table{name: tableHello}, []byte(peer))
	if err != nil || value == nil {
		return nil, err
	}
	return h.decode(peer, value)
}

func (h *hellos) decode(peer gateway.OIN, value []byte) (*helloRow, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, ok := h.all[peer]; ok && bytes.Equal(known.from, value) {
		return known.row, nil
	}
	row := &helloRow{}
	if err := readJSON(table{name: tableHello}, value, row); err != nil {
		return nil, err
	}
	if h.all == nil {
		h.all = map[gateway.OIN]decodedHello{}
	}
	h.all[peer] = decodedHello{from: bytes.Clone(value), row: row}
	return row, nil
}

// EachHello visits the last hello of every peer that said one, by OIN; it is lent,
// and must not be changed.
func (s *Store) EachHello(ctx context.Context, visit func(gateway.OIN, *gateway.Hello)) error {
	return s.view(ctx, func(r reader) error {
		return r.ascend(table{name: tableHello}, nil, func(key, value []byte) (bool, error) {
			row, err := s.hellos.decode(gateway.OIN(key), value)
			if err == nil {
				visit(gateway.OIN(key), &row.Hello)
			}
			return true, err
		})
	})
}

// contactEvery is how precisely the last contact is kept when nothing else is
// to be written.
const contactEvery = time.Minute

// Contact notes that a peer was in touch: if deliveries to it were failing they
// are tried again at once. It costs no write if there is nothing to tell.
func (s *Store) Contact(ctx context.Context, now time.Time, peer gateway.OIN) error {
	stale := false
	err := s.view(ctx, func(r reader) error {
		row, err := readPeer(r, peer)
		stale = row.Failures > 0 || s.EffectiveTime(now).Sub(row.LastContact) > contactEvery
		return err
	})
	if err != nil || !stale {
		return err
	}
	return s.update(ctx, now, func(t *txn) error { return t.contact(peer) })
}

func (t *txn) contact(peer gateway.OIN) error {
	row, err := t.peer(peer)
	if err != nil {
		return err
	}
	if row.Failures > 0 {
		row.Failures, row.Reason, row.NextAttempt = 0, "", time.Time{}
	}
	row.LastContact = t.now
	return nil
}

// SaveHello keeps a peer's hello. changed tells whether it differs from the one
// before in what the peer understands: protocol, kinds, code lists, register or
// incarnation. It counts as contact. A peer that comes back as another
// incarnation was restored and may have lost anything: it is owed the present
// state. One that says that it has given back what it knows of referrals lets those
// go on that were put back from a backup.
func (s *Store) SaveHello(ctx context.Context, now time.Time, peer gateway.OIN, hello gateway.Hello) (changed bool, err error) {
	err = s.update(ctx, now, func(t *txn) error {
		var before helloRow
		known, err := getJSON(t, table{name: tableHello}, []byte(peer), &before)
		if err != nil {
			return err
		}
		changed = !known || !sameHello(before.Hello, hello)
		t.put(table{name: tableHello}, []byte(peer), encodeJSON(helloRow{Hello: hello, At: t.now}))
		if known && before.Hello.Incarnation != hello.Incarnation {
			if err := t.owe(peer); err != nil {
				return err
			}
			t.peers[peer].Referrals = true
		}
		if recovered, known := hello.Recovered(); known && recovered == s.Incarnation() {
			if err := t.confirmReferrals(s.referrals, peer); err != nil {
				return err
			}
		}
		return t.contact(peer)
	})
	return changed, err
}

// Owe notes that a peer must be sent the present state again, whatever it was
// shown before. A Publication that Repays it ends that.
func (s *Store) Owe(ctx context.Context, now time.Time, peer gateway.OIN) error {
	return s.update(ctx, now, func(t *txn) error { return t.owe(peer) })
}

// Owed tells whether a peer must be sent the present state again.
func (s *Store) Owed(ctx context.Context, peer gateway.OIN) (owed bool, err error) {
	err = s.view(ctx, func(r reader) error {
		row, err := readPeer(r, peer)
		owed = row.Owed
		return err
	})
	return owed, err
}

// OwedReferrals tells whether the referrals with a peer must be gone through again.
func (s *Store) OwedReferrals(ctx context.Context, peer gateway.OIN) (owed bool, err error) {
	err = s.view(ctx, func(r reader) error {
		row, err := readPeer(r, peer)
		owed = row.Referrals
		return err
	})
	return owed, err
}

func (t *txn) owe(peer gateway.OIN) error {
	row, err := t.peer(peer)
	if err == nil {
		row.Owed = true
	}
	return err
}

func sameHello(a, b gateway.Hello) bool {
	a.CodeLists, b.CodeLists = maps.Clone(a.CodeLists), maps.Clone(b.CodeLists)
	delete(a.CodeLists, gateway.HelloRecovered) // says nothing of what it understands
	delete(b.CodeLists, gateway.HelloRecovered)
	return slices.Equal(a.Protocol, b.Protocol) && slices.Equal(a.Kinds, b.Kinds) && maps.Equal(a.CodeLists, b.CodeLists) &&
		a.Register == b.Register && a.Incarnation == b.Incarnation
}

func sequenceOf(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}
