package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/vault"
)

func load(t *testing.T, f *gt.Federation, oin gateway.OIN) config.Config {
	t.Helper()
	c, err := config.Load(filepath.Join(f.Dir(oin), node.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refer has a node refer somebody to Smile.
func refer(t *testing.T, n *node.Node) string {
	t.Helper()
	follow, err := n.Store.AskNewReferral(t.Context(), time.Now(), gt.Alblasserdam, store.NewReferral{
		Provider: gt.Smile, Reference: "dossier 77", Need: gateway.Need{
			Offer: "A-1", CallFirst: true, Contact: gateway.Functional{Name: "Brughuis Voorbeeld", Phone: "078 000 00 00"},
		},
		Terms: store.ReferralTerms{
			Due:       func(gateway.Referral) gateway.Date { return gateway.DateOf(time.Now().Add(72 * time.Hour)) },
			Recipient: func(oin gateway.OIN) gateway.Recipient { return gateway.Recipient{Party: oin} },
		},
		Entry: journal.Entry{Kind: "refer"},
	})
	if err != nil {
		t.Fatalf("refer: %v", err)
	}
	return follow.ID
}

// decline is what a node makes of Smile's answer that there is no place.
func decline(t *testing.T, n *node.Node, id string, incarnation uint64) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	items, err := n.Store.Accept(t.Context(), now, gt.Alblasserdam, gt.Smile, []store.Inbound{{
		Message: gateway.Message{
			ID: "01981f3e-5c2a-7d42-8b12-1a2b3c4d5e6f", Source: gt.Smile, Recipient: gt.Alblasserdam, Kind: gateway.KindReferralState,
			Time: now, Expires: now.Add(time.Hour), Subject: "x", Sequence: 1, Incarnation: incarnation,
		},
		Digest: gateway.Hash([]byte("x")), Outcome: gateway.Received,
		Effect: store.Effect{Referral: &store.ReferralEffect{State: &gateway.Referral{
			ID: id, Offer: "A-1", Provider: gt.Smile, Referrer: gt.Alblasserdam, Number: 1, Status: gateway.Declined, Since: now, Reason: "overig",
		}}},
	}})
	if err != nil || items[0].Outcome != gateway.Received {
		t.Fatalf("decline: got %+v, %v", items, err)
	}
}

// searchFiles looks for texts in every file below a folder, backups decrypted.
func searchFiles(t *testing.T, c config.Config, dir string, texts ...string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(c.Keys, "backup.key"))
	if err != nil {
		t.Fatal(err)
	}
	backup, err := seal.ParseBackupKeys(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), "node-") && filepath.Base(filepath.Dir(path)) == "backups" {
			plain, err := backup.Decrypt(bytes.NewReader(content))
			if err != nil {
				return err
			}
			if content, err = io.ReadAll(plain); err != nil {
				return err
			}
			read++
		}
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				t.Errorf("%s shows %q", path, text)
			}
		}
		return nil
	})
	if err != nil || read < 2 {
		t.Fatalf("read %d backups: %v", read, err)
	}
}

// TestErasedIsNowhere: what was erased is found in no file and no backup of the
// node, also not after older backups of database and keys were put back, and
// nobody who has all of these can read it.
func TestErasedIsNowhere(t *testing.T) {
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
		f.Settled(time.Hour)
		incarnation := f.Node(gt.Smile).Store.Incarnation()
		f.Stop(gt.Smile) // so that the request waits
		n, c := f.Node(gt.Alblasserdam), load(t, f, gt.Alblasserdam)
		id, stays := refer(t, n), refer(t, n)
		if got, err := n.Store.FollowedReferral(t.Context(), id); err != nil || got.Need.Contact.Name != "Brughuis Voorbeeld" {
			t.Fatalf("got %+v, %v, want what was kept", got, err)
		}
		backUp := func() {
			t.Helper()
			time.Sleep(time.Second)
			if _, err := n.Desk.Backup(t.Context(), gt.Everyone()); err != nil {
				t.Fatalf("backup: %v", err)
			}
		}
		backUp()
		older, err := filepath.Glob(filepath.Join(c.Backup.Folder, "*.backup"))
		if err != nil || len(older) != 1 {
			t.Fatalf("got backups %v, %v, want one", older, err)
		}
		keysFile := filepath.Join(c.Data, "keys.vault")
		olderKeys, err := os.ReadFile(keysFile)
		if err != nil {
			t.Fatal(err)
		}
		decline(t, n, id, incarnation)
		if err := n.Store.EraseReferral(t.Context(), time.Now(), id, "test", journal.Entry{Kind: "erase"}); err != nil {
			t.Fatalf("erase: %v", err)
		}
		gone := []string{id, "Brughuis", "Voorbeeld", "dossier 77"}
		wantGone := func(when string, n *node.Node) {
			t.Helper()
			if got, err := n.Store.FollowedReferral(t.Context(), id); err == nil {
				t.Errorf("%s: got %+v, want nothing", when, got)
			}
			if _, err := n.Store.FollowedReferral(t.Context(), stays); err != nil {
				t.Errorf("%s: the other referral: %v", when, err)
			}
			due, err := n.Store.Due(t.Context(), time.Now(), gt.Smile, 10, 1<<20, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range due {
				if bytes.Contains(o.Data, []byte(id)) {
					t.Errorf("%s: it still waits to be sent", when)
				}
			}
			export, err := n.Desk.ExportJournal(t.Context(), gt.Everyone(), desk.JournalSearch{Limit: desk.ExportLimit})
			if err != nil || len(export.Records) < 3 {
				t.Fatalf("%s: exported %d entries, %v", when, len(export.Records), err)
			}
			events, err := n.Desk.Events(t.Context(), gt.Everyone(), desk.EventQuery{Limit: desk.MaxEventPage})
			if err != nil || !strings.Contains(gt.Dump(events), "referral-erased") {
				t.Fatalf("%s: got %v and %+v, want the events to tell that it was erased", when, err, events)
			}
			text := fmt.Sprintf("%+v", export) + gt.Dump(events)
			for _, word := range gone {
				if strings.Contains(text, word) {
					t.Errorf("%s: the export of the journal shows %q", when, word)
				}
			}
		}
		wantGone("after", n)
		keysBackup := filepath.Join(c.Backup.Folder, "node-"+string(gt.Alblasserdam)+".keys")
		afterErasing, err := os.ReadFile(keysBackup)
		if err != nil {
			t.Fatal(err)
		}
		backUp()
		searchFiles(t, c, f.Dir(gt.Alblasserdam), gone...)

		// An older database, and an older file of keys.
		f.Stop(gt.Alblasserdam)
		if err := os.WriteFile(keysFile, olderKeys, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := node.Restore(t.Context(), c, node.RestoreOptions{Backup: older[0]}); err != nil {
			t.Fatalf("restore: %v", err)
		}
		n = f.Start(gt.Alblasserdam)
		wantGone("after a restore", n)
		searchFiles(t, c, f.Dir(gt.Alblasserdam), gone...)
		f.Stop(gt.Alblasserdam)

		// The keys are lost; the backup of them, as erasing left it, has not what was erased.
		if err := os.WriteFile(keysBackup, afterErasing, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(keysFile); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(vault.ListPath(keysFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := node.Restore(t.Context(), c, node.RestoreOptions{Backup: older[0]}); err != nil {
			t.Fatalf("restore with keys: %v", err)
		}
		wantGone("after a restore of the keys", f.Start(gt.Alblasserdam))
	})
}

// TestVaultKey: what a node does without the secret, or with another.
func TestVaultKey(t *testing.T) {
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
		id := refer(t, f.Node(gt.Alblasserdam))
		f.Stop(gt.Alblasserdam)
		c := load(t, f, gt.Alblasserdam)
		start := func() error {
			n, err := node.New(t.Context(), node.Options{Config: c, Log: slog.New(slog.DiscardHandler), Network: f.Net.From(gt.Alblasserdam)})
			if err == nil {
				err = n.Stop(t.Context())
			}
			return err
		}
		secret, err := os.ReadFile(c.Vault)
		if err != nil {
			t.Fatal(err)
		}
		write := func(content []byte, mode os.FileMode) {
			t.Helper()
			_ = os.Remove(c.Vault)
			if content == nil {
				return
			}
			if err := errors.Join(os.WriteFile(c.Vault, content, mode), os.Chmod(c.Vault, mode)); err != nil { // whatever the umask
				t.Fatal(err)
			}
		}
		for name, one := range map[string]struct {
			content []byte
			mode    os.FileMode
			want    gateway.Kind
		}{
			"missing":             {nil, 0, gateway.NotFound},
			"of another":          {[]byte(strings.Repeat("ab", 32) + "\n"), 0o600, gateway.Denied},
			"no key":              {[]byte("hallo\n"), 0o600, gateway.Invalid},
			"readable for others": {secret, 0o644, gateway.Denied},
		} {
			write(one.content, one.mode)
			if err := start(); gateway.KindOf(err) != one.want || err == nil {
				t.Errorf("%s: got %v, want kind %v", name, err, one.want)
			}
		}
		write(secret, 0o600)
		if got, err := f.Start(gt.Alblasserdam).Store.FollowedReferral(t.Context(), id); err != nil {
			t.Errorf("with its own again: got %+v, %v, want what was kept", got, err)
		}
		f.Stop(gt.Alblasserdam)

		inside := c
		inside.Vault = filepath.Join(c.Data, "vault.key")
		c = inside
		if err := start(); gateway.KindOf(err) != gateway.Invalid {
			t.Errorf("within the data folder: got %v, want Invalid", err)
		}
	})
}

// keysIn is how many keys are in a backup of them, former ones too.
func keysIn(t *testing.T, c config.Config, content []byte) int {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(c.Keys, "backup.key"))
	if err != nil {
		t.Fatal(err)
	}
	backup, err := seal.ParseBackupKeys(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := backup.Decrypt(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := io.ReadAll(plain)
	if err != nil || len(snapshot) < 8 {
		t.Fatalf("got %d bytes and %v, want a snapshot", len(snapshot), err)
	}
	const header, entry = 16 + 16 + 12 + 16, 16 + 16 + 12 + 32 + 16
	return (int(binary.BigEndian.Uint64(snapshot)) - header) / entry
}

// TestBackupOfKeysFollowsErasures: the backup of the keys has none that was erased:
// not of a referral, not the former one of what was corrected, and not after a
// crash between the erasure and that backup.
func TestBackupOfKeysFollowsErasures(t *testing.T) {
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
		f.Settled(time.Hour)
		incarnation := f.Node(gt.Smile).Store.Incarnation()
		f.Stop(gt.Smile)
		n, c := f.Node(gt.Alblasserdam), load(t, f, gt.Alblasserdam)
		id, stays := refer(t, n), refer(t, n)
		if _, err := n.Desk.Backup(t.Context(), gt.Everyone()); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(c.Backup.Folder, "node-"+string(gt.Alblasserdam)+".keys")
		wantKeys := func(when string, want int) []byte {
			t.Helper()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := keysIn(t, c, content); got != want {
				t.Errorf("%s: got %d keys in their backup, want %d", when, got, want)
			}
			if marks, _ := filepath.Glob(filepath.Join(c.Data, "*.stale-backup")); len(marks) > 0 {
				t.Errorf("%s: got %v, want nothing left", when, marks)
			}
			return content
		}
		full := wantKeys("two referrals", 2)
		_, err := n.Store.AskRights(t.Context(), time.Now(), store.AskedRights{
			Request: gateway.SubjectRequest{
				Referral: stays, Act: gateway.Rectify, Ground: "onjuist", Received: "2026-11-02", AnswerBy: "2026-11-30",
				Correction: gateway.Correction{Need: gateway.NeedPart{Note: "Komt met de bus."}},
			},
			Here: true, Entry: journal.Entry{Kind: "ask"}, Terms: store.ReferralTerms{Due: func(gateway.Referral) gateway.Date { return "2026-12-01" }},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantKeys("corrected, with the request, its words and its message", 5)
		decline(t, n, id, incarnation)
		if err := n.Store.EraseReferral(t.Context(), time.Now(), id, "test", journal.Entry{Kind: "erase"}); err != nil {
			t.Fatal(err)
		}
		now := wantKeys("erased", 4)

		// Killed after the erasure, before the backup: the one of before is still there.
		f.Stop(gt.Alblasserdam)
		for path, content := range map[string][]byte{file: full, filepath.Join(c.Data, "keys.vault.stale-backup"): nil} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f.Start(gt.Alblasserdam)
		wantKeys("started again", keysIn(t, c, now))
	})
}
