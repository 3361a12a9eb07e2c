package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/schemas"
)

// A drop folder holds exports of one source. The newest file in it counts: an
// admin may overwrite the same name or write a new one each time. A file is
// taken once it has been the same for settleTime and its end is complete; about
// one whose end stays incomplete for unfinishedTime people are told. What was
// wrong is written for them in reportFolder, beside it.
const (
	settleTime     = 2 * time.Second
	unfinishedTime = 5 * time.Second
	reportFolder   = "verslagen"
)

// dropped is one state of one file.
type dropped struct {
	name     string
	size     int64
	modified time.Time
}

// dropWatch is what is known of the drop folder. It is watchDrop's alone.
type dropWatch struct {
	seen  dropped   // the newest file when the folder was last looked into
	since time.Time // when it was first found as it is
	done  dropped   // was taken
	told  dropped   // people were told that it is unfinished
}

// watchDrop looks whenever the file system gives a sign, and every poll as
// well: network shares give none.
func (n *Node) watchDrop(ctx context.Context) {
	folder := n.opt.Config.Drop.Folder
	var events chan fsnotify.Event
	var troubles chan error
	if watcher, err := fsnotify.NewWatcher(); err == nil {
		defer func() { n.try("close the watch on the drop folder", watcher.Close()) }()
		if err := watcher.Add(folder); err != nil {
			n.log.Warn("the drop folder gives no sign of new files; it is looked at regularly", "error", err)
		}
		events, troubles = watcher.Events, watcher.Errors
	}
	d := dropWatch{done: n.takenBefore(ctx)}
	for {
		timer := time.NewTimer(n.lookInDrop(ctx, &d))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-events:
		case err := <-troubles:
			n.try("watch the drop folder", err)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// takenBefore is the newest file if it was taken before the node stopped: it must
// not bring back what a later import has replaced.
func (n *Node) takenBefore(ctx context.Context) dropped {
	c := n.opt.Config.Drop
	last, _, err := n.Store.ImportState(ctx, c.Source)
	n.try("read the last import of the drop folder", err)
	newest, err := newestExport(c.Folder)
	if err != nil || newest.name == "" { // lookInDrop tells of an error
		return dropped{}
	}
	digest, err := digestOf(filepath.Join(c.Folder, newest.name))
	if err != nil || !slices.Contains(last.Taken, digest) {
		return dropped{}
	}
	n.log.Info("the newest export was imported before and is not taken again", "file", newest.name)
	if digest == last.Taken[len(last.Taken)-1] && last.Held == nil { // so a restored database has what it would wait for
		n.try("note that the last export is known", n.Store.Fresh(ctx, n.Store.EffectiveTime(time.Now()), c.Source))
		n.Exchange.RulesChanged()
	}
	return newest
}

// digestOf is the SHA-256 of a file, in hex.
func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}

// lookInDrop takes the newest export if it is time, and says when to look again
// at the latest.
func (n *Node) lookInDrop(ctx context.Context, d *dropWatch) time.Duration {
	c := n.opt.Config.Drop
	newest, err := newestExport(c.Folder)
	n.try("look into the drop folder", err)
	switch {
	case err != nil:
		return c.Poll
	case newest == dropped{} || newest == d.done:
		return c.Poll
	case newest != d.seen:
		d.seen, d.since = newest, time.Now()
		return settleTime
	}
	still := time.Since(d.since)
	if still < settleTime { // signs come while a file is being written
		return settleTime - still
	}
	complete, err := adapters.Complete(filepath.Join(c.Folder, newest.name))
	switch {
	case err == nil && complete:
		n.takeExport(ctx, newest)
		d.done = newest
		return c.Poll
	case still >= unfinishedTime && newest != d.told:
		n.log.Warn("the export is not complete", "file", newest.name, "error", err)
		n.leaveReport(newest.name, unfinished)
		d.told = newest
	}
	return settleTime
}

// newestExport finds the file of the folder that was changed last.
func newestExport(folder string) (dropped, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return dropped{}, fmt.Errorf("read drop folder: %w", err)
	}
	var newest dropped
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !isExport(e.Name()) {
			continue
		}
		if info.ModTime().After(newest.modified) {
			newest = dropped{name: e.Name(), size: info.Size(), modified: info.ModTime()}
		}
	}
	return newest, nil
}

// isExport leaves out the temporary files of office programs.
func isExport(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".txt", ".tsv", ".xlsx":
		return true
	}
	return false
}

func (n *Node) takeExport(ctx context.Context, file dropped) {
	report, err := n.importFile(ctx, filepath.Join(n.opt.Config.Drop.Folder, file.name))
	switch {
	case err != nil && ctx.Err() != nil: // it is taken when the node starts again
		return
	case err != nil:
		n.log.Error("the export was not imported", "file", file.name, "error", err)
		n.leaveReport(file.name, fmt.Sprintf("Niet ingelezen: %s\nEr is niets veranderd.\n", gateway.SafeMessage(err)))
		return
	}
	n.log.Info("export imported", "file", file.name, "offers", report.Offers, "new", report.New,
		"changed", report.Changed, "withdrawn", len(report.Withdrawn), "held", len(report.Held), "kept", len(report.Kept))
	n.leaveReport(file.name, report.Text())
}

// unfinished is what an office worker reads of a file whose end does not come.
const unfinished = `Nog niet ingelezen: het bestand eindigt midden in een regel of is niet te openen.
Is de export nog bezig? Dan wordt het bestand ingelezen zodra het compleet is.
Is de export klaar? Maak hem dan opnieuw, of zet achter de laatste regel een nieuwe regel.
`

// leaveReport tells an office worker what became of an export.
func (n *Node) leaveReport(name, text string) {
	text = fmt.Sprintf("Verslag van %s\n\n%s", name, text)
	// Others may write in this folder: no link of theirs leads out of it.
	root, err := os.OpenRoot(n.opt.Config.Drop.Folder)
	if err == nil {
		err = errors.Join(
			root.MkdirAll(reportFolder, 0o755),
			root.WriteFile(filepath.Join(reportFolder, name+".txt"), []byte(text), 0o644),
			root.Close())
	}
	if err != nil {
		n.log.Warn("no report could be left in the drop folder", "error", err)
	}
}

// importFile reads one export by the configured mapping and publishes it. Its
// errors are for an office worker: in Dutch.
func (n *Node) importFile(ctx context.Context, path string) (desk.ImportReport, error) {
	c := n.opt.Config
	file, err := os.ReadFile(c.Drop.Mapping)
	if err != nil {
		return desk.ImportReport{}, gateway.Wrap(gateway.NotFound, err, "de koppeling (drop.mapping) is er niet; maak er een met: doorstroom adapter map")
	}
	mapping, err := adapters.ParseMapping(c.Drop.Mapping, file)
	if err != nil {
		return desk.ImportReport{}, err
	}
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return desk.ImportReport{}, err
	}
	imp, err := adapters.Read(ctx, path, adapters.Options{
		Mapping: mapping, Provider: c.Party, Lists: lists, Source: c.Drop.Source,
		Day: gateway.DateOf(n.Store.EffectiveTime(time.Now())),
	})
	if err != nil {
		return desk.ImportReport{}, err
	}
	if imp.Digest, err = digestOf(path); err != nil {
		return desk.ImportReport{}, err
	}
	report, err := n.Desk.PublishCapacity(ctx, operator, imp, false)
	if err != nil {
		return report, gateway.Wrap(gateway.KindOf(err), err, "het aanbod kon niet worden opgeslagen; de beheerder vindt de reden in het logboek van het knooppunt")
	}
	return report, nil
}
