package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// levels are the worst level of each check.
func levels(findings []desk.Finding) map[string]string {
	order := []string{desk.LevelOK, desk.LevelWarning, desk.LevelError}
	worst := map[string]string{}
	for _, f := range findings {
		if slices.Index(order, f.Level) >= slices.Index(order, worst[f.Check]) {
			worst[f.Check] = f.Level
		}
	}
	return worst
}

func twoParties(t *testing.T) *gt.Federation {
	return gt.NewFederation(t,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
}

func stopped(t *testing.T, f *gt.Federation) map[string]string {
	t.Helper()
	c, err := config.Load(filepath.Join(f.Dir(gt.Smile), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	return levels(node.DoctorStopped(context.Background(), c))
}

// A sound node is in order, and each thing that can be wrong is told under its
// own head, whether the node runs or not.
func TestDoctor(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := twoParties(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		running := func() map[string]string {
			t.Helper()
			findings, err := f.Node(gt.Smile).Desk.Doctor(context.Background(), gt.Everyone())
			if err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(findings)
			if err != nil || bytes.Contains(written, []byte("Fictieve")) || bytes.Contains(written, []byte("groen")) {
				t.Errorf("the findings tell of an offer or a person: %s, %v", written, err)
			}
			return levels(findings)
		}
		want := func(when string, got map[string]string, check, level string) {
			t.Helper()
			if got[check] != level {
				t.Errorf("%s: %s is %q, want %s", when, check, got[check], level)
			}
		}
		for _, check := range []string{
			"node", "configuration", "database", "clock", "keys", "register", "own entry", "policy", "other parties",
			"copies", "kept copies", "compaction", "exports",
		} {
			want("running", running(), check, desk.LevelOK)
		}
		want("no automatic backup", running(), "backup", desk.LevelWarning)
		backUpNow(t, f)
		want("backed up", running(), "backup", desk.LevelOK)

		f.Net.Cut(gt.Smile)
		time.Sleep(4 * 24 * time.Hour)
		want("cut off", running(), "other parties", desk.LevelError)
		want("an old backup", running(), "backup", desk.LevelError)
		f.Net.Mend(gt.Smile)

		policy := filepath.Join(f.Dir(gt.Smile), node.PolicyFile)
		if err := os.WriteFile(policy, []byte("nonsense: ["), 0o600); err != nil {
			t.Fatal(err)
		}
		want("a broken policy", running(), "policy", desk.LevelError)
		f.Stop(gt.Smile)
		f.Stop(gt.Alblasserdam)
		time.Sleep(350 * 24 * time.Hour)
		if err := os.Remove(policy); err != nil {
			t.Fatal(err)
		}
		got := stopped(t, f)
		want("stopped", got, "node", desk.LevelWarning)
		want("stopped", got, "database", desk.LevelOK)
		want("a year later", got, "register", desk.LevelWarning)
		want("stopped, without policy", got, "configuration", desk.LevelError)
		want("stopped, without policy", got, "policy", desk.LevelError)
		if err := os.Chmod(filepath.Join(f.Dir(gt.Smile), "data", "keys", "encryption.pem"), 0o644); err != nil {
			t.Fatal(err)
		}
		want("a key that others can read", stopped(t, f), "keys", desk.LevelError)
		if err := os.Truncate(filepath.Join(f.Dir(gt.Smile), "data", "node.db"), 10_000); err != nil {
			t.Fatal(err)
		}
		want("a damaged database", stopped(t, f), "database", desk.LevelError)
		if err := os.RemoveAll(filepath.Join(f.Dir(gt.Smile), "data", "keys")); err != nil {
			t.Fatal(err)
		}
		want("no keys", stopped(t, f), "keys", desk.LevelError)
	})
}

func backUpNow(t *testing.T, f *gt.Federation) {
	t.Helper()
	if _, err := f.Node(gt.Smile).Desk.Backup(context.Background(), gt.Everyone()); err != nil {
		t.Fatal(err)
	}
}

// A node makes a backup every day, keeps so many, takes away what a crash left
// of one, and alarms when it cannot.
func TestBackupsByThemselves(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := twoParties(t)
		f.SetConfig(gt.Smile, "keep: 7", "keep: 3")
		f.SetConfig(gt.Smile, "every: 0s", "every: 24h")
		folder := filepath.Join(f.Dir(gt.Smile), "data", "backups")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		theirs := []string{"node-00000099000000009000-20200101T000000Z.backup", "notes.txt"}
		for _, name := range append([]string{"node-" + string(gt.Smile) + "-20200101T000000Z.backup.part"}, theirs...) {
			if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5*24*time.Hour + time.Hour)
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		ours, others := 0, append(theirs, "node-"+string(gt.Smile)+".keys") // the one backup of keys
		for _, file := range files {
			if strings.HasPrefix(file.Name(), "node-"+string(gt.Smile)) && strings.HasSuffix(file.Name(), ".backup") {
				ours++
			} else if !slices.Contains(others, file.Name()) {
				t.Errorf("the folder for backups holds %s", file.Name())
			}
		}
		if ours != 3 || len(files) != 3+len(others) {
			t.Errorf("got %d backups and %d files in all, want 3 and %d", ours, len(files), 3+len(others))
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(folder, nil, 0o600); err != nil { // in the way
			t.Fatal(err)
		}
		time.Sleep(4 * 24 * time.Hour)
		status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone())
		if err != nil || !slices.ContainsFunc(status.Alarms, func(a string) bool { return strings.Contains(a, "back-up") }) {
			t.Errorf("alarms: got %v, %v, want one of the backup", status.Alarms, err)
		}
	})
}

// What an upgrade or a restore left behind is named with its age and size, and is
// to be removed when an upgrade has proved itself; so is the last compaction.
func TestDoctorNamesKeptCopies(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := twoParties(t)
		ago := func(days int) string {
			return time.Now().UTC().AddDate(0, 0, -days).Format("20060102T150405Z")
		}
		for name, size := range map[string]int{
			"format1-" + ago(8): 2_000_000, "format1-" + ago(6): 10, "before-restore-" + ago(400) + "-1": 30,
		} {
			if err := os.WriteFile(filepath.Join(f.Dir(gt.Smile), "data", "node.db."+name), make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, finding := range examined(t, f, "kept copies") {
			got = append(got, finding.Level+" "+finding.Text+" "+finding.Do)
		}
		slices.Sort(got)
		if found := examined(t, f, "compaction"); len(found) != 1 || found[0].Text != "none was needed yet" {
			t.Errorf("before a compaction: got %+v", found)
		}
		if _, err := f.Node(gt.Smile).Store.Compact(context.Background(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if found := examined(t, f, "compaction"); len(found) != 1 || !strings.Contains(found[0].Text, "on "+time.Now().Format("2006-01-02")) {
			t.Errorf("after a compaction: got %+v", found)
		}
		for i, want := range []string{
			"ok node.db.before-restore-" + ago(400) + "-1, 0.0 MB, 400 days old: from before a restore",
			"ok node.db.format1-" + ago(6) + ", 0.0 MB, 6 days old: from before an upgrade",
			"warning node.db.format1-" + ago(8) + ", 2.0 MB, 8 days old: from before an upgrade, and not encrypted remove it when all is well: rm ",
		} {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Errorf("got %q, want %q in place %d", got, want, i)
			}
		}
		if len(got) != 3 {
			t.Errorf("got %q, want three", got)
		}
	})
}

// examined are the findings of one check.
func examined(t *testing.T, f *gt.Federation, check string) []desk.Finding {
	t.Helper()
	all, err := f.Node(gt.Smile).Desk.Doctor(context.Background(), gt.Everyone())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(f desk.Finding) bool { return f.Check != check })
}

// What waits for another export is told: a held one, offers that could not be
// read, and all of them after a restore.
func TestDoctorTellsWhatWaitsForAnExport(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := twoParties(t)
		want := func(level, text string) {
			t.Helper()
			found := examined(t, f, "exports")
			if len(found) != 1 || found[0].Level != level || !strings.Contains(found[0].Text, text) {
				t.Errorf("got %+v, want one %s about %q", found, level, text)
			}
		}
		publish := func(imp gateway.Import, confirm bool) {
			t.Helper()
			imp.Source, imp.Full = "test", true
			if _, err := f.Node(gt.Smile).Desk.PublishCapacity(context.Background(), gt.Everyone(), imp, confirm); err != nil {
				t.Fatal(err)
			}
		}
		offers := []gateway.Offer{gt.Offer("a"), gt.Offer("b"), gt.Offer("c"), gt.Offer("d"), gt.Offer("e")}
		want(desk.LevelOK, "none")
		publish(gateway.Import{Offers: offers}, false)
		want(desk.LevelOK, "test on "+time.Now().Format("2006-01-02"))
		publish(gateway.Import{}, false)
		want(desk.LevelWarning, "held: 5 offers")
		publish(gateway.Import{Offers: offers[1:], Problems: []gateway.RowProblem{{Offer: "a", Message: "fout"}}}, false)
		want(desk.LevelWarning, "1 offer in the last export of test")
		publish(gateway.Import{Offers: offers}, false)
		backUpNow(t, f)
		f.Stop(gt.Smile)
		c, err := config.Load(filepath.Join(f.Dir(gt.Smile), node.ConfigFile))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := node.Restore(context.Background(), c, node.RestoreOptions{Await: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		f.Start(gt.Smile)
		want(desk.LevelWarning, "before a full export of test")
		publish(gateway.Import{Offers: offers}, false)
		want(desk.LevelOK, "was good")
	})
}
