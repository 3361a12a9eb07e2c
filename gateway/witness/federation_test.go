package witness_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

func smile() gt.Member {
	return gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf}
}

func gemeente(oin gateway.OIN, name string, code gateway.Gemeente) gt.Member {
	return gt.Member{OIN: oin, Name: name, Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{code}}
}

func region(t *testing.T) *gt.Federation {
	return gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"),
		gemeente(gt.Dordrecht, "Dordrecht", "gm0505"), gt.Member{OIN: gt.GRS, Name: "GRS", Kind: gateway.GRS})
}

func three(t *testing.T) *gt.Federation {
	return gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func statuses(t *testing.T, f *gt.Federation, oin gateway.OIN) map[gateway.OIN]store.WitnessStatus {
	t.Helper()
	all, err := f.Node(oin).Store.WitnessStatuses(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	by := map[gateway.OIN]store.WitnessStatus{}
	for _, s := range all {
		by[s.Witness] = s
	}
	return by
}

func held(t *testing.T, f *gt.Federation, oin, log gateway.OIN) store.Held {
	t.Helper()
	h, err := f.Node(oin).Store.Held(context.Background(), log)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func round(t *testing.T, f *gt.Federation, oin gateway.OIN) bool {
	t.Helper()
	enough, err := f.Node(oin).Witness.Round(context.Background())
	if err != nil {
		t.Fatalf("round of %s: %v", oin, err)
	}
	return enough
}

// Soon after the start each keeps the head of the other's journal, and the
// cosignature is kept with the checkpoint.
func TestTwoPartiesWitnessEachOther(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		pass(time.Minute)
		for log, by := range map[gateway.OIN]gateway.OIN{gt.Smile: gt.Dordrecht, gt.Dordrecht: gt.Smile} {
			status := statuses(t, f, log)[by]
			if status.Size == 0 || status.Problem != "" {
				t.Fatalf("%s: got %+v, want a size and no problem", log, status)
			}
			heads := held(t, f, by, log).Heads
			if len(heads) != 1 || heads[0].Size != status.Size {
				t.Fatalf("%s holds %+v, want one head over %d entries", by, heads, status.Size)
			}
			proof, err := f.Node(log).Store.ProveEntry(context.Background(), 0, 1)
			if err != nil || len(proof.Cosignatures) != 1 {
				t.Fatalf("proof of entry 0: got %d cosignatures and %v, want 1", len(proof.Cosignatures), err)
			}
			if got, want := proof.Cosignatures[0].Line, "\u2014 "+witness.Name(by)+" "; !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want a line of %q", got, want)
			}
		}
	})
}

// What a witness cosigned is on disk: it is there after a restart, from which the
// next day goes on.
func TestHeadsGoOnDayAfterDay(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := region(t)
		pass(time.Minute)
		first := statuses(t, f, gt.Smile)
		if len(first) != 2 {
			t.Fatalf("got %d witnesses, want 2", len(first))
		}
		for by := range first {
			f.Stop(by)
			f.Start(by)
		}
		for range 3 {
			f.Publish(gt.Smile, gt.Offer("een"), gt.Offer(time.Now().Format("o-0102")))
			pass(24 * time.Hour)
		}
		for by, was := range first {
			now := statuses(t, f, gt.Smile)[by]
			if now.Problem != "" || now.Size <= was.Size {
				t.Errorf("witness %s: got %+v, want more than %d entries", by, now, was.Size)
			}
			if h := held(t, f, by, gt.Smile); len(h.Heads) != 4 || h.Refused != nil || h.Branches != nil {
				t.Errorf("%s holds %d heads, %+v, %+v; want 4 and nothing else", by, len(h.Heads), h.Refused, h.Branches)
			}
		}
	})
}
