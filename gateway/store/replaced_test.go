package store_test

import (
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Who waits for the lock while another file is put in the place of the database
// would get the lock on the old one, which has no name any more.
func TestOpenNeverOpensWhatWasReplaced(t *testing.T) {
	s := filled(t)
	opened := make(chan error, 1)
	go func() {
		replaced, err := store.OpenReadOnly(s.path)
		if err == nil {
			err = replaced.Close()
		}
		opened <- err
	}()
	for {
		select {
		case err := <-opened:
			if gateway.KindOf(err) != gateway.Unavailable {
				t.Errorf("got %v, want Unavailable", err)
			}
			return
		default:
			get(s.Compact(ctx, start()))(t)
		}
	}
}
