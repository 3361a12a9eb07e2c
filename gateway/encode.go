package gateway

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// Offers and capacities are written by hand: encoding/json takes five times as
// long. The bytes are the same, so that it does not matter which of the two wrote
// what a recipient was shown.

// Encode is the offer as JSON but for Updated, which tells when the admin said
// it, not what: offers that say the same are equal bytes.
func (o *Offer) Encode() []byte {
	var room [2048]byte
	return bytes.Clone(o.AppendTo(room[:0]))
}

// AppendTo appends what Encode gives.
func (o *Offer) AppendTo(b []byte) []byte {
	w := append(writer(b), '{')
	w = w.text("id", o.ID)
	w = w.text("provider", string(o.Provider))
	w = w.text("title", o.Title)
	w = texts(w, "werksoorten", o.Werksoorten)
	w = w.text("trajectsoort", o.Trajectsoort)
	w = w.text("dienstverband", o.Dienstverband)
	w = someTexts(w, "doelgroepen", o.Doelgroepen)
	w = w.text("grondslag", o.Grondslag)
	w = w.text("functionaliteit", o.Functionaliteit)
	w = w.someRange("fase", o.Fase)
	w = w.someRange("trede", o.Trede)
	w = w.someBegeleiding(o.Begeleiding)
	w = w.open("location")
	w = w.someAddress(o.Location.Address)
	w = w.someText("postcode", o.Location.Postcode)
	w = w.text("gemeente", string(o.Location.Gemeente))
	w = w.someCoordinates(o.Location.Coordinates)
	w = w.close()
	w = w.places(o.Places)
	w = w.someAllotments(o.Allotments)
	w = w.someText("status", string(o.Status))
	w = w.someContact(o.Contact)
	w = someTexts(w, "accessibility", o.Accessibility)
	w = w.text("validFrom", string(o.ValidFrom))
	w = w.text("validUntil", string(o.ValidUntil))
	return w.close()
}

func (w writer) someAllotments(all []Allotment) writer {
	if len(all) == 0 {
		return w
	}
	w = w.list("allotments", true)
	for i := range all {
		a := &all[i]
		w = w.item()
		w = w.text("id", a.ID)
		w = someTexts(w, "gemeenten", a.Gemeenten)
		w = someTexts(w, "parties", a.Parties)
		w = w.someText("grondslag", a.Grondslag)
		w = w.places(a.Places)
		w = w.someText("validFrom", string(a.ValidFrom))
		w = w.someText("validUntil", string(a.ValidUntil))
		w = w.close()
	}
	return w.end(true)
}

func (w writer) places(places []Places) writer {
	w = w.list("places", places != nil)
	for i := range places {
		p := &places[i]
		w = w.item()
		w = w.text("dagdeel", string(p.Dagdeel))
		w = w.number("maximum", p.Maximum)
		w = w.number("occupied", p.Occupied)
		w = w.close()
	}
	return w.end(places != nil)
}

// Encode is the data of the message and its SHA-256 in hex. Equal views give
// equal bytes.
func (c Capacity) Encode() (data []byte, hash string) {
	var room [2048]byte
	w := append(writer(room[:0]), '{')
	w = w.text("offer", c.Offer)
	w = w.text("provider", string(c.Provider))
	if c.Withdrawn {
		w = w.name("withdrawn")
		w = append(w, "true"...)
	}
	w = w.someText("title", c.Title)
	w = someTexts(w, "werksoorten", c.Werksoorten)
	w = w.someText("trajectsoort", c.Trajectsoort)
	w = w.someText("dienstverband", c.Dienstverband)
	w = someTexts(w, "doelgroepen", c.Doelgroepen)
	w = w.someText("grondslag", c.Grondslag)
	w = w.someText("functionaliteit", c.Functionaliteit)
	w = w.someRange("fase", c.Fase)
	w = w.someRange("trede", c.Trede)
	w = w.someBegeleiding(c.Begeleiding)
	if c.Location != (CapacityLocation{}) {
		w = w.open("location")
		w = w.someAddress(c.Location.Address)
		w = w.someText("postcode", c.Location.Postcode)
		w = w.someText("gemeente", string(c.Location.Gemeente))
		w = w.someCoordinates(c.Location.Coordinates)
		w = w.close()
	}
	if len(c.Places) > 0 {
		w = w.shownPlaces(c.Places)
	}
	w = w.someAllotted(c.Allotments)
	w = w.someText("status", string(c.Status))
	w = w.someContact(c.Contact)
	w = someTexts(w, "accessibility", c.Accessibility)
	w = w.someText("validFrom", string(c.ValidFrom))
	w = w.someText("validUntil", string(c.ValidUntil))
	w = w.close()
	data = bytes.Clone(w)
	return data, Hash(data)
}

func (w writer) someAllotted(all []CapacityAllotted) writer {
	if len(all) == 0 {
		return w
	}
	w = w.list("allotments", true)
	for i := range all {
		a := &all[i]
		w = w.item()
		w = w.text("id", a.ID)
		w = w.someText("grondslag", a.Grondslag)
		w = w.shownPlaces(a.Places)
		w = w.someText("validFrom", string(a.ValidFrom))
		w = w.someText("validUntil", string(a.ValidUntil))
		w = w.close()
	}
	return w.end(true)
}

func (w writer) shownPlaces(places []CapacityPlaces) writer {
	w = w.list("places", places != nil)
	for i := range places {
		p := &places[i]
		w = w.item()
		w = w.text("dagdeel", string(p.Dagdeel))
		if p.Maximum != nil {
			w = w.number("maximum", *p.Maximum)
		}
		if p.Available != nil {
			w = w.number("available", *p.Available)
		}
		w = w.someText("band", string(p.Band))
		w = w.close()
	}
	return w.end(places != nil)
}

// writer is JSON that is being written; what is called some is left out where it
// is empty.
type writer []byte

func (w writer) name(name string) writer {
	if w[len(w)-1] != '{' {
		w = append(w, ',')
	}
	return append(append(append(w, '"'), name...), `":`...)
}

func (w writer) open(name string) writer {
	w = w.name(name)
	return append(w, '{')
}

func (w writer) close() writer { return append(w, '}') }

func (w writer) quote(text string) writer {
	if AsItIs([]byte(text)) {
		return append(append(append(w, '"'), text...), '"')
	}
	return w.other(text)
}

// other leaves a value to encoding/json.
func (w writer) other(value any) writer {
	b, err := json.Marshal(value)
	if err != nil {
		panic("an offer is plain data: " + err.Error())
	}
	return append(w, b...)
}

func (w writer) text(name, value string) writer {
	w = w.name(name)
	return w.quote(value)
}

func (w writer) someText(name, value string) writer {
	if value != "" {
		w = w.text(name, value)
	}
	return w
}

func texts[T ~string](w writer, name string, values []T) writer {
	w = w.name(name)
	if values == nil {
		return append(w, "null"...)
	}
	w = append(w, '[')
	for i, value := range values {
		if i > 0 {
			w = append(w, ',')
		}
		w = w.quote(string(value))
	}
	return append(w, ']')
}

func someTexts[T ~string](w writer, name string, values []T) writer {
	if len(values) > 0 {
		w = texts(w, name, values)
	}
	return w
}

// list begins a list of objects, and end ends it; one that is not there is null.
func (w writer) list(name string, there bool) writer {
	w = w.name(name)
	if there {
		w = append(w, '[')
	} else {
		w = append(w, "null"...)
	}
	return w
}

func (w writer) end(there bool) writer {
	if there {
		w = append(w, ']')
	}
	return w
}

// item begins an object in a list.
func (w writer) item() writer {
	if w[len(w)-1] != '[' {
		w = append(w, ',')
	}
	return append(w, '{')
}

func (w writer) number(name string, n int) writer {
	w = w.name(name)
	return strconv.AppendInt(w, int64(n), 10)
}

func (w writer) decimal(name string, f float64) writer {
	w = w.name(name)
	if size := math.Abs(f); f != 0 && (size < 1e-6 || size >= 1e21) || f != f {
		return w.other(f) // with an exponent, or no number
	}
	return strconv.AppendFloat(w, f, 'f', -1, 64)
}

func (w writer) someRange(name string, r Range) writer {
	if r == (Range{}) {
		return w
	}
	w = w.open(name)
	w = w.number("min", r.Min)
	w = w.number("max", r.Max)
	return w.close()
}

func (w writer) someBegeleiding(g Begeleiding) writer {
	if g == (Begeleiding{}) {
		return w
	}
	w = w.open("begeleiding")
	w = w.text("soort", g.Soort)
	w = w.someText("intensiteit", g.Intensiteit)
	if g.Ratio != 0 {
		w = w.number("ratio", g.Ratio)
	}
	return w.close()
}

func (w writer) someAddress(a Address) writer {
	if a == (Address{}) {
		return w
	}
	w = w.open("address")
	w = w.text("street", a.Street)
	w = w.text("number", a.Number)
	w = w.text("city", a.City)
	return w.close()
}

func (w writer) someCoordinates(c *Coordinates) writer {
	if c == nil {
		return w
	}
	w = w.open("coordinates")
	w = w.decimal("lat", c.Lat)
	w = w.decimal("lon", c.Lon)
	return w.close()
}

func (w writer) someContact(c Contact) writer {
	if c == (Contact{}) {
		return w
	}
	w = w.open("contact")
	w = w.text("name", c.Name)
	w = w.someText("role", c.Role)
	w = w.someText("phone", c.Phone)
	w = w.someText("email", c.Email)
	return w.close()
}
