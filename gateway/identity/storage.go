package identity

import (
	"context"
	"io/fs"
	"sync"

	"github.com/caddyserver/certmagic"
)

// acmeStorage is certmagic's file storage with locks in memory. The data
// directory has one node, so lock files would only be in the way after a crash,
// and certmagic keeps them fresh in goroutines that outlive the lock.
type acmeStorage struct {
	certmagic.Storage

	mu    sync.Mutex
	locks map[string]chan struct{} // closed when the lock is released
}

func newACMEStorage(dir string) *acmeStorage {
	return &acmeStorage{Storage: &certmagic.FileStorage{Path: dir}, locks: map[string]chan struct{}{}}
}

// Lock waits for the lock of that name, no longer than ctx.
func (s *acmeStorage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		held, ok := s.locks[name]
		if !ok {
			s.locks[name] = make(chan struct{})
		}
		s.mu.Unlock()
		if !ok {
			return nil
		}
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock releases a lock that is held; fs.ErrNotExist says it is not.
func (s *acmeStorage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.locks[name]
	if !ok {
		return fs.ErrNotExist
	}
	delete(s.locks, name)
	close(held)
	return nil
}
