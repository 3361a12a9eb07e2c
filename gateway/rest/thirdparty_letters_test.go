package rest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Purposes of tokens of §14.
const (
	thirdAllotment       = "doorstroom-allotment+json"
	thirdAllotmentLetter = "doorstroom-allotment-letter+json"
)

// thirdShifts is what the program knows of requests about allotments: as provider
// of offers, and as a party of requests to others.
type thirdShifts struct {
	offers map[string]thirdDivision
	rows   map[string]*thirdShift // to this party, by id
	heard  map[string]string      // to others: what was asked
}

// thirdDivision is an offer as its provider knows it: who is shown its allotments,
// and of each the parties and the places of each dagdeel that are free, under ""
// what is nobody's. An allotment that names who has no party has no parties here.
type thirdDivision struct {
	shown   []string
	parties map[string][]string
	free    map[string]map[string]int
}

type thirdShift struct {
	ask    thirdAsk
	bytes  string // of the request
	number int
	status string
	by     string
	givers []string
	signed []string
}

type thirdAsk struct {
	ID, Provider, Asked, Offer string
	Shifts                     []struct {
		From, To, Dagdeel string
		Places            int
	}
	Made, Until time.Time
}

// thirdShiftState is what the provider says of a request, but for its incarnation
// and when it ended.
type thirdShiftState struct {
	ID     string   `json:"id"`
	Number int      `json:"number"`
	Status string   `json:"status"`
	Reason string   `json:"reason,omitempty"`
	By     string   `json:"by,omitempty"`
	Givers []string `json:"givers,omitempty"`
	Signed []string `json:"signed,omitempty"`
}

// thirdFault is an answer of HTTP that says that nothing was taken.
type thirdFault int

func (f thirdFault) Error() string { return http.StatusText(int(f)) }

const (
	thirdBad    = thirdFault(http.StatusBadRequest)
	thirdNobody = thirdFault(http.StatusUnauthorized)
	thirdDenied = thirdFault(http.StatusForbidden)
)

// letter takes a letter of a peer about allotments. There is a state in the answer
// to what is asked of a provider.
func (p *thirdParty) letter(s *thirdShifts, peer, token string, now time.Time) (*thirdShiftState, error) {
	var letter struct {
		Issuer, Audience, Says, Ask, Signed string
		State                               *struct{ ID string }
	}
	payload, err := p.opened(peer, token, thirdAllotmentLetter, now)
	if err != nil {
		return nil, err
	}
	if p.schemas.judge("allotment-letter.v1.json", payload, "") != "" || json.Unmarshal(payload, &letter) != nil ||
		letter.Issuer != peer || letter.Audience != p.oin {
		return nil, thirdBad
	}
	asked, err := thirdSplit(letter.Ask)
	if err != nil {
		return nil, thirdBad
	}
	var ask thirdAsk
	if p.schemas.judge("allotment-ask.v1.json", asked.payload, "") != "" || json.Unmarshal(asked.payload, &ask) != nil || !ask.possible() {
		return nil, thirdBad
	}
	if letter.State != nil {
		if letter.State.ID != ask.ID {
			return nil, thirdBad
		}
		return nil, p.hear(s, peer, letter.Ask, ask, now)
	}
	if ask.Provider != p.oin {
		return nil, thirdBad
	}
	row := s.rows[ask.ID]
	if row == nil && letter.Says == "ask" && ask.Asked == peer {
		if _, err := p.opened(peer, letter.Ask, thirdAllotment, now); err != nil {
			return nil, err
		}
		return p.takeAsk(s, ask, string(asked.payload)), nil
	}
	if row == nil || row.bytes != string(asked.payload) || peer != row.ask.Asked && !slices.Contains(row.givers, peer) {
		return &thirdShiftState{ID: ask.ID, Status: "geweigerd", Reason: "onbekend"}, nil
	}
	if letter.Says == "sign" {
		signed, err := p.opened(peer, letter.Signed, thirdAllotment, now)
		if err != nil {
			return nil, err
		}
		if string(signed) != row.bytes {
			return nil, thirdDenied
		}
	}
	return row.take(s, letter.Says, peer, now)
}

// opened verifies a token of a party by a key that is valid now.
func (p *thirdParty) opened(oin, token, typ string, now time.Time) ([]byte, error) {
	party, ok := p.register.party(oin)
	if !ok {
		return nil, thirdNobody
	}
	t, err := thirdSplit(token)
	if err != nil {
		return nil, thirdBad
	}
	payload, err := t.open(typ, func(kid string) (thirdKey, error) {
		key, ok := party.key(kid)
		if !ok || !key.validAt(now, 0) {
			return key, thirdNobody
		}
		return key, nil
	})
	if err != nil {
		return nil, thirdNobody
	}
	return payload, nil
}

// possible is what the schema of a request cannot say.
func (a thirdAsk) possible() bool {
	for _, s := range a.Shifts {
		if s.From == s.To {
			return false
		}
	}
	return a.Until.After(a.Made) && a.Until.Sub(a.Made) <= 60*24*time.Hour
}

// hear takes where a request to another stands.
func (p *thirdParty) hear(s *thirdShifts, peer, token string, ask thirdAsk, now time.Time) error {
	asked, err := thirdSplit(token)
	if err != nil {
		return thirdBad
	}
	known, ok := s.heard[ask.ID]
	if peer != ask.Provider || ok && known != string(asked.payload) {
		return thirdDenied
	}
	if !ok {
		if _, err := p.opened(ask.Asked, token, thirdAllotment, now); err != nil {
			return err
		}
	}
	s.heard[ask.ID] = string(asked.payload)
	return nil
}

func (p *thirdParty) takeAsk(s *thirdShifts, ask thirdAsk, bytes string) *thirdShiftState {
	offer := s.offers[ask.Offer]
	refused := func(reason string) *thirdShiftState {
		return &thirdShiftState{ID: ask.ID, Status: "geweigerd", Reason: reason}
	}
	if !slices.Contains(offer.shown, ask.Asked) {
		return refused("onbekend")
	}
	row, own := &thirdShift{ask: ask, bytes: bytes}, false
	for i := range ask.Shifts {
		for _, side := range []*string{&ask.Shifts[i].From, &ask.Shifts[i].To} {
			id, ok := offer.named(*side)
			if !ok {
				return refused("onbekend")
			}
			*side = id
			own = own || slices.Contains(offer.parties[id], ask.Asked)
		}
	}
	if !own {
		return refused("onbekend")
	}
	for _, shift := range ask.Shifts {
		who := offer.parties[shift.From]
		if shift.From == "" {
			who = []string{p.oin}
		}
		if len(who) == 0 {
			return refused("niemand-tekent")
		}
		row.givers = append(row.givers, who...)
	}
	slices.Sort(row.givers)
	row.givers = slices.Compact(row.givers)
	row.status = "wacht-op-handtekening"
	s.rows[ask.ID] = row
	if slices.Contains(row.givers, ask.Asked) {
		row.signed = []string{ask.Asked}
	}
	row.next(s)
	return row.state()
}

// named finds an allotment by its id, or as the only one of a party.
func (d thirdDivision) named(name string) (id string, ok bool) {
	if _, known := d.parties[name]; name == "" || known {
		return name, true
	}
	n := 0
	for of, parties := range d.parties {
		if slices.Contains(parties, name) {
			id, n = of, n+1
		}
	}
	return id, n == 1
}

func (r *thirdShift) state() *thirdShiftState {
	return &thirdShiftState{ID: r.ask.ID, Number: r.number, Status: r.status, By: r.by, Givers: r.givers, Signed: r.signed}
}

// take lets a party of a request say something of it. Of what has ended nothing
// changes.
func (r *thirdShift) take(s *thirdShifts, says, peer string, now time.Time) (*thirdShiftState, error) {
	giver := slices.Contains(r.givers, peer)
	switch {
	case says == "ask" && peer == r.ask.Asked:
		return r.state(), nil
	case says == "withdraw" && peer == r.ask.Asked, says == "refuse" && giver, says == "sign" && giver:
	default:
		return nil, thirdDenied
	}
	if r.status == "wacht-op-handtekening" && now.After(r.ask.Until) {
		r.status = "verlopen"
		r.number++
	}
	switch {
	case r.status != "wacht-op-handtekening", says == "sign" && slices.Contains(r.signed, peer):
		return r.state(), nil
	case says == "withdraw":
		r.status, r.by = "ingetrokken", peer
	case says == "refuse":
		r.status, r.by = "geweigerd", peer
	default:
		r.signed = append(r.signed, peer)
		slices.Sort(r.signed)
	}
	r.next(s)
	return r.state(), nil
}

// next counts a change, and commits what nobody has to sign any more, all of it or
// nothing.
func (r *thirdShift) next(s *thirdShifts) {
	r.number++
	if r.status != "wacht-op-handtekening" || len(r.signed) < len(r.givers) {
		return
	}
	offer := s.offers[r.ask.Offer]
	left := map[string]int{}
	r.status = "vastgelegd"
	for _, shift := range r.ask.Shifts {
		from, to := shift.From+" "+shift.Dagdeel, shift.To+" "+shift.Dagdeel
		if left[from] -= shift.Places; left[from]+offer.free[shift.From][shift.Dagdeel] < 0 {
			r.status = "in-gebruik"
			return
		}
		left[to] += shift.Places
	}
	for at, n := range left {
		id, dagdeel, _ := strings.Cut(at, " ")
		offer.free[id][dagdeel] += n
	}
}
