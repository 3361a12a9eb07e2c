package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// OwnOffers gives all offers of this node's own party, by id.
func (s *Store) OwnOffers(ctx context.Context) ([]OwnOffer, error) {
	return allJSON[OwnOffer](ctx, s, table{name: tableOwn})
}

// OwnOffer gives one own offer; false if there is none.
func (s *Store) OwnOffer(ctx context.Context, id string) (o OwnOffer, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		ok, err = getJSON(r, table{name: tableOwn}, []byte(id), &o)
		return err
	})
	return o, ok, err
}

func keyPolicy() []byte { return []byte("policy") }

// Policy names the rules that the journal last accounted for, as the Publication
// did; "" before the first.
func (s *Store) Policy(ctx context.Context) (version string, err error) {
	err = s.view(ctx, func(r reader) error {
		value, err := r.get(table{name: tableMeta}, keyPolicy())
		version = string(value)
		return err
	})
	return version, err
}

// Publish stores a publication: the offers, what is queued for whom, what is no
// longer sent, and the journal entries. A message gets the next sequence of its
// recipient, a new UUIDv7, the effective time and gateway.Lifetime. It overtakes
// whatever of the same recipient and subject was under way, also what is being
// attempted, so that nothing from before is sent after Publish has returned;
// the receipt of an attempt that was in flight is then passed over. A withdrawal
// of what cannot have reached the recipient is not queued: it only ends what
// waits.
//
// It is refused with ErrQueueFull, unless Full is there to be told, if the
// snapshot of a subject that the recipient is not shown yet does not fit its
// queue, and with ErrFull. What replaces or withdraws always fits the queue.
func (s *Store) Publish(ctx context.Context, now time.Time, p Publication) error {
	write := s.grow
	if p.Correct || len(p.Put) == 0 && !slices.ContainsFunc(p.Sends, func(send Send) bool { return !narrows(send) }) {
		write = s.update // what shows less must also go when the database is nearly full
	}
	return write(ctx, now, func(t *txn) error {
		for _, o := range p.Put {
			t.put(table{name: tableOwn}, []byte(o.Offer.ID), encodeJSON(o))
		}
		for _, id := range p.Delete {
			if err := t.deleteOwn(id); err != nil {
				return err
			}
		}
		checked := map[string]sharedKey{}
		for _, send := range p.Sends {
			err := t.enqueue(send, checked, s.maxQueue)
			if errors.Is(err, ErrQueueFull) && p.Full != nil {
				p.Full(send.Recipient)
				continue
			}
			if err != nil {
				return err
			}
		}
		if p.Import != nil {
			t.put(table{name: tableImports}, []byte(p.Import.Source), encodeJSON(p.Import))
		}
		if p.Policy != "" {
			t.put(table{name: tableMeta}, keyPolicy(), []byte(p.Policy))
		}
		return t.record(p.Journal...)
	})
}

// deleteOwn takes an own offer away but keeps its sampling: an offer that comes
// back the next day must not be sampled anew because of that.
func (t *txn) deleteOwn(id string) error {
	var own OwnOffer
	ok, err := getJSON(t, table{name: tableOwn}, []byte(id), &own)
	if err != nil || !ok {
		return err
	}
	t.put(table{name: tableGone}, []byte(id), encodeJSON(own.Sampling))
	t.delete(table{name: tableOwn}, []byte(id))
	return nil
}

// GoneSampling is the sampling of an own offer that was deleted, until its next
// sample would have been due; the zero Sampling if there is none.
func (s *Store) GoneSampling(ctx context.Context, id string) (sampling gateway.Sampling, err error) {
	err = s.view(ctx, func(r reader) error {
		_, err := getJSON(r, table{name: tableGone}, []byte(id), &sampling)
		return err
	})
	return sampling, err
}

// narrows tells whether a message only takes away: it is never refused for lack
// of room.
func narrows(s Send) bool { return s.Withdrawal || s.Kind != gateway.KindCapacity }

// contentKey is where the data of a message is shared. checked remembers the
// hashes that were compared with their data, once per distinct content.
func contentKey(s Send, checked map[string]sharedKey) (sharedKey, error) {
	if key, ok := checked[s.Hash]; ok {
		return key, nil
	}
	sum := sha256.Sum256(s.Data)
	if hex.EncodeToString(sum[:]) != s.Hash {
		return sharedKey{}, gateway.Errorf(gateway.Internal, "the hash of a message is not that of its data")
	}
	key := sharedKey(sum[:16])
	checked[s.Hash] = key
	return key, nil
}

func (t *txn) enqueue(s Send, checked map[string]sharedKey, maxQueue int) error {
	content, err := contentKey(s, checked)
	if err != nil {
		return err
	}
	peer, err := t.peer(s.Recipient)
	if err != nil {
		return err
	}
	in, key := slotOf(s.Recipient, s.Kind, s.Subject)
	sl, err := t.slot(in, key)
	if err != nil {
		return err
	}
	if sl.underWay() {
		if err := t.end(s.Recipient, &sl, gateway.EventOvertake); err != nil {
			return err
		}
	}
	if s.Withdrawal && !sl.exposed && sl.delivered == 0 {
		return t.neverSeen(s, in, key, sl)
	}
	if peer.Queued+peer.Held >= maxQueue && !narrows(s) && sl.last == 0 { // what replaces takes no more room
		return gateway.Wrap(gateway.Limit, ErrQueueFull, fmt.Sprintf("the queue of party %s is full", s.Recipient))
	}
	common := encodeJSON(terms{Kind: s.Kind, Principal: s.Principal, Basis: s.Basis})
	sum := sha256.Sum256(common)
	under := sharedKey(sum[:16])
	at := t.now.Truncate(time.Second)
	e := entry{
		state: gateway.Queued, withdrawal: s.Withdrawal, id: newID(t.now), time: at, expires: at.Add(gateway.Lifetime),
		content: content, terms: under, subject: s.Subject,
	}
	if err := t.share(content, s.Data); err != nil {
		return err
	}
	for range 2 { // the entry's and the slot's
		if err := t.share(under, common); err != nil {
			return err
		}
	}
	if sl.last != 0 {
		t.release(sl.terms)
	}
	peer.Sequence++
	peer.Queued++
	t.put(table{tableOut, s.Recipient}, number(peer.Sequence), e.encode())
	sl.last, sl.state, sl.withdrawal, sl.terms, sl.id, sl.digest = peer.Sequence, "", s.Withdrawal, under, e.id, nil
	if _, err := hex.Decode(sl.hash[:], []byte(s.Hash)); err != nil {
		return gateway.Wrap(gateway.Internal, err, "the hash of a message cannot be read")
	}
	t.put(in, key, sl.encode())
	return nil
}

// neverSeen closes a subject whose withdrawal need not be sent, because nothing
// of it can have reached the recipient. Only the transaction knows: an attempt
// may have begun since the withdrawal was planned.
func (t *txn) neverSeen(s Send, in table, key []byte, sl slot) error {
	if sl.last == 0 {
		return nil
	}
	sl.state = gateway.Withdrawn
	if err := t.keepSlot(in, key, s.Kind, sl); err != nil {
		return err
	}
	return t.record(journal.Entry{
		Kind: journal.KindWithdrawn, Party: s.Recipient, Message: formatID(sl.id), Policy: s.Basis.Policy,
	})
}
