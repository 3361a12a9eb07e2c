package gateway

import "time"

// Band is availability in a form that tells no one's start date.
type Band string

const (
	Vol      Band = "vol"
	Enkele   Band = "enkele"
	Ruim     Band = "ruim"
	Plek     Band = "plek"      // for the public
	GeenPlek Band = "geen-plek" // for the public
)

// BandOf puts a count in a band: enkele is up to a quarter of the maximum, at
// least two.
func BandOf(available, maximum int) Band {
	switch {
	case available <= 0:
		return Vol
	case available <= max(2, maximum/4):
		return Enkele
	default:
		return Ruim
	}
}

// PublicBand is all the public may know.
func PublicBand(available int) Band {
	if available > 0 {
		return Plek
	}
	return GeenPlek
}

// Sample is what was free at one moment. Everyone but the sole owner of an
// allotment sees only samples: were a band to follow the day, the day on which
// it changes would be somebody's start date.
type Sample struct {
	At         time.Time                  `json:"at"`
	Status     Status                     `json:"status"`
	Places     map[Dagdeel]int            `json:"places"`               // available
	Allotments map[string]map[Dagdeel]int `json:"allotments,omitempty"` // available by allotment id
}

// Sampling is the present sample and the one before it, which the public sees.
type Sampling struct {
	Current  Sample  `json:"current"`
	Previous *Sample `json:"previous,omitempty"`
}

// Samples are taken on Mondays at sampleHour in the Netherlands, the same moment
// for all offers: were each to have its own, one person who counts in several
// would be seen between them. sampleDays is the least number of days since the
// last sample; a node that was off on Monday morning samples later that week. A
// change of band then says only that something changed in at least that many
// days. TestNoStartDateFromBands is the attack on it.
const (
	sampleHour = 4
	sampleDays = 6
)

// NextSample is when the next sample may be taken: the first fixed moment at
// least six days after the last.
func (s Sampling) NextSample() time.Time {
	earliest := s.Current.At.In(Amsterdam()).AddDate(0, 0, sampleDays)
	days := (int(time.Monday) - int(earliest.Weekday()) + 7) % 7
	moment := time.Date(earliest.Year(), earliest.Month(), earliest.Day()+days, sampleHour, 0, 0, 0, Amsterdam())
	if moment.Before(earliest) {
		moment = moment.AddDate(0, 0, 7)
	}
	return moment.UTC()
}

// Advance takes a new sample of the offer if it is time; the first offer is
// sampled at once.
func (s Sampling) Advance(o Offer, now time.Time) Sampling {
	if s.Current.At.IsZero() {
		return Sampling{Current: o.sample(now)}
	}
	if now.Before(s.NextSample()) {
		return s
	}
	previous := s.Current
	return Sampling{Current: o.sample(now), Previous: &previous}
}

func (o Offer) sample(now time.Time) Sample {
	s := Sample{At: now.UTC(), Status: o.statusNow(), Places: available(o.Places)}
	for _, a := range o.Allotments {
		if s.Allotments == nil {
			s.Allotments = map[string]map[Dagdeel]int{}
		}
		s.Allotments[a.ID] = available(a.Places)
	}
	return s
}

func available(places []Places) map[Dagdeel]int {
	free := map[Dagdeel]int{}
	for _, p := range places {
		free[p.Dagdeel] = p.Available()
	}
	return free
}
