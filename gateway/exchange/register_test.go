package exchange_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
)

// installNext signs a successor with the change applied and installs it at one
// node; the others have a day to learn it.
func installNext(t *testing.T, f *gt.Federation, at gateway.OIN, change func(*register.Document)) {
	t.Helper()
	if _, err := f.Node(at).Desk.InstallRegister(context.Background(), gt.Everyone(), f.NextRegister(change)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(24 * time.Hour)
}

// registers counts what the journal of a node says of registers: installed, the
// first included, and refused.
func registers(f *gt.Federation, oin gateway.OIN) (installed, refused int) {
	for _, r := range f.Journal(oin) {
		switch r.Entry.Kind {
		case journal.KindRegisterInstalled:
			installed++
		case journal.KindRegisterRefused:
			refused++
		}
	}
	return installed, refused
}

// fetch is a version of the register as a node gives it.
func fetch(t *testing.T, f *gt.Federation, oin gateway.OIN, version uint64) []byte {
	t.Helper()
	file, err := f.Node(oin).Exchange.RegisterFile(context.Background(), version)
	if err != nil {
		t.Fatalf("%s does not give version %d: %v", oin, version, err)
	}
	return file
}

func inForce(f *gt.Federation, oin gateway.OIN) uint64 {
	return f.Node(oin).Desk.Rules().Register.Version()
}

// A node is away while the register goes from version 1 to 4, and one in between
// expires. It takes the last over at once, keeps all for others, and nobody
// finds anything to refuse, though several peers offer the same.
func TestMissedRegistersAreFetched(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		installNext(t, f, gt.GRS, func(d *register.Document) { *d = register.Remove(*d, gt.Molenlanden) })
		installNext(t, f, gt.Smile, func(d *register.Document) { d.ValidUntil = d.Issued.Add(25 * time.Hour) })
		installNext(t, f, gt.Alblasserdam, func(*register.Document) {})
		time.Sleep(48 * time.Hour)
		if got := inForce(f, gt.Dordrecht); got != 1 {
			t.Fatalf("cut off: got register version %d, want 1", got)
		}
		f.Net.Mend(gt.Dordrecht)
		time.Sleep(13 * time.Hour)
		slower := [][]byte{fetch(t, f, gt.GRS, 2), fetch(t, f, gt.GRS, 3)}
		if err := f.Node(gt.Dordrecht).Desk.FetchedRegister(context.Background(), gt.GRS, 2, slower); err != nil {
			t.Errorf("a peer that was slower than another: %v", err)
		}
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht, gt.GRS} {
			if got := inForce(f, oin); got != 4 {
				t.Errorf("%s has register version %d, want 4", oin, got)
			}
			if _, refused := registers(f, oin); refused != 0 {
				t.Errorf("%s refused %d registers, want none", oin, refused)
			}
			for version := uint64(1); version <= 4; version++ {
				if reg, err := register.Restore(fetch(t, f, oin, version)); err != nil || reg.Version() != version {
					t.Errorf("%s gives another register as version %d: %v", oin, version, err)
				}
			}
		}
		if installed, _ := registers(f, gt.Dordrecht); installed != 2 {
			t.Errorf("got %d registers in force in turn, want the first and the last only", installed)
		}
		if _, err := f.Node(gt.Dordrecht).Exchange.RegisterFile(context.Background(), 5); gateway.KindOf(err) != gateway.NotFound {
			t.Errorf("a version that is not there: got %v, want kind NotFound", err)
		}
		f.Settled(time.Hour)
	})
}

// A peer gives something else between: that is refused once, and messages go on
// under the register that is in force.
func TestBrokenChainOfRegistersIsRefused(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		f.Net.Cut(gt.Dordrecht)
		for range 3 {
			installNext(t, f, gt.Smile, func(*register.Document) {})
		}
		broken := [][]byte{[]byte("iets anders"), f.Register}
		err := f.Node(gt.Smile).Store.SaveRegister(context.Background(), time.Now(), broken, 4, journal.Entry{Kind: "test"})
		if err != nil {
			t.Fatal(err)
		}
		f.Net.Mend(gt.Dordrecht)
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(24 * time.Hour)
		time.Sleep(24 * time.Hour)
		if got := inForce(f, gt.Dordrecht); got != 1 {
			t.Errorf("got register version %d, want 1", got)
		}
		if installed, refused := registers(f, gt.Dordrecht); installed != 1 || refused != 1 {
			t.Errorf("got %d registers installed and %d refused, want 1 and 1", installed, refused)
		}
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 1 {
			t.Errorf("got %d offers, want 1", got)
		}
	})
}
