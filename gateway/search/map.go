package search

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/doorstroom/doorstroom/gateway"
)

// The files of a map.
const (
	PostcodesFile = "postcodes.csv"  // a point for each PC4, with how far off it may be, and its gemeente
	WaterFile     = "water.csv"      // lines that nobody cycles across
	CrossingsFile = "oversteken.csv" // where one can: bridges, tunnels, ferries
	AreasFile     = "gebieden.csv"   // rectangles in which WaterFile has all water that matters
)

// Files are those of a map.
func Files() []string { return []string{PostcodesFile, WaterFile, CrossingsFile, AreasFile} }

// A file of a map has at most so many rows.
const maxRows = 20_000

//go:embed data/*.csv
var shipped embed.FS

// Shipped gives the files of the map that comes with the program; data/README.md
// says where they are from.
func Shipped() fs.FS {
	sub, err := fs.Sub(shipped, "data")
	if err != nil {
		panic("the data is compiled in: " + err.Error())
	}
	return sub
}

// Map knows where postcodes are and what water lies between them. It does not
// change and is safe for concurrent use. The zero Map knows nothing.
type Map struct {
	places map[int]place // by PC4
	net    *net
}

type place struct {
	point
	offKm    float64 // the point may be so far from an address
	gemeente gateway.Gemeente
}

var shippedMap = sync.OnceValue(func() *Map {
	m, err := LoadMap(Shipped())
	if err != nil {
		panic("the map is compiled in: " + err.Error())
	}
	return m
})

// ShippedMap is the map of Shipped, which is read once, at the first call.
func ShippedMap() *Map { return shippedMap() }

// LoadMap reads the files of a map. Of those that are not in files the ones that
// come with the program count; but these know nothing of what water another map
// has, so that with water of its own and no areas a map has none.
func LoadMap(files fs.FS) (*Map, error) {
	m := &Map{places: map[int]place{}}
	var water []segment
	var crossings []crossing
	if err := rows(files, PostcodesFile, "pc4,lat,lon,nauwkeurigheid_km,gemeente,plaats", m.addPlace); err != nil {
		return nil, err
	}
	var name string
	var last point
	if err := rows(files, WaterFile, "water,lat,lon", func(row []string) error {
		at, err := pointOf(row[1], row[2])
		if err == nil && name == row[0] {
			water = append(water, newSegment(last, at))
		}
		name, last = row[0], at
		return err
	}); err != nil {
		return nil, err
	}
	if err := rows(files, CrossingsFile, "naam,soort,minuten,lat1,lon1,lat2,lon2", func(row []string) error {
		c, err := crossingOf(row)
		crossings = append(crossings, c)
		return err
	}); err != nil {
		return nil, err
	}
	var known []area
	if has(files, AreasFile) || !has(files, WaterFile) {
		if err := rows(files, AreasFile, "gebied,zuid,west,noord,oost", func(row []string) error {
			a, err := areaOf(row)
			known = append(known, a)
			return err
		}); err != nil {
			return nil, err
		}
	}
	if len(water) > 2000 || len(crossings) > 500 || len(known) > maxAreas {
		return nil, gateway.Errorf(gateway.Limit, "a map has at most 2000 pieces of water, 500 crossings and %d areas", maxAreas)
	}
	m.net = newNet(water, crossings)
	m.net.areas = known
	return m, nil
}

func has(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return !errors.Is(err, fs.ErrNotExist)
}

func (m *Map) addPlace(row []string) error {
	pc4, ok := pc4Of(row[0])
	at, err := pointOf(row[1], row[2])
	off, offErr := strconv.ParseFloat(row[3], 64)
	g, gemeenteErr := gateway.ParseGemeente(row[4])
	if _, twice := m.places[pc4]; !ok || len(row[0]) != 4 || twice || offErr != nil || !(off >= 0 && off <= 50) {
		return errors.New("a postcode has four digits, stands there once and has its accuracy in kilometres")
	}
	m.places[pc4] = place{at, off, g}
	return errors.Join(err, gemeenteErr)
}

func crossingOf(row []string) (crossing, error) {
	a, errA := pointOf(row[3], row[4])
	b, errB := pointOf(row[5], row[6])
	minutes, err := strconv.ParseFloat(row[2], 64)
	if !slices.Contains([]string{"brug", "tunnel", "pont"}, row[1]) || err != nil || !(minutes >= 0 && minutes <= 600) {
		return crossing{}, errors.New("a crossing is a brug, tunnel or pont and takes 0 to 600 minutes")
	}
	c := crossing{name: row[0], ferry: row[1] == "pont", ends: [2]point{a, b}}
	c.km = max(a.to(b)*detour, minutes*kmPerMinute)
	return c, errors.Join(errA, errB)
}

func pointOf(lat, lon string) (point, error) {
	c := gateway.Coordinates{}
	var errLat, errLon error
	c.Lat, errLat = strconv.ParseFloat(lat, 64)
	c.Lon, errLon = strconv.ParseFloat(lon, 64)
	if errLat != nil || errLon != nil || !inNetherlands(c) {
		return point{}, errors.New("a point is a latitude and a longitude in the Netherlands")
	}
	return grid(c), nil
}

// rows reads a file of a map, whose first line is head.
func rows(files fs.FS, name, head string, row func([]string) error) error {
	f, err := files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = Shipped().Open(name)
	}
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the file "+name+" of the map cannot be read")
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = strings.Count(head, ",") + 1
	r.ReuseRecord = true
	for n := 0; ; n++ {
		record, err := r.Read()
		switch {
		case err == io.EOF && n > 0:
			return nil
		case err != nil:
			return gateway.Wrap(gateway.Invalid, err, fmt.Sprintf("the file %s of the map: row %d cannot be read", name, n+1))
		case n == 0 && strings.Join(record, ",") != head:
			return gateway.Errorf(gateway.Invalid, "the file %s of the map: the first line is %s", name, head)
		case n > maxRows:
			return gateway.Errorf(gateway.Limit, "the file %s of the map has more than %d rows", name, maxRows)
		case n > 0:
			if err := row(record); err != nil {
				return gateway.Wrap(gateway.Invalid, err, fmt.Sprintf("the file %s of the map: row %d is wrong: %s", name, n+1, firstLine(err)))
			}
		}
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// pc4Of is the four digits of a postcode written as "2952", "2952AB" or "2952 ab".
func pc4Of(postcode string) (int, bool) {
	s := strings.ToUpper(strings.TrimSpace(postcode))
	if len(s) < 4 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	pc4, err := strconv.ParseUint(s[:4], 10, 16)
	letters := strings.TrimPrefix(s[4:], " ")
	if err != nil || letters == "" && len(s) > 4 {
		return 0, false
	}
	if letters != "" && (len(letters) != 2 || strings.Trim(letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return 0, false
	}
	return int(pc4), true
}

// Spot is where something is: Coordinates where they are known, else a postcode.
type Spot struct {
	Postcode    string
	Coordinates *gateway.Coordinates
}

// find gives the point of a spot.
func (m *Map) find(s Spot) (place, bool) {
	if c := s.Coordinates; c != nil && inNetherlands(*c) {
		return place{point: grid(*c)}, true
	}
	pc4, ok := pc4Of(s.Postcode)
	if !ok {
		return place{}, false
	}
	p, ok := m.places[pc4]
	return p, ok
}

// Postcodes is how many the map knows.
func (m *Map) Postcodes() int { return len(m.places) }

// Gemeente is where a postcode is, or "" where the map does not know it.
func (m *Map) Gemeente(postcode string) gateway.Gemeente {
	pc4, _ := pc4Of(postcode)
	return m.places[pc4].gemeente
}

// Ride is a way to cycle.
type Ride struct {
	Km      float64  `json:"km"`                // rounded to 100 metres; a ferry counts for the time it takes
	Over    []string `json:"over,omitempty"`    // the bridges, tunnels and ferries that it crosses water by
	Ferry   bool     `json:"ferry,omitempty"`   // one of them is a ferry
	Roughly bool     `json:"roughly,omitempty"` // where it begins or ends is known only roughly
	NoWater bool     `json:"noWater,omitempty"` // the map does not know all water there: in a straight line, where it knows none
}

// Ride is the shortest way between two spots; false if the map does not know it.
func (m *Map) Ride(from, to Spot) (Ride, bool) {
	a, okA := m.find(from)
	b, okB := m.find(to)
	if !okA || !okB || m.net == nil {
		return Ride{}, false
	}
	w := m.net.from(a.point)
	km, last := w.to(b.point)
	if math.IsInf(km, 1) {
		return Ride{}, false
	}
	return w.ride(b.point, length{km, last, a.offKm + b.offKm}), true
}

func (w *ways) ride(to point, l length) Ride {
	r := Ride{Km: tenths(l.km), Roughly: l.off > 2, NoWater: !w.waterKnown(l.last, to)}
	for _, c := range w.over(l.last) {
		r.Over = append(r.Over, c.name)
		r.Ferry = r.Ferry || c.ferry
	}
	return r
}

func tenths(km float64) float64 { return math.Round(km*10) / 10 }
