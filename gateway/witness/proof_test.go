package witness_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

func prove(t *testing.T, f *gt.Federation, entry uint64) witness.Proof {
	t.Helper()
	p, err := f.Node(gt.Smile).Witness.Prove(context.Background(), entry)
	if err != nil {
		t.Fatalf("prove entry %d: %v", entry, err)
	}
	return p
}

// Every entry can be proven, with the register and nothing else; nothing of the
// proof can be changed.
func TestProofsHoldByTheRegisterAlone(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := three(t)
		f.Publish(gt.Smile, gt.Offer("een"))
		pass(time.Minute)
		reg, err := register.Restore(f.Register)
		if err != nil {
			t.Fatal(err)
		}
		entries := f.Journal(gt.Smile)
		witnessed := statuses(t, f, gt.Smile)[gt.Dordrecht].Size
		for i := range witnessed {
			checked, err := witness.CheckProof(prove(t, f, i), reg)
			if err != nil {
				t.Fatalf("entry %d: %v", i, err)
			}
			if got, want := string(checked.Entry.Encode()), string(entries[i].Entry.Encode()); got != want {
				t.Errorf("entry %d: got %s, want %s", i, got, want)
			}
			if len(checked.Witnesses) != 2 || checked.KID != f.Key(gt.Smile).KID() {
				t.Errorf("entry %d: got %+v, want two witnesses and the key of Smile", i, checked)
			}
		}
		good := prove(t, f, 1)
		for name, change := range map[string]func(*witness.Proof){
			"format":     func(p *witness.Proof) { p.Format = "x" },
			"party":      func(p *witness.Proof) { p.Party = gt.Dordrecht },
			"unknown":    func(p *witness.Proof) { p.Party = "00000099000000099000" },
			"entry":      func(p *witness.Proof) { p.Entry++ },
			"far entry":  func(p *witness.Proof) { p.Entry = 1 << 40 },
			"leaf":       func(p *witness.Proof) { p.Leaf = bytes.Replace(p.Leaf, []byte("kind"), []byte("kine"), 1) },
			"path":       func(p *witness.Proof) { p.Path = slices.Clone(p.Path); p.Path[0] = make([]byte, 32) },
			"short hash": func(p *witness.Proof) { p.Path = slices.Clone(p.Path); p.Path[0] = p.Path[0][:31] },
			"no path":    func(p *witness.Proof) { p.Path = nil },
			"head": func(p *witness.Proof) {
				p.Checkpoint = strings.Replace(p.Checkpoint, "incarnation 1", "incarnation 2", 1)
			},
			"no own line": func(p *witness.Proof) { p.Checkpoint = withoutLines(p.Checkpoint, witness.Origin(gt.Smile)) },
		} {
			bad := good
			change(&bad)
			if _, err := witness.CheckProof(bad, reg); gateway.KindOf(err) != gateway.Invalid || err == nil {
				t.Errorf("%s: got %v, want an Invalid error", name, err)
			}
		}
		if _, err := f.Node(gt.Smile).Witness.Prove(context.Background(), 1<<40); gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("an entry that is not there: got %v, want NotFound", err)
		}
	})
}

func withoutLines(note, name string) string {
	var kept []string
	for line := range strings.Lines(note) {
		if !strings.HasPrefix(line, "\u2014 "+name+" ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// A key that was compromised proves nothing any more.
func TestCompromisedWitnessDoesNotCount(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := three(t)
		pass(time.Minute)
		p := prove(t, f, 0)
		file := f.NextRegister(func(doc *register.Document) {
			for i := range doc.Parties {
				if doc.Parties[i].OIN == gt.Dordrecht {
					doc.Parties[i].SigningKeys = slices.Clone(doc.Parties[i].SigningKeys)
					doc.Parties[i].SigningKeys[0].Compromised = true
				}
			}
		})
		reg, err := register.Restore(file)
		if err != nil {
			t.Fatal(err)
		}
		checked, err := witness.CheckProof(p, reg)
		if err != nil || len(checked.Witnesses) != 1 || checked.Witnesses[0].Party != gt.Alblasserdam {
			t.Errorf("got %+v and %v, want Alblasserdam as the only witness", checked.Witnesses, err)
		}
	})
}

// A party of an older version is passed over, quietly, and another takes its
// place; status tells.
func TestOlderPartyLacksWitnessing(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		pass(time.Minute)
		var older gateway.OIN
		for oin := range statuses(t, f, gt.Smile) {
			older = oin
		}
		f.SetAge(older, gt.Age{Protocols: []int{1}})
		for range 3 {
			pass(24 * time.Hour)
		}
		s := statuses(t, f, gt.Smile)
		if len(s) != 3 || s[older].Problem != store.WitnessLacks {
			t.Fatalf("got %+v, want a third witness in the place of %s", s, older)
		}
		state, err := f.Node(gt.Smile).Witness.State(context.Background())
		if err != nil || state.Age(time.Now()) > 25*time.Hour {
			t.Errorf("got %+v and %v, want a witnessed journal", state, err)
		}
		asked := 0
		for _, a := range f.Net.Asked() {
			if a.From == gt.Smile {
				asked++
			}
		}
		if want := 2 + 3*3; asked > want { // two at first, then with the odd question for the old head
			t.Errorf("got %d requests in three days, want at most %d", asked, want)
		}
		status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone())
		if err != nil || !strings.Contains(gt.Dump(status.Peers), "does not witness journals") {
			t.Errorf("got %s and %v, want a note", gt.Dump(status.Peers), err)
		}
	})
}

// When a node asks its witnesses tells nothing of what it does: the times are
// those of a node that does nothing, and no two parties share one.
func TestTimesTellNothing(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := three(t)
		for i := range 40 {
			f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(time.Now().Format("o-150405")))
			pass(time.Duration(i%7+1) * 17 * time.Minute)
		}
		pass(48 * time.Hour)
		times := map[gateway.OIN][]time.Time{}
		for _, a := range f.Net.Asked() {
			if n := len(times[a.From]); n == 0 || a.At.Sub(times[a.From][n-1]) > time.Minute {
				times[a.From] = append(times[a.From], a.At)
			}
		}
		seen := map[string]gateway.OIN{}
		for oin, at := range times {
			if len(at) < 3 {
				t.Fatalf("%s: got %d rounds, want one at the start and one a day", oin, len(at))
			}
			for i := 2; i < len(at); i++ {
				if got := at[i].Sub(at[i-1]).Round(time.Minute); got != 24*time.Hour {
					t.Errorf("%s: got rounds %v apart, want a day", oin, got)
				}
			}
			slot := at[1].Format("15:04:05")
			if other, twice := seen[slot]; twice {
				t.Errorf("%s and %s share %s", oin, other, slot)
			}
			seen[slot] = oin
		}
	})
}

// A witness whose answer gets lost, that lies, or that cannot be reached: nothing
// is believed, and the next round mends it.
func TestFaultyWitnesses(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		pass(time.Minute)
		before := statuses(t, f, gt.Smile)[gt.Dordrecht]
		lies := map[string]func(*witness.Answer) error{
			"lost": func(*witness.Answer) error { return gateway.Errorf(gateway.Unavailable, "the answer was lost") },
			"cosignature of nobody": func(a *witness.Answer) error {
				a.Cosignature = "\u2014 " + witness.Name(gt.Dordrecht) + " AAAAAAAA\n"
				return nil
			},
			"none":              func(a *witness.Answer) error { a.Cosignature = ""; return nil },
			"conflict for ever": func(a *witness.Answer) error { a.Outcome, a.Size = witness.Conflict, 1; return nil },
		}
		for name, lie := range lies {
			f.Net.Break(gt.Fault{Witness: func(_, _ gateway.OIN, a *witness.Answer) error { return lie(a) }})
			f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(name))
			pass(2 * time.Minute)
			if round(t, f, gt.Smile) {
				t.Errorf("%s: got enough witnesses, want none", name)
			}
			if s := statuses(t, f, gt.Smile)[gt.Dordrecht]; s.Size != before.Size || s.Conflict() || s.Problem == "" {
				t.Errorf("%s: got %+v, want a problem and no new size", name, s)
			}
		}
		f.Net.Break(gt.Fault{})
		pass(2 * time.Minute)
		if s := statuses(t, f, gt.Smile)[gt.Dordrecht]; !round(t, f, gt.Smile) || s.Conflict() {
			t.Errorf("got %+v, want it mended", s)
		}
		if got := kinds(f, gt.Dordrecht, journal.KindWitnessRefused) + kinds(f, gt.Smile, journal.KindWitnessConflict); got != 0 {
			t.Errorf("got %d alarms in the journals, want none", got)
		}
	})
}

// The cosignature of one witness does not stand for that of another, and one of two
// is not enough.
func TestOneWitnessIsNotTwo(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := three(t)
		pass(time.Minute)
		before := statuses(t, f, gt.Smile)
		f.Net.Break(gt.Fault{Witness: func(from, to gateway.OIN, a *witness.Answer) error {
			if from != gt.Smile || to != gt.Dordrecht {
				return nil
			}
			var request witness.Request
			for _, asked := range f.Net.Asked() {
				if asked.From == from && asked.To == to {
					request = asked.Request
				}
			}
			key, _ := f.Key(gt.Alblasserdam).Ed25519()
			var err error
			a.Cosignature, err = journal.Cosign([]byte(request.Checkpoint), witness.Name(gt.Alblasserdam), key, time.Now())
			return err
		}})
		f.Publish(gt.Smile, gt.Offer("een"))
		pass(2 * time.Minute)
		if round(t, f, gt.Smile) {
			t.Error("got enough witnesses, want one of two")
		}
		after := statuses(t, f, gt.Smile)
		if s := after[gt.Dordrecht]; s.Size != before[gt.Dordrecht].Size || s.Problem == "" {
			t.Errorf("in the name of another: got %+v, want a problem and no new size", s)
		}
		if s := after[gt.Alblasserdam]; s.Size <= before[gt.Alblasserdam].Size || s.Problem != "" {
			t.Errorf("the other: got %+v, want a new size", s)
		}
	})
}
