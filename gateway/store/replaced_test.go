package store_test

import (
	"bytes"
	"os"
	"path/filepath"
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

// A large database whose list of free pages is written at its end.
func TestBackupAndRestoreLeaveNoNotesOfFreePages(t *testing.T) {
	s, sealed := filled(t), sealing(t)
	large := bytes.Repeat([]byte("x"), 9<<20)
	must(t, s.SetMeta(ctx, "large", large))
	file := filepath.Join(t.TempDir(), "one.backup")
	get(s.Backup(ctx, start(), file, sealed))(t)
	if got := files(t, filepath.Dir(s.path)); got != "node.db" {
		t.Errorf("after a backup: got %q, want the database only", got)
	}
	must(t, s.Close())
	before := get(os.ReadFile(s.path))(t)
	report := get(store.Restore{Backup: file, Path: s.path, Sealing: sealed}.Run(ctx, start()))(t)
	if got := get(filepath.Glob(s.path + ".restore*"))(t); len(got) > 0 {
		t.Errorf("after a restore: got %q, want none", got)
	}
	if !bytes.Equal(get(os.ReadFile(report.KeptAs))(t), before) {
		t.Error("what was replaced is not as it was")
	}
}
