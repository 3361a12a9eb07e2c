package desk_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/search"
	"github.com/doorstroom/doorstroom/gateway/store"
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

// BenchmarkSearchPlaces10000 searches among 10,000 offers that another party has
// sent, as the local API does: reading them and the entry in the journal included.
func BenchmarkSearchPlaces10000(b *testing.B) {
	f := gt.NewFederation(b,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
	f.Stop(gt.Smile)
	node := f.Node(gt.Alblasserdam)
	take(b, node.Store, 10_000)
	demand := search.Demand{
		Werksoorten: []string{"groen"}, Fase: 2, Trede: 3, Dagdelen: []gateway.Dagdeel{"ma-ochtend"}, Postcode: "2952", MaxKm: 15, LittleDutch: true,
	}
	b.ReportAllocs()
	least := time.Hour // what other work on the machine adds is not of the search
	for b.Loop() {
		begin := time.Now()
		result, err := node.Desk.SearchPlaces(context.Background(), gt.Everyone(), demand)
		if err != nil || result.Searched != 10_000 || result.Fitting == 0 {
			b.Fatalf("search: got %v, %d searched, %d fitting", err, result.Searched, result.Fitting)
		}
		least = min(least, time.Since(begin))
	}
	b.ReportMetric(float64(least.Microseconds())/1000, "ms-least")
}

// take stores offers as messages from Smile bring them, at a thousand places.
func take(tb testing.TB, s *store.Store, n int) {
	tb.Helper()
	now := time.Now()
	everything := gateway.Disclosure{}
	for _, field := range gateway.Fields() {
		forms := field.Forms()
		everything[field] = forms[len(forms)-1]
	}
	var batch []store.Inbound
	for i := range n {
		o := gt.Offer(fmt.Sprintf("aanbod-%07d", i))
		o.Location.Coordinates = &gateway.Coordinates{Lat: 51.76 + float64(i%1000)*0.00014, Lon: 4.55 + float64(i*7%1000)*0.0003}
		o.Werksoorten = [][]string{{"groen"}, {"hout"}, {"metaal", "groen"}}[i%3]
		c := gateway.Project(o, gateway.Sampling{}.Advance(o, now), gateway.Recipient{Party: gt.Alblasserdam, Gemeenten: []gateway.Gemeente{"gm0482"}}, everything)
		data, digest := c.Encode()
		subject := gateway.Hash([]byte(o.ID))
		batch = append(batch, store.Inbound{
			Message: gateway.Message{ID: subject, Source: gt.Smile, Recipient: gt.Alblasserdam, Kind: gateway.KindCapacity, Subject: subject,
				Incarnation: 1, Sequence: uint64(i + 1), Time: now, Expires: now.Add(gateway.MaxLifetime), Data: data},
			Digest: digest, Outcome: gateway.Received, Effect: store.Effect{Subject: subject, Put: data},
		})
		if len(batch) == 500 || i == n-1 {
			if _, err := s.Accept(context.Background(), now, gt.Alblasserdam, gt.Smile, batch); err != nil {
				tb.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}
