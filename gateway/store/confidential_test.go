package store_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// unsynced is a vault whose disk fails.
type unsynced struct {
	*keys
	fail bool
}

func (u *unsynced) Sync() error {
	if u.fail {
		return errors.New("no room for keys")
	}
	return nil
}

// TestNothingIsKeptUnderKeysThatAreNotOnDisk: the transaction fails as a whole,
// and can be done again.
func TestNothingIsKeptUnderKeysThatAreNotOnDisk(t *testing.T) {
	r := newRegion(t)
	v := &unsynced{keys: r.referrer.keys}
	r.referrer.opt.Vault = v
	r.referrer.reopen(t)
	v.fail = true
	ask := func() error {
		_, err := r.referrer.AskNewReferral(ctx, r.now, self, store.NewReferral{Provider: peerA, Need: need(), Terms: terms()})
		return err
	}
	if err := ask(); err == nil {
		t.Fatal("got none, want an error")
	}
	if got := len(r.referrer.Referrals(nil)); got != 0 {
		t.Errorf("got %d referrals, want none", got)
	}
	r.referrer.reopen(t)
	r.referrer.sound(t)
	v.fail = false
	must(t, ask())
	if got := len(r.referrer.Referrals(nil)); got != 1 {
		t.Errorf("got %d referrals, want 1", got)
	}
}

// TestQueuedPersonsAreSealed: what waits about a person counts as such, has a
// nonce that stays the same, weighs what it is padded to, and stands nowhere in
// the file.
func TestQueuedPersonsAreSealed(t *testing.T) {
	r := newRegion(t)
	r.refer(t)
	first := due(t, r.referrer.testStore, r.now, peerA)
	if len(first) != 1 || first[0].Nonce == "" || !bytes.Contains(first[0].Data, []byte("werkt graag buiten")) {
		t.Fatalf("got %+v, want the request with a nonce", first)
	}
	r.referrer.reopen(t)
	if again := due(t, r.referrer.testStore, r.now, peerA); again[0].Nonce != first[0].Nonce || !bytes.Equal(again[0].Data, first[0].Data) {
		t.Error("the same message has another nonce, or other data")
	}
	if got := get(r.referrer.Peer(ctx, peerA))(t); got.Confidential != 1 {
		t.Errorf("got %d messages about persons, want 1", got.Confidential)
	}
	for range 3 {
		r.refer(t)
	}
	const two = 2 * (4096 + 2048)
	if got := len(get(r.referrer.Due(ctx, r.now, peerA, 100, two, nil))(t)); got != 2 {
		t.Errorf("got %d messages in %d bytes, want 2", got, two)
	}
	skipped := get(r.referrer.Due(ctx, r.now, peerA, 100, 1<<20, func(_ uint64, kind string, _ bool) bool { return gateway.Confidential(kind) }))(t)
	if len(skipped) != 0 {
		t.Errorf("got %d messages, want none", len(skipped))
	}
	must(t, r.referrer.Close())
	file, err := os.ReadFile(r.referrer.path)
	must(t, err)
	for _, text := range []string{"werkt graag buiten", "dossier 7", "Servicepunt"} {
		if bytes.Contains(file, []byte(text)) {
			t.Errorf("the database shows %q", text)
		}
	}
	r.referrer.reopen(t)
	r.referrer.sound(t)
}
