package node

import (
	"context"
	"errors"
	"time"

	"github.com/doorstroom/doorstroom/gateway/store"
)

// reduceJournal deletes the entries that are past their term.
func (n *Node) reduceJournal(ctx context.Context) {
	n.mu.Lock()
	term := n.config.Journal.Retention
	n.mu.Unlock()
	now := time.Now()
	did, err := n.Store.ReduceJournal(ctx, now, term.Before(now))
	if !errors.Is(err, store.ErrClock) { // which compareClock tells
		n.try("reduce the journal", err)
	}
	if did > 0 {
		n.log.Info("entries of the journal are past their term: only their hashes are kept", "entries", did)
	}
}
