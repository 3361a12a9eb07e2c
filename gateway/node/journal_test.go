package node_test

import (
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// A node that runs on after eight years reduces what is past seven of them, and
// what is left verifies.
func TestJournalIsReduced(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf})
		f.Publish(gt.Smile, gt.Offer("groen"))
		before := len(f.Journal(gt.Smile))
		f.Stop(gt.Smile)
		time.Sleep(8 * 365 * 24 * time.Hour)
		n := f.Start(gt.Smile)
		time.Sleep(2 * time.Hour)
		report, err := n.Desk.VerifyJournal(t.Context(), gt.Everyone())
		must(t, err)
		if report.Reduced < uint64(before) || journaled(t, n, journal.KindReduced) != 1 {
			t.Errorf("got %d of the first %d entries reduced, and %d entries about it, want all and one",
				report.Reduced, before, journaled(t, n, journal.KindReduced))
		}
		if records := f.Journal(gt.Smile); records[0].Index != report.Reduced {
			t.Errorf("the first entry is %d, want %d", records[0].Index, report.Reduced)
		}
	})
}
