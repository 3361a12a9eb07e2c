package gatewaytest

import (
	"testing"
	"testing/synctest"
	"time"
)

// Bubble runs a test in virtual time, starting on a Monday morning in November
// 2026: the bubble's own start, in 2000, lies before most codes are valid.
func Bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
		time.Sleep(time.Until(start))
		test(t)
	})
}
