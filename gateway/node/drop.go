package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
// taken once its size has been the same for settleTime and its end is complete.
// What was wrong in it is written for people in reportFolder, beside it.
const (
	settleTime   = 2 * time.Second
	reportFolder = "verslagen"
)

// dropped is one state of one file.
type dropped struct {
	name     string
	size     int64
	modified time.Time
}

// watchDrop looks whenever the file system gives a sign, and every poll as
// well: network shares give none.
func (n *Node) watchDrop(ctx context.Context) {
	c := n.opt.Config.Drop
	var events chan fsnotify.Event
	var troubles chan error
	if watcher, err := fsnotify.NewWatcher(); err == nil {
		defer func() { n.try("close the watch on the drop folder", watcher.Close()) }()
		if err := watcher.Add(c.Folder); err != nil {
			n.log.Warn("the drop folder gives no sign of new files; it is looked at regularly", "error", err)
		}
		events, troubles = watcher.Events, watcher.Errors
	}
	var seen, done dropped
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-events:
			timer.Stop()
		case err := <-troubles:
			timer.Stop()
			n.try("watch the drop folder", err)
		case <-timer.C:
		}
		wait = c.Poll
		newest, err := newestExport(c.Folder)
		switch {
		case err != nil:
			n.try("look into the drop folder", err)
		case newest == dropped{} || newest == done:
		case newest != seen:
			seen, wait = newest, settleTime
		default:
			if complete, err := adapters.Complete(filepath.Join(c.Folder, newest.name)); err != nil || !complete {
				wait = settleTime
				continue
			}
			n.takeExport(ctx, newest)
			done = newest
		}
	}
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
	c := n.opt.Config.Drop
	report, err := n.importFile(ctx, filepath.Join(c.Folder, file.name))
	if err != nil {
		n.log.Error("the export was not imported", "file", file.name, "error", err)
	} else {
		n.log.Info("export imported", "file", file.name, "offers", report.Offers, "new", report.New,
			"changed", report.Changed, "withdrawn", len(report.Withdrawn), "held", len(report.Held), "kept", len(report.Kept))
	}
	text := dropReport(file.name, report, err)
	folder := filepath.Join(c.Folder, reportFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		n.log.Warn("no report could be left in the drop folder", "error", err)
		return
	}
	n.try("write report", os.WriteFile(filepath.Join(folder, file.name+".txt"), []byte(text), 0o644))
}

// importFile reads one export by the configured mapping and publishes it.
func (n *Node) importFile(ctx context.Context, path string) (desk.ImportReport, error) {
	c := n.opt.Config
	file, err := os.ReadFile(c.Drop.Mapping)
	if err != nil {
		return desk.ImportReport{}, gateway.Wrap(gateway.NotFound, err, "the mapping of the drop folder cannot be read; make one with doorstroom adapter map")
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
	return n.Desk.PublishCapacity(ctx, operator, imp, false)
}

// dropReport tells an office worker what became of an export.
func dropReport(name string, r desk.ImportReport, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Verslag van %s\n\n", name)
	if err != nil {
		fmt.Fprintf(&b, "Niet ingelezen: %s\nEr is niets veranderd.\n", gateway.SafeMessage(err))
		return b.String()
	}
	b.WriteString(r.Text())
	return b.String()
}
