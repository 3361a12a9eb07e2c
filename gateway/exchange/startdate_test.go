package exchange_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// ninetyDays runs a federation for 90 days of daily exports. Participants of
// Alblasserdam's allotment start on the given days. It answers, for each
// recipient, what crossed the wire: when, and which data.
func ninetyDays(t *testing.T, starts []int) map[gateway.OIN][]string {
	seen := map[gateway.OIN][]string{}
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(),
			gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"),
			gemeente(gt.Sliedrecht, "Sliedrecht", "gm0610"),
			gt.Member{OIN: gt.GRS, Name: "GRS", Kind: gateway.GRS})
		begin := time.Now()
		for day := range 90 {
			taken := 0
			for _, s := range starts {
				if s <= day {
					taken++
				}
			}
			// Others fill most of the rest, so that bands do change.
			offer := gt.Occupy(gt.Occupy(gt.Offer("groen"), "dordrecht", 5), "overig", 2)
			f.Publish(gt.Smile, gt.Occupy(offer, "alblasserdam", taken))
			time.Sleep(24 * time.Hour)
		}
		for _, x := range f.Net.Wire() {
			for _, token := range x.Batch.Messages {
				m, err := gateway.DecodeMessage(payload(t, token))
				if err != nil {
					t.Fatal(err)
				}
				when := m.Time.Sub(begin).Truncate(time.Minute)
				seen[x.To] = append(seen[x.To], fmt.Sprintf("%v sequence %d: %s", when, m.Sequence, m.Data))
			}
		}
	})
	return seen
}

// Whatever day of a week a participant starts on, everybody but the owner of the
// allotment gets the same messages at the same times, for 90 days. The owner's
// differ: it placed the participant. And with a start in another week the
// others' differ too, or they would see nothing at all.
func TestNoStartDateFromNinetyDaysOfMessages(t *testing.T) {
	t.Parallel()
	others := []int{3, 10, 12, 17} // the fifth start, which we look at, changes the band
	var weeks []map[gateway.OIN][]string
	for _, day := range []int{22, 26, 43} { // Tuesday and Saturday of one week; another week
		weeks = append(weeks, ninetyDays(t, append(slices.Clone(others), day)))
	}
	tuesday, saturday, later := weeks[0], weeks[1], weeks[2]
	for _, oin := range []gateway.OIN{gt.Sliedrecht, gt.GRS} {
		if !slices.Equal(tuesday[oin], saturday[oin]) {
			t.Errorf("%s can tell Tuesday from Saturday:\n%v\n%v", oin, tuesday[oin], saturday[oin])
		}
		if slices.Equal(tuesday[oin], later[oin]) {
			t.Errorf("%s sees nothing of a start at all: the test shows nothing", oin)
		}
	}
	if slices.Equal(tuesday[gt.Alblasserdam], saturday[gt.Alblasserdam]) {
		t.Error("the owner of the allotment does not see the start: the test shows nothing")
	}
}
