package exchange

import (
	"context"

	"github.com/doorstroom/doorstroom/gateway"
)

// Lanes is lanes for tests.
type Lanes struct{ l *lanes }

// NewLanes makes lanes with so many turns at the same time.
func NewLanes(turns int) Lanes { return Lanes{newLanes(turns)} }

// Enter is enter.
func (l Lanes) Enter(ctx context.Context, peer gateway.OIN) (func(), error) {
	return l.l.enter(ctx, peer)
}

// Compute is compute.
func (l Lanes) Compute(ctx context.Context) (func(), error) { return l.l.compute(ctx) }
