package node_test

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway/node"
)

// Of little in use much garbage is left; of more than half the floor, Go's own
// rule is kept.
func TestGrowth(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		live uint64
		want int
	}{
		{0, 1600}, {1, 1600}, {2 * mb, 1600}, {8 * mb, 700}, {16 * mb, 300}, {32 * mb, 100}, {33 * mb, 100}, {64 * mb, 100}, {5000 * mb, 100},
	} {
		if got := node.Growth(test.live); got != test.want {
			t.Errorf("%d MB in use: got %d %%, want %d", test.live/mb, got, test.want)
		}
	}
}
