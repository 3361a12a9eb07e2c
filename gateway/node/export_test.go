package node

import (
	"context"
	"time"
)

// Growth is how much the heap may grow, in percent of what is in use.
func Growth(live uint64) int { return growth(live) }

// MailSummary does once what a node does each minute.
func (n *Node) MailSummary(ctx context.Context, now time.Time) error { return n.mailSummary(ctx, now) }
