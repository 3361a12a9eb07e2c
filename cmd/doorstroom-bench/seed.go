package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	seedChunk = 1000 // offers, or entries, in one transaction
	bigQueue  = 10_000_000
	bigFile   = "200GB"
)

// seed queues n messages for a party, each of another offer, with the offers
// themselves and the journal entries that publishing them would have written.
// The first goes through a node that runs; the others are made after it, which
// the node finds right when it decides again at its next start.
func seed(ctx context.Context, f *federation, n int, to gateway.OIN, gemeente gateway.Gemeente) error {
	const first = "wacht-0000000"
	sender, _, err := start(ctx, f.sender)
	if err != nil {
		return err
	}
	_, err = sender.local.Publish(ctx, gateway.Import{Source: source, Offers: []gateway.Offer{newOffer(first, gemeente, 1)}}, false)
	if err = errors.Join(err, sender.stop()); err != nil {
		return fmt.Errorf("publish the first offer: %w", err)
	}
	own, err := identity.Load(f.sender.config.Keys)
	if err != nil {
		return err
	}
	validator, err := schema.New()
	if err != nil {
		return err
	}
	return withStore(f.sender, func(s *store.Store) error {
		now := time.Now()
		offer, ok, err := s.OwnOffer(ctx, first)
		if err != nil || !ok {
			return errors.Join(err, errors.New("the first offer is not there"))
		}
		due, err := s.Due(ctx, now, to, 1, gateway.MaxBody, nil)
		if err != nil || len(due) != 1 {
			return errors.Join(err, fmt.Errorf("%d messages wait after the first offer, want 1", len(due)))
		}
		publisher := publication.New(senderOIN, own.Node, s, validator, nil, nil)
		for from := 1; from < n; from += seedChunk {
			var p store.Publication
			for i := from; i < min(n, from+seedChunk); i++ {
				offer.Offer.ID = fmt.Sprintf("wacht-%07d", i)
				data := bytes.ReplaceAll(due[0].Data, []byte(first), []byte(offer.Offer.ID))
				p.Put = append(p.Put, offer)
				p.Sends = append(p.Sends, store.Send{
					Recipients: []gateway.OIN{to}, Kind: gateway.KindCapacity, Subject: publisher.Subject(offer.Offer.ID),
					Data: data, Hash: gateway.Hash(data), Basis: due[0].Basis,
				})
				p.Journal = append(p.Journal, journal.Entry{
					Time: now, Kind: journal.KindPublish, Count: 1, Recipients: string(to), Rules: due[0].Basis.Rules,
					Policy: due[0].Basis.Policy, Register: due[0].Basis.Register, Digest: gateway.Hash(data)[:32],
				})
			}
			if err := s.Publish(ctx, now, p); err != nil {
				return fmt.Errorf("queue messages: %w", err)
			}
		}
		return nil
	})
}

// withStore does something with the database of a node that does not run.
func withStore(m *member, do func(*store.Store) error) error {
	s, err := store.Open(m.database(), store.Options{MaxQueue: bigQueue})
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return errors.Join(do(s), s.Close())
}

// settle takes n messages through the sender's store as the exchange does, in
// batches of size, without sending them. It gives how many it found.
func settle(ctx context.Context, s *store.Store, to gateway.OIN, n, size int) (done int, err error) {
	for done < n {
		now := time.Now()
		due, err := s.Due(ctx, now, to, min(size, n-done), gateway.MaxBody/2, nil)
		if err != nil || len(due) == 0 {
			return done, err
		}
		sequences := make([]uint64, len(due))
		settlements := make([]store.Settlement, len(due))
		entries := make([]journal.Entry, len(due))
		for i, o := range due {
			digest := gateway.Hash(o.Data)
			sequences[i] = o.Sequence
			settlements[i] = store.Settlement{Sequence: o.Sequence, Digest: digest, Event: gateway.EventReceived, Item: gateway.ReceiptItem{
				Sender: senderOIN, Recipient: to, ID: o.ID, Digest: digest, Outcome: gateway.Received, Received: now.UTC().Truncate(time.Second),
			}}
			entries[i] = journal.Entry{
				Time: now, Kind: journal.KindDelivered, Party: to, Message: o.ID, Outcome: string(gateway.Received),
				Rules: o.Basis.Rules, Policy: o.Basis.Policy, Register: o.Basis.Register,
			}
		}
		if err := s.BeginAttempt(ctx, now, to, sequences, now.Add(time.Minute)); err != nil {
			return done, err
		}
		if err := s.Settle(ctx, now, to, settlements, "head", now, entries); err != nil {
			return done, err
		}
		done += len(due)
	}
	return done, nil
}
