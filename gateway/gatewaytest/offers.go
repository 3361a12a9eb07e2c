package gatewaytest

import "github.com/doorstroom/doorstroom/gateway"

// Test OINs of the parties that tests play.
const (
	Smile        gateway.OIN = "00000099000000001000"
	Drechtwerk   gateway.OIN = "00000099000000002000"
	Alblasserdam gateway.OIN = "00000099000000003000"
	Dordrecht    gateway.OIN = "00000099000000004000"
	Molenlanden  gateway.OIN = "00000099000000005000"
	GRS          gateway.OIN = "00000099000000006000"
	Sliedrecht   gateway.OIN = "00000099000000007000"
)

// Offer is a valid offer of 15 places: 5 for Alblasserdam, 5 for Dordrecht, 5
// for the other Drechtsteden. Its contact is made up.
func Offer(id string) gateway.Offer {
	places := func(maximum int, days ...gateway.Dagdeel) []gateway.Places {
		var p []gateway.Places
		for _, d := range days {
			p = append(p, gateway.Places{Dagdeel: d, Maximum: maximum})
		}
		return p
	}
	return gateway.Offer{
		ID: id, Provider: Smile, Title: "Groen in de wijk", Werksoorten: []string{"groen"},
		Trajectsoort: "participatieplaats", Dienstverband: "geen", Grondslag: "participatiewet", Functionaliteit: "G",
		Fase: gateway.Range{Min: 2, Max: 3}, Trede: gateway.Range{Min: 2, Max: 4},
		Begeleiding: gateway.Begeleiding{Soort: "werkbegeleider", Intensiteit: "hoog", Ratio: 8},
		Location: gateway.Location{
			Address: gateway.Address{Street: "Voorbeeldstraat", Number: "1", City: "Alblasserdam"}, Postcode: "2952AA", Gemeente: "gm0482",
			Coordinates: &gateway.Coordinates{Lat: 51.866, Lon: 4.661},
		},
		Places: places(15, "ma-ochtend", "ma-middag"),
		Allotments: []gateway.Allotment{
			{ID: "alblasserdam", Gemeenten: []gateway.Gemeente{"gm0482"}, Places: places(5, "ma-ochtend", "ma-middag")},
			{ID: "dordrecht", Gemeenten: []gateway.Gemeente{"gm0505"}, Places: places(5, "ma-ochtend", "ma-middag")},
			{ID: "overig", Gemeenten: []gateway.Gemeente{"gm0523", "gm0531", "gm0590", "gm0610", "gm0642"}, Places: places(5, "ma-ochtend", "ma-middag")},
		},
		Contact:   gateway.Contact{Name: "Fictieve Contactpersoon", Phone: "0100000000", Email: "contact@smile.example"},
		ValidFrom: "2000-01-01", ValidUntil: "2099-12-31",
	}
}

// Occupy sets how many places are taken, in the offer and in one allotment.
func Occupy(o gateway.Offer, allotment string, taken int) gateway.Offer {
	o.Places = append([]gateway.Places(nil), o.Places...)
	for i := range o.Places {
		o.Places[i].Occupied += taken
	}
	o.Allotments = append([]gateway.Allotment(nil), o.Allotments...)
	for i := range o.Allotments {
		if o.Allotments[i].ID != allotment {
			continue
		}
		o.Allotments[i].Places = append([]gateway.Places(nil), o.Allotments[i].Places...)
		for j := range o.Allotments[i].Places {
			o.Allotments[i].Places[j].Occupied += taken
		}
	}
	return o
}
