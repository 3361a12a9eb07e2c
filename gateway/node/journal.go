package node

import (
	"context"
	"time"
)

// keepJournal makes the index of the journal, apart from what appends to it.
func (n *Node) keepJournal(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		_, err := n.Store.IndexJournal(ctx, n.Store.EffectiveTime(time.Now()))
		if ctx.Err() == nil {
			n.try("index the journal", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
