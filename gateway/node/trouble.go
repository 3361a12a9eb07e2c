package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// troubles are what goes wrong in the background, by what was tried. What goes
// on failing is logged when it begins, when its reason changes, and when it is
// over: a full disk must not fill the log as well.
type troubles struct {
	mu   sync.Mutex
	last map[string]string // guarded by mu; reason, by what was tried
}

// report is called after every try, also a good one.
func (t *troubles) report(log *slog.Logger, what string, err error) {
	if errors.Is(err, context.Canceled) { // says nothing of either
		return
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	t.mu.Lock()
	before := t.last[what]
	switch {
	case reason == "":
		delete(t.last, what)
	case t.last == nil:
		t.last = map[string]string{what: reason}
	default:
		t.last[what] = reason
	}
	t.mu.Unlock()
	switch {
	case reason == before:
	case reason == "":
		log.Info("works again", "what", what)
	default:
		log.Error(what, "error", err)
	}
}
