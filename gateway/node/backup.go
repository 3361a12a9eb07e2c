package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

const (
	backupSuffix = ".backup"
	backupTime   = "20060102T150405Z" // sorts by time

	lookForBackup = 5 * time.Minute // how often to look whether one is due
	backupAgain   = time.Hour       // after one that failed
)

// backups makes one whenever the last good one is old enough.
func (n *Node) backups(ctx context.Context) {
	tick := time.NewTicker(lookForBackup)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := n.Store.EffectiveTime(time.Now())
		if now.Before(failed.Add(backupAgain)) || !n.backupIsDue(ctx, now) {
			continue
		}
		report, err := n.Desk.Backup(ctx, operator)
		n.try("automatic backup", err)
		if err != nil {
			failed = now
			continue
		}
		n.log.Info("made a backup", "file", report.Path, "bytes", report.Bytes, "journal", report.Journal, "took", report.Took.Round(time.Millisecond).String())
	}
}

func (n *Node) backupIsDue(ctx context.Context, now time.Time) bool {
	every := n.backupEvery()
	if every == 0 {
		return false
	}
	last, ok, err := n.Store.LastBackup(ctx)
	n.try("read the last backup", err)
	return err == nil && (!ok || now.Sub(last.At) >= every)
}

func (n *Node) backupEvery() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config.Backup.Every
}

// writeBackup is the desk's.
func (n *Node) writeBackup(ctx context.Context) (store.BackupReport, error) {
	n.mu.Lock()
	c := n.config
	n.mu.Unlock()
	report, err := backUp(ctx, c, n.keys, n.Store)
	if err == nil && n.vault != nil {
		err = backUpKeys(c, n.keys, n.vault.Snapshot())
	}
	return report, err
}

// backUp writes one backup and deletes those that are one too many.
func backUp(ctx context.Context, c config.Config, k keys, s *store.Store) (store.BackupReport, error) {
	sealing, err := sealingOf(c, k, filepath.Join(c.Keys, backupKey), true)
	if err != nil {
		return store.BackupReport{}, err
	}
	if err := os.MkdirAll(c.Backup.Folder, 0o700); err != nil {
		return store.BackupReport{}, gateway.Wrap(gateway.Internal, err, "the folder for backups cannot be made: "+c.Backup.Folder)
	}
	now := s.EffectiveTime(time.Now())
	name := backupPrefix(c) + now.UTC().Format(backupTime) + backupSuffix
	report, err := s.Backup(ctx, now, filepath.Join(c.Backup.Folder, name), sealing)
	if err != nil {
		return report, err
	}
	return report, deleteOldBackups(c)
}

func backupPrefix(c config.Config) string { return "node-" + string(c.Party) + "-" }

// deleteOldBackups leaves the newest, of this node only, and what a crash left
// of one that was not finished does not stay either.
func deleteOldBackups(c config.Config) error {
	files, err := os.ReadDir(c.Backup.Folder)
	if err != nil {
		return gateway.Wrap(gateway.Internal, err, "the folder for backups cannot be read: "+c.Backup.Folder)
	}
	var whole []string
	var errs []error
	for _, f := range files {
		at, ours := strings.CutPrefix(f.Name(), backupPrefix(c))
		unfinished, wasPart := strings.CutSuffix(at, backupSuffix+".part")
		at, isBackup := strings.CutSuffix(at, backupSuffix)
		if _, err := time.Parse(backupTime, at); ours && isBackup && err == nil {
			whole = append(whole, f.Name())
		}
		if _, err := time.Parse(backupTime, unfinished); ours && wasPart && err == nil {
			errs = append(errs, os.Remove(filepath.Join(c.Backup.Folder, f.Name())))
		}
	}
	slices.Sort(whole)
	for _, name := range whole[:max(0, len(whole)-c.Backup.Keep)] {
		errs = append(errs, os.Remove(filepath.Join(c.Backup.Folder, name)))
	}
	if err := errors.Join(errs...); err != nil {
		return gateway.Wrap(gateway.Internal, err, "the backup was made, but old ones could not be deleted from "+c.Backup.Folder)
	}
	return nil
}

// sealingOf reads the backup key. A node from before there were backups has
// none: create gives it one.
func sealingOf(c config.Config, k keys, file string, create bool) (store.Sealing, error) {
	key, err := identity.ReadSecret(file)
	if create && gateway.KindOf(err) == gateway.NotFound {
		if key, err = seal.GenerateBackupKey(); err == nil {
			err = identity.WriteSecret(file, key)
		}
	}
	if err != nil {
		return store.Sealing{}, fmt.Errorf("read backup key: %w", err)
	}
	backup, err := seal.ParseBackupKeys(key, c.Backup.Recipients)
	if err != nil {
		return store.Sealing{}, err
	}
	return store.Sealing{Encrypt: backup.Encrypt, Decrypt: backup.Decrypt, OpenCheckpoint: k.openCheckpoint(originOf(c))}, nil
}

// BackupStopped makes a backup of a node that is not running; of one that is, it
// is Unavailable.
func BackupStopped(ctx context.Context, c config.Config) (report desk.BackupReport, err error) {
	k, err := loadKeys(c.Keys)
	if err != nil {
		return report, err
	}
	path := filepath.Join(c.Data, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return report, gateway.Wrap(gateway.NotFound, err, "this node has no database yet")
	}
	s, err := store.Open(path, store.Options{LockTimeout: time.Second})
	if err != nil {
		return report, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	now := s.EffectiveTime(time.Now())
	entry := journal.Entry{Kind: string(gateway.OpBackup), Caller: desk.Pseudonym(k.secret, operator)}
	if err := s.Append(ctx, now, entry); err != nil {
		return report, fmt.Errorf("journal backup: %w", err)
	}
	snapshot, err := vault.ReadSnapshot(vaultPath(c))
	if err != nil {
		return report, err
	}
	if report, err = backUp(ctx, c, k, s); err != nil {
		return report, err
	}
	return report, backUpKeys(c, k, snapshot)
}

// RestoreOptions is what a person may choose.
type RestoreOptions struct {
	Backup string        // the file; empty: the newest of the configured folder
	Key    string        // file with the backup key; empty: that of the node
	Await  time.Duration // how long at most to wait for fresh exports before the own offers are sent
	DryRun bool
	// TrustClock is for a node whose clock was ahead; see store.Restore.
	TrustClock bool
}

// Restore puts a backup in the place of the database of a node that is not
// running.
func Restore(ctx context.Context, c config.Config, opt RestoreOptions) (store.RestoreReport, error) {
	k, err := loadKeys(c.Keys)
	if err != nil {
		return store.RestoreReport{}, err
	}
	if opt.Key == "" {
		opt.Key = filepath.Join(c.Keys, backupKey)
	}
	sealing, err := sealingOf(c, k, opt.Key, false)
	if err != nil {
		return store.RestoreReport{}, err
	}
	if opt.Backup == "" {
		if opt.Backup, err = newestBackup(c); err != nil {
			return store.RestoreReport{}, err
		}
	}
	database := sealing
	if database.Decrypt, err = decrypterFor(opt.Backup, sealing); err != nil {
		return store.RestoreReport{}, err
	}
	report, err := store.Restore{
		Backup: opt.Backup, Path: filepath.Join(c.Data, databaseFile), Sealing: database,
		Caller: desk.Pseudonym(k.secret, operator), Await: opt.Await, DryRun: opt.DryRun,
		TrustClock: opt.TrustClock,
	}.Run(ctx, time.Now())
	if err == nil && !opt.DryRun {
		err = restoreKeys(c, sealing)
	}
	return report, err
}

// decrypterFor reads a database that an earlier restore kept as it is.
func decrypterFor(file string, sealing store.Sealing) (func(io.Reader) (io.Reader, error), error) {
	encrypted, err := seal.IsEncryptedBackup(file)
	if err != nil || encrypted {
		return sealing.Decrypt, err
	}
	return func(from io.Reader) (io.Reader, error) { return from, nil }, nil
}

func newestBackup(c config.Config) (string, error) {
	found, err := filepath.Glob(filepath.Join(c.Backup.Folder, backupPrefix(c)+"*"+backupSuffix))
	if err != nil || len(found) == 0 {
		return "", gateway.Wrap(gateway.NotFound, err, "there is no backup of this node in "+c.Backup.Folder+": name the file")
	}
	return slices.Max(found), nil
}
