package desk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// BenchmarkPublish imports 500 offers of which all, or none, have changed, for
// one gemeente that cannot be reached: their messages wait, and are replaced.
func BenchmarkPublish(b *testing.B) {
	for name, changed := range map[string]int{"changed": 500, "unchanged": 0} {
		b.Run(name, func(b *testing.B) {
			f := gt.NewFederation(b,
				gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
				gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
			f.Stop(gt.Alblasserdam)
			d := f.Node(gt.Smile).Desk
			imp := gateway.Import{Source: "admin"}
			for i := range 500 {
				imp.Offers = append(imp.Offers, gt.Offer(fmt.Sprintf("aanbod-%07d", i)))
			}
			publish := func() {
				report, err := d.PublishCapacity(context.Background(), gt.Everyone(), imp, false)
				if err != nil || report.Bad > 0 {
					b.Fatalf("import: got %v, %s", err, report.Text())
				}
			}
			publish()
			b.ReportAllocs()
			for version := 0; b.Loop(); version++ {
				for i := range changed {
					imp.Offers[i].Title = fmt.Sprintf("Groen in de wijk %d", version)
				}
				publish()
			}
		})
	}
}
