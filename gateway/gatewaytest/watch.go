package gatewaytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Watch holds every message about capacity that a node sends from now on against
// the cell of the matrix that a privacy officer reads: of the policy and register
// in force there at that moment, for that recipient, and of the conditions of the
// offer as it is. What is outside fails the test. Nodes of a Federation are
// watched from the start, and no node can send unwatched.
func (n *Network) Watch(t testing.TB, oin gateway.OIN, e exchange.Options) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers[oin] = &watcher{t: t, e: e, cells: map[cellsOf]*audit.Cells{}}
}

// watcher watches one node.
type watcher struct {
	t testing.TB
	e exchange.Options

	mu    sync.Mutex
	cells map[cellsOf]*audit.Cells // guarded by mu
}

// cellsOf is what cells follow from.
type cellsOf struct {
	rules publication.Rules
	to    gateway.OIN
	day   gateway.Date
}

// batch looks at what is about to leave.
func (w *watcher) batch(to gateway.OIN, batch gateway.Batch) {
	for _, token := range batch.Messages {
		if strings.Count(token, ".") != 2 {
			continue // encrypted: not about capacity
		}
		if wrong := w.message(to, token); wrong != "" {
			w.t.Errorf("%s → %s sends outside its cell of the matrix: %s", w.e.Self, to, wrong)
		}
	}
}

func (w *watcher) message(to gateway.OIN, token string) (wrong string) {
	_, payload, err := seal.PeekUnverified(token)
	if err != nil {
		return err.Error()
	}
	m, err := gateway.DecodeMessage(payload)
	switch {
	case err != nil:
		return err.Error()
	case m.Recipient != to:
		return "a message for " + string(m.Recipient)
	case m.Kind == gateway.KindCapacityState:
		return strictly(m.Data, &gateway.CapacityState{})
	case m.Kind != gateway.KindCapacity:
		return ""
	}
	var c gateway.Capacity
	if wrong := strictly(m.Data, &c); wrong != "" {
		return wrong
	}
	now := w.e.Store.EffectiveTime(time.Now())
	wrong = w.snapshot(to, m, c, now)
	if before := now.Add(-time.Minute); wrong != "" && gateway.DateOf(before) != gateway.DateOf(now) {
		wrong = w.snapshot(to, m, c, before) // decided just before midnight
	}
	return wrong
}

// strictly decodes data in which there may be nothing that the type has not.
func strictly(data []byte, into any) string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err.Error()
	}
	return ""
}

// snapshot says what is wrong with a snapshot that is sent at a moment.
func (w *watcher) snapshot(to gateway.OIN, m gateway.Message, c gateway.Capacity, now time.Time) string {
	rules, day := w.e.Rules(), gateway.DateOf(now)
	party, ok := rules.Register.Party(to)
	if !ok {
		return "a party that is not in the register"
	}
	recipient := party.RecipientOn(day, gateway.KindCapacity, rules.Register.Party)
	cells, err := w.cellsFor(cellsOf{rules, to, day}, recipient)
	if err != nil {
		return err.Error()
	}
	if c.Withdrawn {
		return told(audit.Outside(c, nil))
	}
	o, ok, err := w.e.Store.OwnOffer(context.Background(), c.Offer)
	if err != nil {
		return err.Error()
	}
	wrong := []string{"an offer that is gone"}
	if ok {
		wrong = audit.Outside(c, cells.Of(&o.Offer, day))
		wrong = append(wrong, audit.OutsideOwn(c, &o.Offer, recipient)...)
	}
	if len(wrong) > 0 && w.overtaken(to, m) { // the offer changed while this was going: its conditions are not known any more
		wrong = audit.Outside(c, cells.Widest())
	}
	return told(wrong)
}

func told(wrong []string) string { return strings.Join(wrong, ", ") }

// overtaken tells whether something else about the subject was queued since.
func (w *watcher) overtaken(to gateway.OIN, m gateway.Message) bool {
	last, err := w.e.Store.Last(context.Background(), []gateway.OIN{to}, []string{m.Subject})
	if err != nil || last[0] == nil {
		w.t.Errorf("what was last queued for %s is unknown: %v", to, err)
		return false
	}
	return last[0][0].Hash != sha256.Sum256(m.Data)
}

func (w *watcher) cellsFor(key cellsOf, to gateway.Recipient) (*audit.Cells, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.cells[key]; known != nil {
		return known, nil
	}
	cells, err := audit.NewCells(key.rules.Policy, to, key.day)
	if err != nil {
		return nil, fmt.Errorf("list the cells of %s: %w", key.to, err)
	}
	w.cells[key] = cells
	return cells, nil
}
