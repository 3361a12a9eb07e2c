package search

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
)

func (f *finder) found(m *match) Found {
	c := m.offer.Capacity
	out := Found{
		Provider: c.Provider, ProviderName: m.offer.ProviderName, Offer: c.Offer, Title: c.Title, Own: m.offer.Own,
		Gemeente: f.gemeente(c), Missed: m.missed.count(), Unknown: m.unknown.list(),
	}
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if to, ok := f.at(c); ok && !math.IsInf(m.km, 1) {
		ride := f.ways.ride(to.point, m.length)
		out.Ride = &ride
		add(ride.text())
	}
	add(f.placeText(m))
	if g := out.Gemeente; m.group == Elsewhere {
		add("in " + f.lists.Label("gemeente", string(g)))
	}
	for _, criterion := range f.d.Asked() {
		if (m.missed|m.unknown)&setOf(criterion) == 0 {
			add(f.fitText(criterion, c))
		}
	}
	for _, criterion := range m.missed.list() {
		add("wens niet vervuld: " + f.failText(criterion, m))
	}
	if m.unknown.count() > 0 {
		add("onbekend: " + strings.Join(names(m.unknown), ", "))
	}
	out.Text = strings.Join(parts, "; ")
	return out
}

func (f *finder) rejected(m *match) Rejected {
	c := m.offer.Capacity
	out := Rejected{Provider: c.Provider, ProviderName: m.offer.ProviderName, Offer: c.Offer, Title: c.Title, Failed: m.failed.list()}
	var parts []string
	for _, criterion := range out.Failed {
		parts = append(parts, f.failText(criterion, m))
	}
	out.Text = strings.Join(parts, "; ")
	return out
}

func names(set criteria) (all []string) {
	for _, c := range set.list() {
		all = append(all, string(c))
	}
	return all
}

func (r *Ride) text() string {
	var text string
	switch {
	case r.Km < 1:
		text = "minder dan 1 km fietsen"
	case r.Roughly, r.NoWater:
		text = fmt.Sprintf("ongeveer %.0f km fietsen", r.Km)
	default:
		text = kilometres(r.Km) + " fietsen"
	}
	var how []string
	if len(r.Over) > 0 {
		how = append(how, "via "+strings.Join(r.Over, " en "))
	}
	switch {
	case r.NoWater && len(r.Over) > 0:
		how = append(how, "ander water niet meegerekend")
	case r.NoWater:
		how = append(how, "hemelsbreed × "+decimal(detour)+", water niet meegerekend")
	}
	if len(how) > 0 {
		text += " (" + strings.Join(how, "; ") + ")"
	}
	return text
}

func kilometres(km float64) string { return decimal(km) + " km" }

func decimal(n float64) string {
	return strings.TrimSuffix(strings.Replace(fmt.Sprintf("%.1f", n), ".", ",", 1), ",0")
}

// placeText tells of the places: on which dagdelen, whose, and how many.
func (f *finder) placeText(m *match) string {
	on, s := f.onDagdelen(), f.seatsOf(m.offer)
	switch {
	case m.group == Allotted:
		text := on + amount(s.own) + " binnen uw toewijzing"
		if s.grondslag != "" {
			text += " voor " + f.lists.Label("grondslag", s.grondslag)
		}
		return text
	case m.offer.Own && m.group != Waiting && s.rest.level >= some:
		return on + amount(s.rest) + " buiten de toewijzingen"
	case m.offer.Own && m.group != Waiting:
		return on + amount(s.others) + " binnen de toewijzing van anderen"
	case m.group == Waiting && s.all.level == full && s.status == gateway.StatusWaitlist:
		return on + "vol; er is een wachtlijst"
	case m.group == Waiting && s.all.level == full:
		return on + "vol; of er een wachtlijst is, is onbekend"
	case m.group == Waiting && s.status == gateway.StatusWaitlist:
		return "er is een wachtlijst"
	case m.group == Waiting:
		return on + "uw toewijzing is vol; of er andere plekken zijn, is onbekend"
	case m.group == Unknown:
		return "of er plek is, is onbekend"
	case s.own.level == full:
		return on + "uw toewijzing is vol, daarbuiten " + amount(s.all)
	case s.own.level == hidden:
		return on + amount(s.all) + "; of die binnen uw toewijzing is, is onbekend"
	default:
		return on + amount(s.all)
	}
}

func amount(a free) string {
	switch {
	case a.number == 1:
		return "1 plek"
	case a.number > 1:
		return fmt.Sprintf("%d plekken", a.number)
	case a.level == plenty:
		return "ruim plek"
	}
	return "plek"
}

// onDagdelen is "op dinsdagochtend en donderdagochtend ", or "" if any will do.
func (f *finder) onDagdelen() string {
	if len(f.d.Dagdelen) == 0 {
		return ""
	}
	return "op " + listed(f.dagdelen()) + " "
}

func (f *finder) dagdelen() (all []string) {
	asked := slices.SortedFunc(slices.Values(f.d.Dagdelen), gateway.CompareDagdeel)
	for _, d := range asked {
		all = append(all, dagdeelName(d))
	}
	return all
}

func dagdeelName(d gateway.Dagdeel) string {
	days := map[string]string{
		"ma": "maandag", "di": "dinsdag", "wo": "woensdag", "do": "donderdag", "vr": "vrijdag", "za": "zaterdag", "zo": "zondag",
	}
	day, part, _ := strings.Cut(string(d), "-")
	return days[day] + part
}

func listed(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " en " + all[len(all)-1]
}

// label is a code in running text: "groen en tuin", but "ICT".
func (f *finder) label(list, code string) string {
	text, _, _ := strings.Cut(f.lists.Label(list, code), " (") // without the article of a law
	first, size := utf8.DecodeRuneInString(text)
	second, _ := utf8.DecodeRuneInString(text[size:])
	if unicode.IsUpper(second) {
		return text
	}
	return string(unicode.ToLower(first)) + text[size:]
}

func (f *finder) labels(list string, codes []string) string {
	var all []string
	for _, code := range codes {
		all = append(all, f.label(list, code))
	}
	if slices.ContainsFunc(all, func(label string) bool { return strings.Contains(label, " en ") }) {
		return strings.Join(all, ", ") // "groen en tuin, hout"
	}
	return listed(all)
}

// fitText says that an offer meets a criterion; "" where other words say it.
func (f *finder) fitText(criterion Criterion, c *gateway.Capacity) string {
	switch criterion {
	case Werksoort:
		return "werksoort " + f.labels("werksoort", both(c.Werksoorten, f.d.Werksoorten)) + " past"
	case Trajectsoort:
		return "traject " + f.label("trajectsoort", c.Trajectsoort) + " past"
	case Fase:
		return fmt.Sprintf("fase %d past", f.d.Fase)
	case Trede:
		return fmt.Sprintf("trede %d past", f.d.Trede)
	case Doelgroep:
		return "doelgroep past"
	case Begeleiding:
		return "begeleiding past"
	case Toegankelijkheid:
		return "toegankelijkheid past"
	case Taal:
		return "weinig Nederlands nodig"
	}
	return ""
}

func both(a, b []string) (all []string) {
	for _, code := range a {
		if slices.Contains(b, code) {
			all = append(all, code)
		}
	}
	return all
}

// failText says why an offer does not meet a criterion. Of doelgroepen it names
// none: what is read here may be copied into a file of the person.
func (f *finder) failText(criterion Criterion, m *match) string {
	c := m.offer.Capacity
	switch criterion {
	case Werksoort:
		return "alleen werksoort " + f.labels("werksoort", c.Werksoorten)
	case Trajectsoort:
		return "ander traject: " + f.label("trajectsoort", c.Trajectsoort)
	case Fase:
		return "voor fase " + span(c.Fase)
	case Trede:
		return "voor trede " + span(c.Trede)
	case Doelgroep:
		return "voor een andere doelgroep"
	case Dagdeel:
		return "niet op " + listed(f.lacking(m.offer))
	case Begeleiding:
		return "andere of minder begeleiding"
	case Toegankelijkheid:
		return "niet genoemd: " + f.labels("toegankelijkheid", without(f.d.Toegankelijkheid, c.Accessibility))
	case Taal:
		return "dat weinig Nederlands genoeg is, staat er niet bij"
	case Datum:
		return f.dateText(c)
	case Afstand:
		if math.IsInf(m.km, 1) {
			return "hemelsbreed al verder dan " + kilometres(f.d.MaxKm)
		}
		return kilometres(tenths(m.km)) + " fietsen is verder dan " + kilometres(f.d.MaxKm)
	}
	return string(criterion)
}

func (f *finder) dateText(c *gateway.Capacity) string {
	switch {
	case c.Withdrawn:
		return "ingetrokken"
	case c.ValidFrom != "" && f.d.From < c.ValidFrom:
		return "pas vanaf " + day(c.ValidFrom)
	}
	return "maar tot en met " + day(c.ValidUntil)
}

// day is a date as people in the Netherlands write it.
func day(d gateway.Date) string {
	parts := strings.Split(string(d), "-")
	slices.Reverse(parts)
	return strings.Join(parts, "-")
}

func span(r gateway.Range) string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d tot en met %d", r.Min, r.Max)
}

func without(asked, shown []string) (all []string) {
	for _, code := range asked {
		if !slices.Contains(shown, code) {
			all = append(all, code)
		}
	}
	return all
}

// lacking are the dagdelen that are asked for and not offered.
func (f *finder) lacking(o *Offer) (all []string) {
	for _, d := range slices.SortedFunc(slices.Values(f.d.Dagdelen), gateway.CompareDagdeel) {
		if !slices.ContainsFunc(o.Capacity.Places, func(p gateway.CapacityPlaces) bool { return p.Dagdeel == d && freeOn(&p).level != absent }) {
			all = append(all, dagdeelName(d))
		}
	}
	return all
}
