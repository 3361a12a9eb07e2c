package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// account is what both databases say, after the nodes have stopped.
type account struct {
	published    int // messages that the admin was told of
	delivered    int // distinct messages that the sender has a receipt for
	received     int // distinct messages that the receiver journaled
	lost         int // published and not received, or received in another state than published last
	duplicated   int // journaled as received more than once
	messageBytes int // of a payload, on average
}

// count opens the databases of nodes that have stopped, and compares every
// message and every offer.
func count(ctx context.Context, f *federation, published int, versions map[string]int) (a account, err error) {
	sender, err := store.Open(f.sender.database(), store.Options{})
	if err != nil {
		return a, fmt.Errorf("open the sender's database: %w", err)
	}
	defer func() { err = errors.Join(err, sender.Close()) }()
	receiver, err := store.Open(f.receiver.database(), store.Options{})
	if err != nil {
		return a, fmt.Errorf("open the receiver's database: %w", err)
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	delivered, err := messagesIn(ctx, sender, journal.KindDelivered)
	if err != nil {
		return a, err
	}
	received, err := messagesIn(ctx, receiver, journal.KindReceived)
	if err != nil {
		return a, err
	}
	a.published, a.delivered, a.received = published, len(delivered), len(received)
	a.lost = max(0, published-len(received))
	for id := range delivered {
		if received[id] == 0 {
			a.lost++
		}
	}
	for _, n := range received {
		a.duplicated += n - 1
	}
	stale, size, err := compareOffers(ctx, receiver, versions)
	a.lost, a.messageBytes = a.lost+stale, size
	return a, err
}

// messagesIn counts the entries of one kind by message.
func messagesIn(ctx context.Context, s *store.Store, kind string) (map[string]int, error) {
	const page = 10_000
	found := map[string]int{}
	for from := uint64(0); ; from += page {
		records, err := s.Journal(ctx, from, page)
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		for _, r := range records {
			if r.Kind == kind && r.Outcome == string(gateway.Received) {
				found[r.Message]++
			}
		}
		if len(records) < page {
			return found, nil
		}
	}
}

// compareOffers counts the offers whose last version did not arrive, and gives
// the mean size of a payload.
func compareOffers(ctx context.Context, s *store.Store, versions map[string]int) (stale, size int, err error) {
	held, err := s.ReceivedOffers(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read received offers: %w", err)
	}
	titles := map[string]string{}
	for _, o := range held {
		titles[o.Capacity.Offer] = o.Capacity.Title
		data, _ := o.Capacity.Encode()
		size += len(gateway.Message{
			ID: "01900000-0000-7000-8000-000000000000", Source: o.Sender, Kind: gateway.KindCapacity, Time: o.Received,
			Recipient: receiverOIN, Expires: o.Received, Subject: o.Subject, Sequence: o.Sequence, Incarnation: o.Incarnation, Data: data,
		}.Encode())
	}
	for id, version := range versions {
		if !strings.HasSuffix(titles[id], fmt.Sprint(" ", version)) {
			stale++
		}
	}
	return stale, size / max(1, len(held)), nil
}
