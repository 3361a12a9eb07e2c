package search_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/search"
)

func shipped(t testing.TB) *search.Map {
	t.Helper()
	return search.ShippedMap()
}

// The ways that people of the Drechtsteden know: over which bridge, and about how
// far.
func TestKnownRides(t *testing.T) {
	m := shipped(t)
	for _, test := range []struct {
		name, from, to string
		low, high      float64 // km
		over           string
	}{
		{"Alblasserdam–Papendrecht: one bank", "2951", "3353", 2, 8, ""},
		{"Alblasserdam–Hendrik-Ido-Ambacht", "2951", "3341", 2, 6, "Brug over de Noord"},
		{"Alblasserdam–Ridderkerk", "2951", "2981", 3, 11, "Brug over de Noord"},
		{"Alblasserdam–Dordrecht", "2951", "3311", 7, 14, "Papendrechtse Brug"},
		{"Alblasserdam–De Staart", "2951", "3313", 7, 13, "Papendrechtse Brug"},
		{"Papendrecht–De Staart", "3351", "3313", 2, 6, "Papendrechtse Brug"},
		{"Sliedrecht–Dubbeldam", "3361", "3319", 7, 14, "Baanhoekbrug"},
		{"Zwijndrecht–Krispijn", "3331", "3314", 1.5, 6, "Zwijndrechtse Brug"},
		{"Zwijndrecht–Dordrecht", "3331", "3311", 1.5, 6, "Zwijndrechtse Brug"},
		{"Zwijndrecht–Hendrik-Ido-Ambacht: one bank", "3331", "3341", 2, 6, ""},
		{"'s-Gravendeel–Sterrenburg", "3295", "3318", 4, 10, "Kiltunnel"},
		{"Heinenoord–Barendrecht", "3274", "2991", 4, 11, "Tweede Heinenoordtunnel"},
		{"Kinderdijk–Krimpen aan de Lek", "2961", "2931", 1, 6, "Veer Kinderdijk – Krimpen aan de Lek"},
		{"Zoetermeer–Leidschendam: no water in the way", "2711", "2261", 7, 12, ""},
		{"Rijswijk–Delft", "2289", "2611", 2, 7, ""},
		{"Groningen", "9711", "9717", 0.5, 3, ""},
	} {
		got, ok := m.Ride(search.Spot{Postcode: test.from}, search.Spot{Postcode: test.to})
		if !ok || got.Km < test.low || got.Km > test.high {
			t.Errorf("%s: got %v, %t; want %v to %v km", test.name, got, ok, test.low, test.high)
		}
		if got.NoWater {
			t.Errorf("%s: got that water is not known there", test.name)
		}
		if over := strings.Join(got.Over, " + "); !strings.HasPrefix(over, test.over) || test.over == "" && over != "" {
			t.Errorf("%s: got over %q, want %q", test.name, over, test.over)
		}
	}
}

// Where the map has not all water it says so, also if it knows some of it.
func TestUnknownWater(t *testing.T) {
	ownWater, err := search.LoadMap(fstest.MapFS{search.WaterFile: {Data: []byte("water,lat,lon\nEigen,51.90,4.70\nEigen,51.90,4.71\n")}})
	if err != nil {
		t.Fatal(err)
	}
	ownArea, err := search.LoadMap(fstest.MapFS{
		search.WaterFile: {Data: []byte("water,lat,lon\n")},
		search.AreasFile: {Data: []byte("gebied,zuid,west,noord,oost\nWest,51.80,4.60,51.84,4.65\nOost,51.80,4.65,51.88,4.70\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	shipped := shipped(t)
	for _, test := range []struct {
		name, from, to string
		m              *search.Map
		want           bool
	}{
		{"one area", "2951", "3311", shipped, false},
		{"one area, without water in the way", "2711", "2611", shipped, false},
		{"from area to area, over known bridges", "9711", "2951", shipped, true},
		{"from area to area, in a straight line", "2711", "9711", shipped, true},
		{"two areas side by side", "3331", "3351", ownArea, true},
		{"one of them", "3351", "2951", ownArea, false},
		{"water of one's own, and no areas", "2951", "2954", ownWater, true},
	} {
		got, ok := test.m.Ride(search.Spot{Postcode: test.from}, search.Spot{Postcode: test.to})
		if !ok || got.NoWater != test.want {
			t.Errorf("%s: got %+v, %t; want unknown water %t", test.name, got, ok, test.want)
		}
	}
}

// A way that begins and ends in an area and bends outside of it is not known.
func TestBendOutsideArea(t *testing.T) {
	files := fstest.MapFS{
		search.WaterFile:     {Data: []byte("water,lat,lon\nZ,51.70,4.65\nZ,51.80,4.65\nZ,51.80,4.95\n")},
		search.CrossingsFile: {Data: []byte("naam,soort,minuten,lat1,lon1,lat2,lon2\nBrug,brug,0,51.799,4.90,51.801,4.90\n")},
		search.AreasFile:     {Data: []byte("gebied,zuid,west,noord,oost\nWest,51.75,4.64,51.85,4.75\n")},
	}
	for _, test := range []struct {
		area string
		want bool
	}{{"West,51.75,4.64,51.85,4.75", true}, {"Heel,51.75,4.64,51.85,4.95", false}} {
		files[search.AreasFile] = &fstest.MapFile{Data: []byte("gebied,zuid,west,noord,oost\n" + test.area + "\n")}
		m, err := search.LoadMap(files)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.Ride(search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.79, Lon: 4.74}}, search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.81, Lon: 4.74}})
		if !ok || len(got.Over) != 1 || got.NoWater != test.want {
			t.Errorf("%s: got %+v, %t; want over the bridge, unknown water %t", test.area, got, ok, test.want)
		}
	}
}

// Nearer in a straight line, farther by bicycle: the river decides.
func TestRiverBeatsStraightLine(t *testing.T) {
	m := shipped(t)
	from := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.8300, Lon: 4.6640}}     // Papendrecht, on the Noord
	across := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.8330, Lon: 4.6480}}   // Hendrik-Ido-Ambacht, 1.2 km away
	sameBank := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.8330, Lon: 4.7000}} // Papendrecht, 2.5 km away
	a, okA := m.Ride(from, across)
	b, okB := m.Ride(from, sameBank)
	if !okA || !okB || a.Km <= b.Km || a.Km < 5 || len(a.Over) == 0 {
		t.Errorf("got %v across the river and %v on this bank", a, b)
	}
}

func TestGarbagePostcodes(t *testing.T) {
	m := shipped(t)
	for _, bad := range []string{"", "0", "0123", "295", "29523", "2952A", "2952ABC", "2952 A1", "AB2952", "2952--", "２９５２", "2952\x00", "9999", "-952", "+952", "2952  AB"} {
		if ride, ok := m.Ride(search.Spot{Postcode: bad}, search.Spot{Postcode: "2951"}); ok {
			t.Errorf("%q: got %v, want nothing", bad, ride)
		}
		if g := m.Gemeente(bad); g != "" {
			t.Errorf("%q: got gemeente %s", bad, g)
		}
	}
	for _, good := range []string{"2952", "2952AB", "2952 AB", " 2952ab "} {
		if g := m.Gemeente(good); g != "gm0482" {
			t.Errorf("%q: got gemeente %q, want gm0482", good, g)
		}
	}
}

func TestCoordinatesComeBeforePostcode(t *testing.T) {
	m := shipped(t)
	home := search.Spot{Postcode: "2951"}
	groningen := &gateway.Coordinates{Lat: 53.218, Lon: 6.568}
	ride, ok := m.Ride(home, search.Spot{Postcode: "2951AA", Coordinates: groningen})
	if !ok || ride.Km < 200 {
		t.Errorf("got %v, %t; want the way to the coordinates", ride, ok)
	}
	for _, bad := range []gateway.Coordinates{{}, {Lat: 4.6, Lon: 51.8}, {Lat: math.NaN(), Lon: 4}, {Lat: math.Inf(1), Lon: 4}} {
		ride, ok := m.Ride(home, search.Spot{Postcode: "2952AA", Coordinates: &bad})
		if !ok || ride.Km > 3 {
			t.Errorf("%v: got %v, %t; want the way to the postcode", bad, ride, ok)
		}
	}
}

func coordinates(t *rapid.T, label string) search.Spot {
	return search.Spot{Coordinates: &gateway.Coordinates{
		Lat: rapid.Float64Range(51.74, 51.90).Draw(t, label+" lat"), Lon: rapid.Float64Range(4.50, 4.88).Draw(t, label+" lon"),
	}}
}

// What holds for distances: never less than the straight line, the same there and
// back, and no way round a third place is much shorter.
func TestDistances(t *testing.T) {
	m := shipped(t)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := coordinates(t, "a"), coordinates(t, "b"), coordinates(t, "c")
		ab, ok := m.Ride(a, b)
		ba, back := m.Ride(b, a)
		if ok != back || math.Abs(ab.Km-ba.Km) > 0.11 {
			t.Fatalf("got %v there and %v back", ab, ba)
		}
		if straight := kilometres(a, b); ab.Km < straight*0.999-0.06 {
			t.Fatalf("got %v, want at least the straight %v", ab, straight)
		}
		ac, okAC := m.Ride(a, c)
		cb, okCB := m.Ride(c, b)
		if ok && okAC && okCB && ab.Km > 1.05*(ac.Km+cb.Km)+1 {
			t.Fatalf("got %v directly and %v + %v by another place", ab, ac, cb)
		}
	})
}

// Where there is no water the way is the straight line, and what streets make of it.
func TestOpenCountry(t *testing.T) {
	m, err := search.LoadMap(fstest.MapFS{search.WaterFile: {Data: []byte("water,lat,lon\n")}})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		spot := func(label string) search.Spot {
			return search.Spot{Coordinates: &gateway.Coordinates{
				Lat: rapid.Float64Range(51, 53.4).Draw(t, label+" lat"), Lon: rapid.Float64Range(3.5, 7).Draw(t, label+" lon"),
			}}
		}
		a, b := spot("a"), spot("b")
		got, ok := m.Ride(a, b)
		if want := 1.3 * kilometres(a, b); !ok || math.Abs(got.Km-want) > 0.004*want+0.06 {
			t.Fatalf("got %v, %t; want %v km", got, ok, want)
		}
	})
}

// Round a gentle bend of a river one stays on the bank; to the other bank there is
// no way, and nobody makes one up.
func TestRoundABend(t *testing.T) {
	m, err := search.LoadMap(fstest.MapFS{
		search.WaterFile:     {Data: []byte("water,lat,lon\nBocht,51.80,4.60\nBocht,51.81,4.65\nBocht,51.80,4.70\n")},
		search.CrossingsFile: {Data: []byte("naam,soort,minuten,lat1,lon1,lat2,lon2\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	west := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.802, Lon: 4.605}}
	east := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.802, Lon: 4.695}}
	if got, ok := m.Ride(west, east); !ok || got.Km < 1.3*kilometres(west, east) || got.Km > 1.45*kilometres(west, east) {
		t.Errorf("round the bend: got %v, %t", got, ok)
	}
	south := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.802, Lon: 4.65}}
	if got, ok := m.Ride(west, south); ok {
		t.Errorf("to the other bank: got %v, want no way", got)
	}
	straight, err := search.LoadMap(fstest.MapFS{ // without a bend, and so without a way round
		search.WaterFile:     {Data: []byte("water,lat,lon\nRecht,51.80,4.60\nRecht,51.80,4.70\n")},
		search.CrossingsFile: {Data: []byte("naam,soort,minuten,lat1,lon1,lat2,lon2\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	north := search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.802, Lon: 4.65}}
	if got, ok := straight.Ride(north, search.Spot{Coordinates: &gateway.Coordinates{Lat: 51.798, Lon: 4.65}}); ok {
		t.Errorf("over a river without a bridge: got %v, want no way", got)
	}
}

// kilometres is the straight line on a sphere.
func kilometres(a, b search.Spot) float64 {
	rad := math.Pi / 180
	p, q := a.Coordinates, b.Coordinates
	h := math.Pow(math.Sin((q.Lat-p.Lat)*rad/2), 2) +
		math.Cos(p.Lat*rad)*math.Cos(q.Lat*rad)*math.Pow(math.Sin((q.Lon-p.Lon)*rad/2), 2)
	return 2 * 6371 * math.Asin(math.Sqrt(h))
}

// Without bridges, tunnels and ferries nobody gets from one bank to the other but
// far round: the lines of the water have no gaps.
func TestWaterHasNoGaps(t *testing.T) {
	files := fstest.MapFS{search.CrossingsFile: {Data: []byte("naam,soort,minuten,lat1,lon1,lat2,lon2\n")}}
	m, err := search.LoadMap(files)
	if err != nil {
		t.Fatal(err)
	}
	banks := [][]string{ // by the land between the waters
		{"2951", "2961", "2957", "3351", "3352", "3361", "3371", "3366", "3381"}, // Alblasserwaard
		{"3331", "3341", "2981", "2988", "2995", "2991"},                         // IJsselmonde
		{"3311", "3312", "3314", "3315", "3318"},                                 // Eiland van Dordrecht
		{"3313"},                                                                 // De Staart
		{"3295", "3297", "3299", "3274", "3291"},                                 // Hoeksche Waard
		{"2931", "2941", "2921"},                                                 // Krimpenerwaard
	}
	for i, bank := range banks {
		for _, from := range bank {
			for _, to := range slices.Concat(banks...) {
				same := slices.Contains(banks[i], to)
				ride, ok := m.Ride(search.Spot{Postcode: from}, search.Spot{Postcode: to})
				if far := !ok || ride.Km > 35; far == same {
					t.Errorf("%s to %s, on one bank %t: got %v, %t", from, to, same, ride, ok)
				}
			}
		}
	}
}

func TestMapFiles(t *testing.T) {
	head := map[string]string{
		search.PostcodesFile: "pc4,lat,lon,nauwkeurigheid_km,gemeente,plaats\n",
		search.WaterFile:     "water,lat,lon\n",
		search.CrossingsFile: "naam,soort,minuten,lat1,lon1,lat2,lon2\n",
		search.AreasFile:     "gebied,zuid,west,noord,oost\n",
	}
	for _, test := range []struct{ file, text, want string }{
		{search.PostcodesFile, head[search.PostcodesFile] + "2951,51.8,4.6,1,gm0482,A\n", ""},
		{search.PostcodesFile, "pc4,lat\n", "row 1"},
		{search.PostcodesFile, "", "row 1"},
		{search.PostcodesFile, head[search.WaterFile], "row 1"},
		{search.PostcodesFile, head[search.PostcodesFile] + "2951,51.8,4.6,1,gm0482,A\n2951,51.8,4.6,1,gm0482,A\n", "row 3"},
		{search.PostcodesFile, head[search.PostcodesFile] + "2951AB,51.8,4.6,1,gm0482,A\n", "four digits"},
		{search.PostcodesFile, head[search.PostcodesFile] + "2951,51.8,4.6,NaN,gm0482,A\n", "accuracy"},
		{search.PostcodesFile, head[search.PostcodesFile] + "2951,4.6,51.8,1,gm0482,A\n", "in the Netherlands"},
		{search.PostcodesFile, head[search.PostcodesFile] + "2951,51.8,4.6,1,Dorp,A\n", "gm0482"},
		{search.WaterFile, head[search.WaterFile] + "Noord,NaN,4.6\n", "in the Netherlands"},
		{search.CrossingsFile, head[search.CrossingsFile] + "X,vlot,3,51.8,4.6,51.8,4.7\n", "brug, tunnel or pont"},
		{search.CrossingsFile, head[search.CrossingsFile] + "X,pont,-3,51.8,4.6,51.8,4.7\n", "minutes"},
		{search.AreasFile, head[search.AreasFile] + "A,51.8,4.6,51.7,4.7\n", "before its north"},
		{search.AreasFile, head[search.AreasFile] + "A,51.8,4.7,51.9,4.6\n", "before its north"},
		{search.AreasFile, head[search.AreasFile] + "A,51.8,4.6,51.9,x\n", "in the Netherlands"},
		{search.AreasFile, head[search.AreasFile] + "A,51.8,4.6,51.9\n", "row 2"},
		{search.AreasFile, head[search.AreasFile] + strings.Repeat("A,51.8,4.6,51.9,4.7\n", 65), "at most"},
		{search.CrossingsFile, head[search.CrossingsFile] + strings.Repeat("X,pont,3,51.8,4.6,51.8,4.7\n", 501), "at most"},
	} {
		_, err := search.LoadMap(fstest.MapFS{test.file: {Data: []byte(test.text)}})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(gateway.SafeMessage(err), test.want)) {
			t.Errorf("%s %q: got %v, want %q", test.file, test.text[:min(len(test.text), 90)], err, test.want)
		}
	}
}
