package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newBackupCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Write an encrypted backup of the database and verify it",
		Long: `Write a copy of the database, as it is at this moment, to backup.folder of the
configuration. The copy is compacted, and encrypted for the backup key of the
node (keys/backup.key) and for backup.recipients. It gets its name only after it
has been decrypted again, opened and checked. The oldest are deleted, so that
backup.keep remain.

The node may be running or not. A running node makes one by itself every
backup.every.

The keys of the node are not in it, and without the backup key nobody can read
it: keep a copy of the keys folder somewhere else.`,
		Example: "  doorstroom backup\n  doorstroom backup --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := a.backUp(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, report)
			}
			fmt.Fprintf(a.stdout, "Made and verified a backup: %s\n", report.File)
			fmt.Fprintf(a.stdout, "  %d bytes (database: %d), %.1f s\n", report.Bytes, report.DatabaseBytes, report.Seconds)
			fmt.Fprintf(a.stdout, "  journal of %s, root %s\n", gateway.Count(report.JournalSize, "entry", "entries"), report.JournalRoot)
			return nil
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// backUp asks the node, and does it itself when that is not running.
func (a *app) backUp(cmd *cobra.Command) (rest.Backup, error) {
	report, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.Backup, error) {
		return client.Backup(ctx)
	})
	if gateway.KindOf(err) != gateway.Unavailable {
		return report, err
	}
	c, err := a.loadConfig(cmd)
	if err != nil {
		return rest.Backup{}, err
	}
	var made desk.BackupReport
	if made, err = node.BackupStopped(cmd.Context(), c); err != nil {
		return rest.Backup{}, err
	}
	return rest.BackupOf(made), nil
}

// awaitExports is how long a restored node waits for fresh exports by default.
const awaitExports = 24 * time.Hour
