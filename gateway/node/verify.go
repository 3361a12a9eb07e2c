package node

import (
	"context"
	"errors"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// VerifyFile recomputes the journal in a copy of a node's database, with the keys
// of its configuration. No node runs on the file.
func VerifyFile(ctx context.Context, c config.Config, file string) (report desk.JournalReport, err error) {
	k, err := loadKeys(c.Keys)
	if err != nil {
		return report, err
	}
	s, err := store.OpenReadOnly(file)
	if gateway.KindOf(err) == gateway.NotFound {
		return report, gateway.Wrap(gateway.NotFound, err, "cannot read the database "+file)
	}
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	report.JournalReport, err = s.VerifyJournal(ctx, k.openCheckpoint(originOf(c)))
	if err != nil {
		return report, err
	}
	report.Witnessed, err = stoppedWitness(ctx, c, s).State(ctx)
	return report, err
}

// stoppedWitness only tells how far the journal in a database is witnessed.
func stoppedWitness(ctx context.Context, c config.Config, s *store.Store) *witness.Witness {
	var reg *register.Register
	if file, err := s.Register(ctx); err == nil && file != nil {
		reg, _ = register.Restore(file) // without one nothing counts as witnessed
	}
	return witness.New(witness.Options{
		Self: c.Party, Store: s, Register: func() *register.Register { return reg },
		Wanted: func() witness.Wanted { return witness.Wanted(c.Witnesses) },
	})
}
