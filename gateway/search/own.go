package search

import (
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// Here is in which gemeenten the person of a demand lives: those it names, else
// that of its postcode, else none.
func (m *Map) Here(d Demand) []gateway.Gemeente {
	if len(d.Gemeenten) > 0 {
		return d.Gemeenten
	}
	if g := m.Gemeente(d.Postcode); g != noGemeente {
		return []gateway.Gemeente{g}
	}
	return nil
}

// OwnOffer is an offer as the party itself sees it that makes it: everything, and
// exactly. The allotments for one of the gemeenten here count as the person's own.
func OwnOffer(o gateway.Offer, provider string, here []gateway.Gemeente, day gateway.Date) Offer {
	own := Offer{ProviderName: provider, Own: true, Capacity: &gateway.Capacity{
		Offer: o.ID, Provider: o.Provider, Title: o.Title, Werksoorten: o.Werksoorten, Trajectsoort: o.Trajectsoort,
		Dienstverband: o.Dienstverband, Doelgroepen: o.Doelgroepen, Grondslag: o.Grondslag, Functionaliteit: o.Functionaliteit,
		Fase: o.Fase, Trede: o.Trede, Begeleiding: o.Begeleiding, Status: o.Status, Contact: o.Contact,
		Accessibility: o.Accessibility, ValidFrom: o.ValidFrom, ValidUntil: o.ValidUntil,
		Location: gateway.CapacityLocation{
			Address: o.Location.Address, Postcode: o.Location.Postcode, Gemeente: o.Location.Gemeente, Coordinates: o.Location.Coordinates,
		},
		Places: exactly(o.Places),
	}}
	rest := slices.Clone(o.Places) // outside the allotments of the day
	for _, a := range o.Allotments {
		shown := gateway.CapacityAllotted{
			ID: a.ID, Grondslag: a.Grondslag, Places: exactly(a.Places), ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil,
		}
		if a.Names(gateway.Recipient{Gemeenten: here}) {
			own.Capacity.Allotments = append(own.Capacity.Allotments, shown)
		} else {
			own.Others = append(own.Others, shown)
		}
		if !day.Within(a.ValidFrom, a.ValidUntil) {
			continue
		}
		for _, p := range a.Places {
			if i := slices.IndexFunc(rest, func(all gateway.Places) bool { return all.Dagdeel == p.Dagdeel }); i >= 0 {
				rest[i].Maximum = max(0, rest[i].Maximum-p.Maximum)
				rest[i].Occupied = max(0, rest[i].Occupied-p.Occupied)
			}
		}
	}
	own.Unallotted = exactly(rest)
	return own
}

func exactly(places []gateway.Places) []gateway.CapacityPlaces {
	all := make([]gateway.CapacityPlaces, 0, len(places))
	for _, p := range places {
		maximum, available := p.Maximum, p.Available()
		all = append(all, gateway.CapacityPlaces{Dagdeel: p.Dagdeel, Maximum: &maximum, Available: &available})
	}
	return all
}
