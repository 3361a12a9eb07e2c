package store

import (
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// scanRows is how many rows of one sender its lists of all subjects may make the
// writer read in a second, but for what one list reads. A second's worth takes
// about as long as a batch of messages; all that a sender may have here takes so
// long that others would notice, were it read again and again.
const scanRows = 10_000

// scans tells who must wait before its next list is looked at. After a restart
// nobody must.
type scans struct {
	mu    sync.Mutex
	until map[gateway.OIN]time.Time // guarded by mu
}

func (s *scans) wait(sender gateway.OIN, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[sender])
}

// read notes that so many rows of a sender were read.
func (s *scans) read(sender gateway.OIN, rows int, now time.Time) {
	pause := time.Duration(rows/scanRows) * time.Second
	if pause == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[gateway.OIN]time.Time{}
	}
	s.until[sender] = now.Add(pause)
}
