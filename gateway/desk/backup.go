package desk

import (
	"context"
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// BackupReport is one backup that was made and verified.
type BackupReport = store.BackupReport

// Backup writes an encrypted copy of the database to the configured folder and
// verifies it.
func (d *Desk) Backup(ctx context.Context, caller gateway.Caller) (BackupReport, error) {
	if err := d.read(ctx, caller, gateway.OpBackup); err != nil {
		return BackupReport{}, err
	}
	report, err := d.WriteBackup(ctx)
	if err != nil {
		return BackupReport{}, fmt.Errorf("back up: %w", err)
	}
	return report, nil
}
