package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// The clock was a year ahead and is right again. A restore does not bring the
// node's time back, unless somebody says that this clock is to be trusted and the
// backup is from before.
func TestRestoreAfterAClockThatWasAhead(t *testing.T) {
	s, sealed := filled(t), sealing(t)
	dir := t.TempDir()
	good, late := filepath.Join(dir, "good.backup"), filepath.Join(dir, "late.backup")
	get(s.Backup(ctx, start(), good, sealed))(t)
	ahead := start().AddDate(1, 0, 0)
	must(t, s.Append(ctx, ahead, journal.Entry{Time: ahead, Kind: "x"}))
	get(s.Backup(ctx, ahead, late, sealed))(t)
	incarnation := s.Incarnation()
	must(t, s.Close())
	now := start().Add(time.Hour)
	for _, c := range []struct {
		name  string
		file  string
		trust bool
		want  time.Time // zero: refused
	}{
		{"not trusted", good, false, ahead},
		{"a backup of then", late, true, time.Time{}},
		{"trusted", good, true, now},
	} {
		_, err := store.Restore{Backup: c.file, Path: s.path, Sealing: sealed, TrustClock: c.trust}.Run(ctx, now)
		if c.want.IsZero() {
			if gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("%s: got %v, want Invalid", c.name, err)
			}
			continue
		}
		must(t, err)
		again := get(store.Open(s.path, store.Options{}))(t)
		if got := again.EffectiveTime(now); !got.Equal(c.want) {
			t.Errorf("%s: the node's time is %v, want %v", c.name, got, c.want)
		}
		if got := again.Incarnation(); got <= incarnation {
			t.Errorf("%s: got incarnation %d after %d", c.name, got, incarnation)
		}
		incarnation = again.Incarnation()
		must(t, again.Close())
	}
}
