package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/store"
)

func newRestoreCommand(a *app) *cobra.Command {
	var opt node.RestoreOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore [BACKUP]",
		Short: "Put a backup in the place of the database",
		Long: `Put a backup in the place of the database of a node that has been stopped. The
backup is decrypted, opened and checked first; if anything is wrong with it,
nothing changes. The present database stays, under another name beside the new
one. BACKUP is the newest one in backup.folder if you leave it out.

When the node starts again it tells the others that it was restored. They send
it again what it lacks. What it offers itself goes out again when a full export
of each source has been taken in, or after --await: until then the others keep
what they have, which is newer than the backup.

BACKUP may also be a database that an earlier restore kept: that is how to undo
one.

--trust-clock is for a node whose clock was far ahead for a while. Its time then
stays ahead, because a node never goes back in time. Set the clock right first,
and name a backup from before it went ahead.

--dry-run only verifies the backup. For that the node may be running.`,
		Example: `  doorstroom restore --dry-run
  doorstroom restore
  doorstroom restore /mnt/backups/node-00000099000000001000-20261102T090000Z.backup \
    --key /media/stick/backup.key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.Await < 0 {
				return usagef("--await is a length of time, such as 24h, or 0s")
			}
			if len(args) > 0 {
				opt.Backup = args[0]
			}
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			report, err := node.Restore(cmd.Context(), c, opt)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, restoreOut(report, opt.DryRun))
			}
			a.showRestore(report, filepath.Join(c.Data, "node.db"), opt.DryRun)
			return nil
		},
	}
	a.configFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&opt.DryRun, "dry-run", false, "verify the backup and change nothing")
	f.StringVar(&opt.Key, "key", "", "file with the key to read the backup (default: backup.key in the keys folder)")
	f.BoolVar(&opt.TrustClock, "trust-clock", false, "go by the present clock, although the database that is there went by a later time")
	f.DurationVar(&opt.Await, "await", awaitExports, "how long at most to wait for fresh exports before the offers in the backup go out; 0s: not at all")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// restored is what restore --json writes.
type restored struct {
	DryRun      bool          `json:"dryRun"`
	Backup      rest.Backup   `json:"backup"`
	Present     string        `json:"present"` // the database that was there: none, readable, damaged, running
	PresentSize uint64        `json:"presentJournalSize"`
	KeptAs      string        `json:"keptAs,omitempty"`
	Incarnation uint64        `json:"incarnation,omitempty"`
	Awaited     *rest.Awaited `json:"awaited,omitempty"`
}

func restoreOut(r store.RestoreReport, dryRun bool) restored {
	out := restored{
		DryRun: dryRun, Backup: rest.BackupOf(r.Backup), Present: r.Present, PresentSize: r.Journal, KeptAs: r.KeptAs, Incarnation: r.Incarnation,
	}
	if len(r.Awaited.Sources) > 0 {
		out.Awaited = &rest.Awaited{Until: r.Awaited.Until, Sources: r.Awaited.Sources}
	}
	return out
}

func (a *app) showRestore(r store.RestoreReport, database string, dryRun bool) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("The backup is sound: %s", r.Backup.Path)
	say("  made %s, journal of %s, root %s", when(r.Backup.At), gateway.Count(r.Backup.Journal, "entry", "entries"), r.Backup.Root)
	say("  the database that is there now: %s", present(r))
	if dryRun {
		say("Nothing was changed.")
		return
	}
	say("Restored %s", database)
	say("  incarnation %d; the journal tells what it lacks", r.Incarnation)
	if r.KeptAs != "" {
		say("  the database that was there is kept as %s", r.KeptAs)
	}
	say("\nNext:")
	say("  1. Start the node: doorstroom run")
	say("  2. The other parties send again what they have for you; that needs nobody.")
	if len(r.Awaited.Sources) > 0 {
		say("  3. Publish a full export of: %s. Until then, or until %s, nothing of your own offers goes out.",
			strings.Join(r.Awaited.Sources, ", "), when(r.Awaited.Until))
	} else {
		say("  3. Publish a full export, if you have offers that are newer than the backup.")
	}
	if r.Present == store.PresentSound {
		say("To go back, stop the node and: doorstroom restore --await 0s %s", r.KeptAs)
	}
}

func present(r store.RestoreReport) string {
	if r.Present == store.PresentSound {
		return "readable, journal of " + gateway.Count(r.Journal, "entry", "entries")
	}
	return cmp.Or(r.Present, store.PresentNone)
}
