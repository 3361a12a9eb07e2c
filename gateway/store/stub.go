package store

import (
	"context"
	"errors"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

type Store struct{}

type Options struct {
	MaxBytes    int64
	MaxQueue    int
	NoSync      bool
	LockTimeout time.Duration
	Fault       func(point string) error
}

var ErrQueueFull, ErrFull, ErrCorrupt, ErrClock = errors.New("queue full"), errors.New("full"), errors.New("corrupt"), errors.New("clock")

type Usage struct {
	FileBytes, FreeBytes, MaxBytes int64
}

func Open(path string, opt Options) (*Store, error)                { panic("soon") }
func (s *Store) Close() error                                      { panic("soon") }
func (s *Store) Incarnation() uint64                               { panic("soon") }
func (s *Store) EffectiveTime(now time.Time) time.Time             { panic("soon") }
func (s *Store) OwnOffers(ctx context.Context) ([]OwnOffer, error) { panic("soon") }
func (s *Store) OwnOffer(ctx context.Context, id string) (OwnOffer, bool, error) {
	panic("soon")
}
func (s *Store) Publish(ctx context.Context, now time.Time, p Publication) error { panic("soon") }
func (s *Store) Policy(ctx context.Context) (string, error)                      { panic("soon") }
func (s *Store) Shown(ctx context.Context, recipient gateway.OIN) ([]Shown, error) {
	panic("soon")
}
func (s *Store) ShownAll(ctx context.Context) (map[gateway.OIN]map[string]Shown, error) {
	panic("soon")
}
func (s *Store) Due(ctx context.Context, now time.Time, peer gateway.OIN, limit, maxBytes int) ([]Outgoing, error) {
	panic("soon")
}
func (s *Store) BeginAttempt(ctx context.Context, now time.Time, peer gateway.OIN, sequences []uint64, next time.Time) error {
	panic("soon")
}
func (s *Store) AttemptFailed(ctx context.Context, now time.Time, peer gateway.OIN, sequences []uint64, reason string, next time.Time) error {
	panic("soon")
}
func (s *Store) Settle(ctx context.Context, now time.Time, peer gateway.OIN, settlements []Settlement, head string, next time.Time, entries []journal.Entry) error {
	panic("soon")
}
func (s *Store) Withdraw(ctx context.Context, now time.Time, peer gateway.OIN, sequences []uint64, entries []journal.Entry) error {
	panic("soon")
}
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) { panic("soon") }
func (s *Store) ReleaseHeld(ctx context.Context, now time.Time, peer gateway.OIN) (int, error) {
	panic("soon")
}
func (s *Store) Accept(ctx context.Context, now time.Time, self, peer gateway.OIN, in []Inbound) ([]gateway.ReceiptItem, error) {
	panic("soon")
}
func (s *Store) ReceivedOffers(ctx context.Context) ([]ReceivedOffer, error) { panic("soon") }
func (s *Store) Holds(ctx context.Context, sender gateway.OIN) (gateway.StateDigest, error) {
	panic("soon")
}
func (s *Store) ShownDigest(ctx context.Context, recipient gateway.OIN) (d gateway.StateDigest, settled bool, err error) {
	panic("soon")
}
func (s *Store) Peers(ctx context.Context) ([]PeerStatus, error) { panic("soon") }
func (s *Store) Peer(ctx context.Context, peer gateway.OIN) (PeerStatus, error) {
	panic("soon")
}
func (s *Store) Contact(ctx context.Context, now time.Time, peer gateway.OIN) error { panic("soon") }
func (s *Store) SaveHello(ctx context.Context, now time.Time, peer gateway.OIN, hello gateway.Hello) (changed bool, err error) {
	panic("soon")
}
func (s *Store) ImportStates(ctx context.Context) ([]ImportState, error) { panic("soon") }
func (s *Store) ImportState(ctx context.Context, source string) (ImportState, bool, error) {
	panic("soon")
}
func (s *Store) SaveImport(ctx context.Context, now time.Time, state ImportState, entries []journal.Entry) error {
	panic("soon")
}
func (s *Store) Register(ctx context.Context) ([]byte, error) { panic("soon") }
func (s *Store) SaveRegister(ctx context.Context, now time.Time, file []byte, version uint64, entry journal.Entry) error {
	panic("soon")
}
func (s *Store) Append(ctx context.Context, now time.Time, entries ...journal.Entry) error {
	panic("soon")
}
func (s *Store) Journal(ctx context.Context, from uint64, limit int) ([]JournalRecord, error) {
	panic("soon")
}
func (s *Store) JournalSize(ctx context.Context) (uint64, error) { panic("soon") }
func (s *Store) Checkpoint(ctx context.Context, now time.Time, sign func(journal.Checkpoint) ([]byte, error)) ([]byte, error) {
	panic("soon")
}
func (s *Store) LatestCheckpoint(ctx context.Context) ([]byte, error) { panic("soon") }
func (s *Store) VerifyJournal(ctx context.Context, open func(note []byte) (journal.Checkpoint, error)) (JournalReport, error) {
	panic("soon")
}
func (s *Store) Purge(ctx context.Context, now time.Time) (int, error) { panic("soon") }
func (s *Store) Check(ctx context.Context) []string                    { panic("soon") }
func (s *Store) Usage() Usage                                          { panic("soon") }
