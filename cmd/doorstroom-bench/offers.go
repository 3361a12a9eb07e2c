package main

import (
	"context"
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

const source = "admin" // the name of the export

// newOffer is an offer of which a gemeente sees some 1.2 KB, and not all: who it
// is meant for and the allotments of others are kept back.
func newOffer(id string, gemeente gateway.Gemeente, version int) gateway.Offer {
	places := func(maximum int, days ...gateway.Dagdeel) []gateway.Places {
		var p []gateway.Places
		for _, d := range days {
			p = append(p, gateway.Places{Dagdeel: d, Maximum: maximum})
		}
		return p
	}
	return gateway.Offer{
		ID: id, Provider: senderOIN, Title: fmt.Sprintf("Groen in de wijk %d", version),
		Werksoorten: []string{"groen"}, Trajectsoort: "participatieplaats", Dienstverband: "geen",
		Doelgroepen: []string{"banenafspraak"}, Grondslag: "participatiewet", Functionaliteit: "G",
		Fase: gateway.Range{Min: 2, Max: 3}, Trede: gateway.Range{Min: 2, Max: 4},
		Begeleiding: gateway.Begeleiding{Soort: "werkbegeleider", Intensiteit: "hoog", Ratio: 8},
		Location: gateway.Location{
			Address:  gateway.Address{Street: "Voorbeeldstraat", Number: "1", City: "Alblasserdam"},
			Postcode: "2952AA", Gemeente: gemeente, Coordinates: &gateway.Coordinates{Lat: 51.866, Lon: 4.661},
		},
		Places: places(15, "ma-ochtend"),
		Allotments: []gateway.Allotment{
			{ID: "eigen", Gemeenten: []gateway.Gemeente{gemeente}, Places: places(5, "ma-ochtend")},
			{ID: "overig", Gemeenten: []gateway.Gemeente{"gm0523", "gm0531"}, Places: places(5, "ma-ochtend")},
		},
		Contact:   gateway.Contact{Name: "Fictieve Contactpersoon", Phone: "0100000000", Email: "contact@smile.example"},
		ValidFrom: "2000-01-01", ValidUntil: "2099-12-31",
	}
}

// admin publishes changes of a pool of offers, in turn. It is for one goroutine.
type admin struct {
	client   *rest.LocalClient
	gemeente gateway.Gemeente
	pool     int
	versions map[string]int // of each offer, the last published
	next     int
	messages int // published so far
}

func newAdmin(client *rest.LocalClient, gemeente gateway.Gemeente, pool int) *admin {
	return &admin{client: client, gemeente: gemeente, pool: pool, versions: map[string]int{}}
}

// publish changes the next n offers of the pool in one import.
func (a *admin) publish(ctx context.Context, n int) error {
	imp := gateway.Import{Source: source}
	for range n {
		id := fmt.Sprintf("aanbod-%07d", a.next%a.pool)
		a.next++
		a.versions[id]++
		imp.Offers = append(imp.Offers, newOffer(id, a.gemeente, a.versions[id]))
	}
	report, err := a.client.Publish(ctx, imp, false)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if report.Messages != n {
		return fmt.Errorf("an import of %d offers made %d messages: %s", n, report.Messages, report.Text())
	}
	a.messages += n
	return nil
}
