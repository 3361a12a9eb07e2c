package exchange_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// A party leaves the register while messages wait for it; meanwhile their offer
// is deleted and the policy narrowed. When the party is back, nothing of before
// is sent, and what it had is taken back.
func TestPartyThatLeavesAndReturns(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Publish(gt.Smile, gt.Offer("had"))
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("had"), gt.Offer("waits"))
		time.Sleep(time.Hour)
		crossedBefore := len(crossed(t, f, gt.Dordrecht))

		everyoneElse := []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Molenlanden, gt.GRS}
		dordrecht := f.Party(gt.Dordrecht)
		install := func(change func(*register.Document)) {
			next := f.NextRegister(change)
			for _, oin := range everyoneElse {
				if _, err := f.Node(oin).Desk.InstallRegister(context.Background(), gt.Everyone(), next); err != nil {
					t.Fatalf("install at %s: %v", oin, err)
				}
			}
		}
		install(func(d *register.Document) { *d = register.Remove(*d, gt.Dordrecht) })
		if err := f.SetPolicy(gt.Smile, hideContact()); err != nil {
			t.Fatal(err)
		}
		f.Publish(gt.Smile, gt.Offer("new"))
		install(func(d *register.Document) { *d = register.Add(*d, dordrecht) })
		f.Net.Mend(gt.Dordrecht)
		time.Sleep(24 * time.Hour)
		f.Settled(time.Hour)
		for _, m := range crossed(t, f, gt.Dordrecht)[crossedBefore:] {
			if bytes.Contains(m.Data, []byte("Fictieve")) {
				t.Errorf("crossed the wire under the old policy: %s", m.Data)
			}
		}
		got := f.Received(gt.Dordrecht, gt.Smile)
		if _, ok := got["new"]; !ok || len(got) != 1 {
			t.Errorf("got %s, want the new offer only", gt.Dump(got))
		}
		f.Converged()
	})
}

// A withdrawal expires because the peer was away too long: it is sent again when
// the peer is back, though the offer is long gone.
func TestExpiredWithdrawalIsSentAgain(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		f.Net.Cut(gt.Alblasserdam)
		f.Publish(gt.Smile, gt.Offer("een"))
		time.Sleep(16 * 24 * time.Hour)
		f.Net.Mend(gt.Alblasserdam)
		time.Sleep(24 * time.Hour)
		if got := f.Received(gt.Alblasserdam, gt.Smile); len(got) != 1 {
			t.Errorf("got %d offers, want 1", len(got))
		}
		f.Converged()
	})
}

// The policy is narrowed while a connection is being made: once Reload has
// returned, what was decided before does not leave any more.
func TestNarrowedWhileDialling(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Settled(time.Hour)
		f.Net.Break(gt.Fault{Dial: 20 * time.Second})
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(5 * time.Second)
		if err := f.SetPolicy(gt.Smile, hideContact()); err != nil {
			t.Fatal(err)
		}
		f.Settled(time.Hour)
		f.Converged()
		for _, oin := range []gateway.OIN{gt.Alblasserdam, gt.Dordrecht, gt.Molenlanden} {
			for _, m := range crossed(t, f, oin) {
				if bytes.Contains(m.Data, []byte("Fictieve")) {
					t.Errorf("%s: the contact crossed the wire after Reload had returned", oin)
				}
			}
			if len(f.Received(oin, gt.Smile)) != 1 {
				t.Errorf("%s: the narrowed offer did not arrive", oin)
			}
		}
	})
}

// A peer says "later" to everything: it is asked less and less often, and what
// it does take is not kept waiting.
func TestRetryLaterBacksOff(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		// Smile's clock was wrong for a while: its messages come from the future.
		future := time.Now().Add(48 * time.Hour)
		if err := f.Node(gt.Smile).Store.Append(context.Background(), future); err != nil {
			t.Fatal(err)
		}
		f.Publish(gt.Smile, gt.Offer("groen"))
		before := len(f.Net.Wire())
		time.Sleep(24 * time.Hour)
		if got := len(f.Net.Wire()) - before; got > 200 {
			t.Errorf("got %d batches in a day, want at most some hundred", got)
		}
		time.Sleep(26 * time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 1 {
			t.Errorf("got %d offers once the clocks agree, want 1", got)
		}
	})
}

// What a peer refused is sent again when its hello says that it knows more.
func TestRefusedIsReconsidered(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"))
		f.Settled(time.Hour)
		peer := &refuser{t: t, key: f.Key(gt.Alblasserdam), incarnation: f.Node(gt.Alblasserdam).Store.Incarnation()}
		f.Stop(gt.Alblasserdam)
		f.Net.Attach(gt.Alblasserdam, peer)
		time.Sleep(7 * time.Hour) // by then its hello has been heard
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(24 * time.Hour)
		if got := peer.refused.Load(); got != 1 {
			t.Errorf("sent %d times, want once: a refusal is for good", got)
		}
		peer.lists.Add(1)
		time.Sleep(24 * time.Hour)
		if got := peer.refused.Load(); got != 2 {
			t.Errorf("sent %d times after the peer's code lists changed, want twice", got)
		}
	})
}

// refuser is a peer that knows too few codes.
type refuser struct {
	t       *testing.T
	key     *seal.Key
	lists   atomic.Int32 // version of its code lists
	refused atomic.Int32

	incarnation uint64 // that of the node in whose place it stands
}

func (r *refuser) Accept(_ context.Context, from gateway.OIN, batch gateway.Batch) (gateway.Receipts, error) {
	var items []gateway.ReceiptItem
	var leaves [][]byte
	now := time.Now().UTC().Truncate(time.Second)
	for _, token := range batch.Messages {
		p := payload(r.t, token)
		m, err := gateway.DecodeMessage(p)
		if err != nil {
			return gateway.Receipts{}, err
		}
		if m.Kind == gateway.KindCapacity { // that its incarnation differs makes Smile send the list of its offers, too
			r.refused.Add(1)
		}
		items = append(items, gateway.ReceiptItem{
			Digest: gateway.Hash(p), ID: m.ID, Outcome: gateway.Refused, Reason: gateway.ReasonCode,
			Received: now, Recipient: gt.Alblasserdam, Sender: from,
		})
		leaves = append(leaves, items[len(items)-1].Encode())
	}
	root := journal.TreeRoot(leaves)
	head, err := json.Marshal(gateway.ReceiptHead{
		Issuer: gt.Alblasserdam, Audience: from, Size: len(items), Root: hex.EncodeToString(root[:]), Time: now,
	})
	if err != nil {
		return gateway.Receipts{}, err
	}
	token, err := seal.Sign(r.key, seal.Receipt, head)
	return gateway.Receipts{Head: token, Items: items}, err
}

func (r *refuser) Hello(_ context.Context, from gateway.OIN, _ string) (string, error) {
	hello, err := json.Marshal(gateway.Hello{
		Issuer: gt.Alblasserdam, Audience: from, Time: time.Now().UTC().Truncate(time.Second), Protocol: []int{1},
		Kinds: []string{"capacity"}, CodeLists: map[string]string{"werksoort": fmt.Sprint(r.lists.Load())}, Register: 1, Incarnation: r.incarnation,
		Holds: gateway.StateDigest{Digest: gateway.Hash(nil)},
	})
	if err != nil {
		return "", err
	}
	return seal.Sign(r.key, seal.Hello, hello)
}

func (r *refuser) RegisterFile(context.Context, uint64) ([]byte, error) {
	return nil, gateway.Errorf(gateway.NotFound, "none")
}

// A peer whose queue is full keeps nobody else from getting anything, and gets
// the rest when it is back.
func TestFullQueueIsItsOwnTrouble(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.SetConfig(gt.Smile, "queue-per-peer: 100000", "queue-per-peer: 100")
		f.Net.Cut(gt.Dordrecht)
		var offers []gateway.Offer
		for _, a := range "abcdefghijklmno" {
			for _, b := range "abcdefghij" {
				offers = append(offers, gt.Offer(string(a)+string(b)))
			}
		}
		f.Publish(gt.Smile, offers...)
		time.Sleep(time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 150 {
			t.Errorf("Alblasserdam got %d offers, want 150", got)
		}
		f.Net.Mend(gt.Dordrecht)
		time.Sleep(24 * time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 150 {
			t.Errorf("Dordrecht got %d offers after it came back, want 150", got)
		}
	})
}

// loseDatabase restarts a node with an empty one.
func loseDatabase(t *testing.T, f *gt.Federation, oin gateway.OIN) {
	t.Helper()
	f.Stop(oin)
	if err := os.Remove(filepath.Join(f.Dir(oin), "data", "node.db")); err != nil {
		t.Fatal(err)
	}
	f.Start(oin)
}

// A recipient loses its whole database: at the next hello the sender sees that
// it holds something else, and sends the present state again.
func TestRecipientThatLostItsDatabase(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		loseDatabase(t, f, gt.Dordrecht)
		time.Sleep(time.Hour)
		f.Settled(time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 2 {
			t.Errorf("got %d offers after the loss, want 2", got)
		}
		f.Converged()
	})
}

// A sender loses its whole database: what it publishes then replaces what the
// others still held of it, and what it no longer offers goes.
func TestSenderThatLostItsDatabase(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		loseDatabase(t, f, gt.Smile)
		o := gt.Offer("een")
		o.Title = "Na het verlies"
		f.Publish(gt.Smile, o)
		time.Sleep(13 * time.Hour)
		f.Settled(time.Hour)
		f.Converged()
		got := f.Received(gt.Dordrecht, gt.Smile)
		if len(got) != 1 || got["een"].Title != "Na het verlies" {
			t.Errorf("got %s, want the one offer that is there now", gt.Dump(got))
		}
	})
}

// A peer that says at every hello that it holds something else does not make a
// node send everything each time.
func TestFalseHelloDoesNotFlood(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		before := len(crossed(t, f, gt.Dordrecht))
		key := f.Key(gt.Dordrecht)
		for range 500 {
			b, err := json.Marshal(gateway.Hello{
				Issuer: gt.Dordrecht, Audience: gt.Smile, Time: time.Now().UTC().Truncate(time.Second), Protocol: []int{1},
				Kinds: []string{}, CodeLists: map[string]string{}, Register: 1, Incarnation: 1,
				Holds: gateway.StateDigest{Count: 7, Digest: gateway.Hash([]byte("anders"))},
			})
			if err != nil {
				t.Fatal(err)
			}
			token, err := seal.Sign(key, seal.Hello, b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Node(gt.Smile).Exchange.Hello(context.Background(), gt.Dordrecht, token); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		f.Settled(time.Hour)
		if got := len(crossed(t, f, gt.Dordrecht)) - before; got > 4 {
			t.Errorf("got %d messages sent again, want at most one round", got)
		}
		f.Converged()
	})
}

// A node is killed in the middle of an attempt, and its policy is narrowed before
// it starts again: what the attempt left is not sent a second time.
func TestPolicyNarrowedAfterACrashInAnAttempt(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		if err := f.SetPolicy(gt.Smile, showContact); err != nil {
			t.Fatal(err)
		}
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(time.Hour)
		f.Stop(gt.Smile)
		f.LeaveAttempting(gt.Smile, gt.Dordrecht)
		if err := os.WriteFile(filepath.Join(f.Dir(gt.Smile), "policy.yaml"),
			[]byte(hideContact()), 0o600); err != nil {
			t.Fatal(err)
		}
		f.Net.Mend(gt.Dordrecht)
		f.Start(gt.Smile)
		f.Settled(time.Hour)
		f.Converged()
		for _, m := range crossed(t, f, gt.Dordrecht) {
			if bytes.Contains(m.Data, []byte("Fictieve")) {
				t.Error("the contact crossed the wire")
			}
		}
		if got := f.Received(gt.Dordrecht, gt.Smile)["groen"].Title; got == "" {
			t.Error("the narrowed offer did not arrive")
		}
	})
}
