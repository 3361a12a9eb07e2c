package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// encryptTo is the key to which the peer has messages about persons encrypted
// now; false if the register has none that is good.
func (w *worker) encryptTo() (gateway.Key, bool) {
	party, ok := w.party(w.e.Rules())
	if !ok || party.Encryption == nil || party.Encryption.Compromised {
		return gateway.Key{}, false
	}
	return *party.Encryption, true
}

// sealed is a message as it is sent, with the digest of what was signed. One of a
// sequence and an id is the same bytes whenever it is sent.
type sealed struct{ id, token, digest string }

// seal signs each message over the bytes that are sent, encrypts those about
// persons to the peer's present key, and gives the digests by which the receipts
// must name them: those of what was signed.
func (w *worker) seal(due []store.Outgoing) (batch gateway.Batch, digests []string, err error) {
	incarnation := w.e.Store.Incarnation()
	to, _ := w.encryptTo()
	batch.Messages, digests = make([]string, len(due)), make([]string, len(due))
	failed := make([]error, len(due))
	each(len(due), func(i int) {
		o, parent := &due[i], ""
		if known := w.ahead[o.Sequence]; known.id == o.ID {
			batch.Messages[i], digests[i] = known.token, known.digest
			return
		}
		if o.Traced {
			parent = w.e.Trace.Parent(o.ID)
		}
		m := gateway.Message{
			ID: o.ID, Source: w.e.Self, Kind: o.Kind, Time: o.Time, Recipient: w.peer, Expires: o.Expires,
			Subject: o.Subject, Sequence: o.Sequence, Incarnation: incarnation, Principal: o.Principal,
			TraceParent: parent, Data: o.Data, Nonce: o.Nonce,
		}
		payload := m.Encode()
		digests[i] = gateway.Hash(payload)
		batch.Messages[i], failed[i] = seal.Sign(w.e.Key, seal.Message, payload)
		if gateway.Confidential(o.Kind) && failed[i] == nil {
			batch.Messages[i], failed[i] = w.e.keys.Encrypt(to, m, batch.Messages[i])
		}
	})
	if err := errors.Join(failed...); err != nil {
		return gateway.Batch{}, nil, fmt.Errorf("sign messages: %w", err)
	}
	return batch, digests, nil
}

// signNext signs what will probably be the next batch while one is under way, so
// that this node signs while the peer verifies. Nothing is decided by it: the next
// turn takes of it what is then to be sent. A batch that was not full took all
// there was.
func (w *worker) signNext(ctx context.Context, now time.Time, underWay []store.Outgoing) map[uint64]sealed {
	if len(underWay) < gateway.MaxBatch {
		return nil
	}
	next, err := w.read(ctx, now, underWay)
	if err != nil {
		return nil
	}
	batch, digests, err := w.seal(next)
	if err != nil {
		return nil
	}
	ahead := make(map[uint64]sealed, len(digests))
	for i, o := range next {
		if !gateway.Confidential(o.Kind) { // those are encrypted to the key of the moment
			ahead[o.Sequence] = sealed{o.ID, batch.Messages[i], digests[i]}
		}
	}
	return ahead
}

// unopened tells whether an item is what a peer says of a message that it could
// not decrypt: it cannot name it.
func unopened(o store.Outgoing, item gateway.ReceiptItem) bool {
	return gateway.Confidential(o.Kind) && item.ID == "" && item.Digest == "" && item.Outcome != gateway.Received && item.Outcome != gateway.Superseded
}

// send gives the receipts of a batch if they can be believed.
func (w *worker) send(ctx context.Context, party gateway.Party, batch gateway.Batch, due []store.Outgoing, digests []string) (gateway.Receipts, error) {
	request, cancel := context.WithTimeout(ctx, w.e.Timeout)
	defer cancel()
	dialled := time.Now()
	receipts, err := w.e.Sender.Send(request, party, batch)
	w.e.Sent(time.Since(dialled), err)
	if err != nil {
		return receipts, err
	}
	return receipts, w.e.verifyReceipts(party, receipts, due, digests)
}

// verifyReceipts believes an answer only as a whole: signed by the peer, for
// us, over as many items as were sent, each about the message in its place.
func (e *Exchange) verifyReceipts(party gateway.Party, r gateway.Receipts, due []store.Outgoing, digests []string) error {
	signed, _, err := e.keys.Open(r.Head, seal.Receipt, e.keyOf(e.Rules(), e.now(), party.OIN))
	if err != nil {
		return fmt.Errorf("open receipt: %w", err)
	}
	if violations, err := e.Schema.Validate("receipt-head", signed); err != nil || len(violations) > 0 {
		return gateway.Wrap(gateway.Invalid, err, "the receipt is malformed")
	}
	var head gateway.ReceiptHead
	if err := json.Unmarshal(signed, &head); err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the receipt is malformed")
	}
	switch {
	case head.Issuer != party.OIN || head.Audience != e.Self:
		return gateway.Errorf(gateway.Invalid, "the receipt is between other parties")
	case head.Size != len(due) || len(r.Items) != len(due):
		return gateway.Errorf(gateway.Invalid, "the receipt is for another number of messages")
	case head.Root != rootOf(r.Items):
		return gateway.Errorf(gateway.Invalid, "the items do not belong to the signed receipt")
	}
	for i, item := range r.Items {
		if !item.WellFormed() {
			return gateway.Errorf(gateway.Invalid, "the receipt has an item that is not of this protocol")
		}
		known := (item.Digest == digests[i] || unopened(due[i], item)) && item.Sender == e.Self && item.Recipient == party.OIN
		unread := item.ID == "" && item.Outcome != gateway.Received && item.Outcome != gateway.Superseded
		if !known || (item.ID != due[i].ID && !unread) {
			return gateway.Errorf(gateway.Invalid, "the receipt is for a message that was not sent")
		}
	}
	return nil
}

// tell traces an attempt.
func (w *worker) tell(ctx context.Context, span trace.Span, due []store.Outgoing, receipts gateway.Receipts, err error) {
	span.Text("peer", string(w.peer))
	span.Count("messages", len(due))
	for i, o := range due {
		if !o.Traced {
			continue
		}
		outcome := "unknown"
		if err == nil {
			outcome = string(receipts.Items[i].Outcome)
		}
		w.e.Trace.Delivered(ctx, o.ID, outcome)
	}
}
