package rest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// letterVector is a story of letters about allotments. The recipient starts without
// any request; as provider it has the offer that README.md describes.
type letterVector struct {
	Name      string       `json:"name"`
	Describes string       `json:"describes"`
	Recipient gateway.OIN  `json:"recipient"`
	Steps     []letterStep `json:"steps"`
}

// letterStep is one letter and its answer.
type letterStep struct {
	At     time.Time        `json:"at"`
	Peer   gateway.OIN      `json:"peer"`
	Letter string           `json:"letter"`
	Status int              `json:"status"`          // of HTTP
	State  *thirdShiftState `json:"state,omitempty"` // in the letter that answers
}

const (
	typAsk    = "doorstroom-allotment+json"
	typLetter = "doorstroom-allotment-letter+json"
)

// plain is an object of JSON, to be spoilt.
type plain map[string]any

func (p plain) with(member string, value any) plain {
	c := plain{}
	for name, v := range p {
		c[name] = v
	}
	if c[member] = value; value == nil {
		delete(c, member)
	}
	return c
}

func (w *world) signed(key, typ string, body any) string {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.keys[key].sign(w.keys[key].header(typ), b)
}

// shiftOf is two places of Dordrecht for Alblasserdam, or others.
func shiftOf(from, to string, places int) plain {
	return plain{"from": from, "to": to, "dagdeel": "ma-ochtend", "places": places}
}

// ask is a request of Alblasserdam at Smile.
func (w *world) ask(name string, shifts ...plain) plain {
	if len(shifts) == 0 {
		shifts = []plain{shiftOf(string(vDordrecht), "alblasserdam", 2)}
	}
	return plain{
		"id": uuid7(vectorTime(), name), "provider": vSmile, "asked": vAlblasserdam, "offer": "groen", "shifts": shifts,
		"made": gateway.FormatTime(vectorTime()), "until": gateway.FormatTime(vectorTime().AddDate(0, 0, 14)),
	}
}

// parties are who write letters, by the names of their keys.
func parties() map[string]gateway.OIN {
	return map[string]gateway.OIN{"smile": vSmile, "alblasserdam": vAlblasserdam, "dordrecht": vDordrecht, "drechtwerk": vDrechtwerk}
}

// letterOf is a good letter to Smile, or of Smile to Alblasserdam, about a request
// that its asker signed.
func (w *world) letterOf(by, says string, ask plain) plain {
	asker := "alblasserdam"
	for name, oin := range parties() {
		if ask["asked"] == oin {
			asker = name
		}
	}
	l := plain{
		"issuer": parties()[by], "audience": vSmile, "time": gateway.FormatTime(vectorTime()), "says": says, "ask": w.signed(asker, typAsk, ask),
	}
	switch says {
	case "sign":
		l["signed"] = w.signed(by, typAsk, ask)
	case "state":
		l["audience"] = vAlblasserdam
		l["state"] = plain{
			"id": ask["id"], "number": 1, "incarnation": 7, "status": "wacht-op-handtekening", "givers": []gateway.OIN{vAlblasserdam},
		}
	}
	return l
}

// says is a step: a good letter, and the state that answers it.
func (w *world) says(by, what string, ask plain, number int, status string, more ...func(*thirdShiftState)) letterStep {
	s := &thirdShiftState{ID: ask["id"].(string), Number: number, Status: status}
	for _, change := range more {
		change(s)
	}
	return letterStep{At: vectorTime(), Peer: parties()[by], Letter: w.signed(by, typLetter, w.letterOf(by, what, ask)), Status: http.StatusOK, State: s}
}

func givers(all ...gateway.OIN) func(*thirdShiftState) {
	return func(s *thirdShiftState) { s.Givers = texts(all) }
}

func signers(all ...gateway.OIN) func(*thirdShiftState) {
	return func(s *thirdShiftState) { s.Signed = texts(all) }
}

func byParty(oin gateway.OIN) func(*thirdShiftState) {
	return func(s *thirdShiftState) { s.By = string(oin) }
}

func because(reason string) func(*thirdShiftState) {
	return func(s *thirdShiftState) { s.Reason = reason }
}

func texts(all []gateway.OIN) (out []string) {
	for _, oin := range all {
		out = append(out, string(oin))
	}
	return out
}

func (w *world) letterVectors() []letterVector {
	return slices.Concat(w.shiftStories(), w.refusedAsks(), w.badLetters(), w.heardStates())
}

// shiftStories are requests from beginning to end, at their provider.
func (w *world) shiftStories() []letterVector {
	const waits, done = "wacht-op-handtekening", "vastgelegd"
	d := givers(vDordrecht)
	story := func(name, describes string, steps ...letterStep) letterVector {
		return letterVector{Name: name, Describes: describes, Recipient: vSmile, Steps: steps}
	}
	swap, both := w.ask("letter-swap"), w.ask("letter-both", shiftOf(string(vDordrecht), "alblasserdam", 2), shiftOf("alblasserdam", string(vDordrecht), 1))
	release := w.ask("letter-release", shiftOf("alblasserdam", "", 2))
	delete(release["shifts"].([]plain)[0], "to")
	twice, again := w.ask("letter-first", shiftOf("dordrecht", "alblasserdam", 4)), w.ask("letter-second", shiftOf("dordrecht", "alblasserdam", 2))
	no, back, late := w.ask("letter-refused"), w.ask("letter-withdrawn"), w.ask("letter-late")
	afterwards := w.says("dordrecht", "sign", late, 2, "verlopen", d)
	afterwards.At = vectorTime().AddDate(0, 0, 14).Add(time.Second)
	return []letterVector{
		story("letter-swap", "places of another: it is committed when that one has signed; said again, it stays so",
			w.says("alblasserdam", "ask", swap, 1, waits, d), w.says("alblasserdam", "ask", swap, 1, waits, d),
			w.says("dordrecht", "sign", swap, 2, done, d, signers(vDordrecht)), w.says("dordrecht", "sign", swap, 2, done, d, signers(vDordrecht)),
			w.says("dordrecht", "refuse", swap, 2, done, d, signers(vDordrecht)), w.says("alblasserdam", "withdraw", swap, 2, done, d, signers(vDordrecht))),
		story("letter-release", "who asks gives: its request is its signature", w.says("alblasserdam", "ask", release, 1, done, givers(vAlblasserdam), signers(vAlblasserdam))),
		story("letter-both", "both give: the asker has signed",
			w.says("alblasserdam", "ask", both, 1, waits, givers(vAlblasserdam, vDordrecht), signers(vAlblasserdam)),
			w.says("dordrecht", "sign", both, 2, done, givers(vAlblasserdam, vDordrecht), signers(vAlblasserdam, vDordrecht))),
		story("letter-in-use", "two requests for the same places: the second finds too few",
			w.says("alblasserdam", "ask", twice, 1, waits, d), w.says("alblasserdam", "ask", again, 1, waits, d),
			w.says("dordrecht", "sign", twice, 2, done, d, signers(vDordrecht)), w.says("dordrecht", "sign", again, 2, "in-gebruik", d, signers(vDordrecht))),
		story("letter-refused", "who would give refuses; what it signs after that changes nothing",
			w.says("alblasserdam", "ask", no, 1, waits, d), w.says("dordrecht", "refuse", no, 2, "geweigerd", d, byParty(vDordrecht)),
			w.says("dordrecht", "sign", no, 2, "geweigerd", d, byParty(vDordrecht))),
		story("letter-withdrawn", "who asks withdraws", w.says("alblasserdam", "ask", back, 1, waits, d),
			w.says("alblasserdam", "withdraw", back, 2, "ingetrokken", d, byParty(vAlblasserdam)),
			w.says("alblasserdam", "ask", back, 2, "ingetrokken", d, byParty(vAlblasserdam))),
		story("letter-late", "signed after its time", w.says("alblasserdam", "ask", late, 1, waits, d), afterwards),
	}
}

// refusedAsks are good letters of which the provider keeps nothing.
func (w *world) refusedAsks() []letterVector {
	var list []letterVector
	for _, row := range []struct {
		name, describes, by, says, reason string
		ask                               plain
	}{
		{"letter-unknown-request", "a signature for a request that is not here", "dordrecht", "sign", "onbekend", w.ask("letter-unknown-request")},
		{"letter-unknown-offer", "an offer that does not exist", "alblasserdam", "ask", "onbekend", w.ask("letter-unknown-offer").with("offer", "hout")},
		{"letter-unknown-allotment", "an allotment that does not exist", "alblasserdam", "ask", "onbekend", w.ask("letter-unknown-allotment", shiftOf("rood", "alblasserdam", 1))},
		{"letter-no-allotment", "a party that has no allotment", "alblasserdam", "ask", "onbekend", w.ask("letter-no-allotment", shiftOf(string(vDrechtwerk), "alblasserdam", 1))},
		{"letter-of-others", "between others", "alblasserdam", "ask", "onbekend", w.ask("letter-of-others", shiftOf("dordrecht", "overig", 1))},
		{"letter-not-shown", "who is not shown the allotments asks", "drechtwerk", "ask", "onbekend", w.ask("letter-not-shown").with("asked", vDrechtwerk)},
		{"letter-for-another", "who brings the request of another", "dordrecht", "ask", "onbekend", w.ask("letter-for-another")},
		{"letter-nobody", "one of the gemeenten that give has no party", "alblasserdam", "ask", "niemand-tekent", w.ask("letter-nobody", shiftOf("overig", "alblasserdam", 1))},
	} {
		list = append(list, letterVector{Name: row.name, Describes: row.describes, Recipient: vSmile,
			Steps: []letterStep{w.says(row.by, row.says, row.ask, 0, "geweigerd", because(row.reason))}})
	}
	return list
}

// badLetters are answered by a status alone, and change nothing.
func (w *world) badLetters() []letterVector {
	const bad, nobody, denied = http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden
	ask := w.ask("letter-bad")
	good := w.letterOf("alblasserdam", "ask", ask)
	by := func(key string, letter plain) string { return w.signed(key, typLetter, letter) }
	sign := w.letterOf("dordrecht", "sign", ask)
	about := func(ask plain) string { return by("alblasserdam", w.letterOf("alblasserdam", "ask", ask)) }
	shift := func(change func(plain)) plain {
		s := shiftOf("dordrecht", "alblasserdam", 1)
		change(s)
		return w.ask("letter-bad", s)
	}
	var list []letterVector
	for _, row := range []struct {
		name, describes string
		peer            gateway.OIN
		letter          string
		status          int
		after           bool // the request was asked before
	}{
		{"letter-text", "not a token", vAlblasserdam, "brief", bad, false},
		{"letter-other-key", "signed by another party", vAlblasserdam, by("dordrecht", good), nobody, false},
		{"letter-unknown-key", "signed with a key of nobody", vAlblasserdam, by("stranger", good), nobody, false},
		{"letter-old-key", "signed with a key whose validity ended less than 14 days ago", vSmile, by("smile-rotated", w.letterOf("smile", "state", ask)), nobody, false},
		{"letter-as-message", "signed as a message", vAlblasserdam, w.signed("alblasserdam", "cloudevents+json", good), nobody, false},
		{"letter-as-request", "signed as a request", vAlblasserdam, w.signed("alblasserdam", typAsk, good), nobody, false},
		{"letter-other-issuer", "in the name of another", vAlblasserdam, by("alblasserdam", good.with("issuer", vDordrecht)), bad, false},
		{"letter-other-audience", "for another", vAlblasserdam, by("alblasserdam", good.with("audience", vDordrecht)), bad, false},
		{"letter-unknown-member", "a member that does not exist", vAlblasserdam, by("alblasserdam", good.with("remark", "x")), bad, false},
		{"letter-says", "says what does not exist", vAlblasserdam, by("alblasserdam", good.with("says", "alles")), bad, false},
		{"letter-sign-without", "a signature that is not there", vDordrecht, by("dordrecht", sign.with("signed", nil)), bad, false},
		{"letter-no-request", "without a request", vAlblasserdam, by("alblasserdam", good.with("ask", nil)), bad, false},
		{"letter-request-text", "a request that is not a token", vAlblasserdam, by("alblasserdam", good.with("ask", "a.b.c")), bad, false},
		{"letter-forged-request", "a request that its asker did not sign", vAlblasserdam, by("alblasserdam", good.with("ask", w.signed("stranger", typAsk, ask))), nobody, false},
		{"letter-request-as-letter", "a request that was signed as something else", vAlblasserdam, by("alblasserdam", good.with("ask", w.signed("alblasserdam", typLetter, ask))), nobody, false},
		{"letter-other-provider", "a request to another party", vAlblasserdam, about(ask.with("provider", vDordrecht)), bad, false},
		{"letter-no-places", "no places", vAlblasserdam, about(shift(func(s plain) { s["places"] = 0 })), bad, false},
		{"letter-no-dagdeel", "a dagdeel that does not exist", vAlblasserdam, about(shift(func(s plain) { s["dagdeel"] = "ma-nacht" })), bad, false},
		{"letter-to-itself", "from an allotment to the same", vAlblasserdam, about(shift(func(s plain) { s["from"] = s["to"] })), bad, false},
		{"letter-61-days", "waits too long", vAlblasserdam, about(ask.with("until", gateway.FormatTime(vectorTime().AddDate(0, 0, 61)))), bad, false},
		{"letter-no-time", "over when it was made", vAlblasserdam, about(ask.with("until", ask["made"])), bad, false},
		{"letter-request-member", "a member that a request does not have", vAlblasserdam, about(ask.with("remark", "x")), bad, false},
		{"letter-signed-other", "a signature for other bytes", vDordrecht, by("dordrecht", sign.with("signed", w.signed("dordrecht", typAsk, ask.with("offer", "hout")))), denied, true},
		{"letter-signed-forged", "a signature of somebody else", vDordrecht, by("dordrecht", sign.with("signed", w.signed("stranger", typAsk, ask))), nobody, true},
		{"letter-signed-by-asker", "the asker signs for who gives", vAlblasserdam, by("alblasserdam", w.letterOf("alblasserdam", "sign", ask)), denied, true},
		{"letter-giver-withdraws", "who gives withdraws", vDordrecht, by("dordrecht", w.letterOf("dordrecht", "withdraw", ask)), denied, true},
		{"letter-asker-refuses", "who asks refuses", vAlblasserdam, by("alblasserdam", w.letterOf("alblasserdam", "refuse", ask)), denied, true},
	} {
		v := letterVector{Name: row.name, Describes: row.describes, Recipient: vSmile}
		if row.peer == vSmile {
			v.Recipient = vAlblasserdam
		}
		spoilt := letterStep{At: vectorTime(), Peer: row.peer, Letter: row.letter, Status: row.status}
		if row.after {
			waits := w.says("alblasserdam", "ask", ask, 1, "wacht-op-handtekening", givers(vDordrecht))
			v.Steps = []letterStep{waits, spoilt, waits} // as it was
		} else {
			v.Steps = []letterStep{spoilt}
		}
		list = append(list, v)
	}
	return list
}

// heardStates are what a party of a request hears of it, Alblasserdam of one of
// Dordrecht.
func (w *world) heardStates() []letterVector {
	const ok, bad, nobody, denied = http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden
	ask := w.ask("letter-state", shiftOf(string(vAlblasserdam), "dordrecht", 2)).with("asked", vDordrecht)
	state := w.letterOf("smile", "state", ask)
	with := func(member string, value any) plain {
		return state.with("state", state["state"].(plain).with(member, value))
	}
	step := func(key string, letter plain, status int) letterStep {
		return letterStep{At: vectorTime(), Peer: parties()[strings.TrimSuffix(key, "-next")], Letter: w.signed(key, typLetter, letter), Status: status}
	}
	var list []letterVector
	for _, row := range []struct {
		name, describes string
		steps           []letterStep
	}{
		{"letter-state", "where a request stands, told twice, and later", []letterStep{
			step("smile", state, ok), step("smile", state, ok), step("smile", with("number", 2), ok)}},
		{"letter-state-other-provider", "of another than its provider", []letterStep{step("dordrecht", state.with("issuer", vDordrecht), denied)}},
		{"letter-state-forged", "of a request that its asker did not sign", []letterStep{step("smile", state.with("ask", w.signed("stranger", typAsk, ask)), nobody)}},
		{"letter-state-changed", "of a request with other bytes than it had", []letterStep{
			step("smile", state, ok), step("smile", state.with("ask", w.signed("dordrecht", typAsk, ask.with("offer", "hout"))), denied)}},
		{"letter-state-other-id", "of a request with another id", []letterStep{step("smile", with("id", uuid7(vectorTime(), "other")), bad)}},
		{"letter-state-status", "a status that does not exist", []letterStep{step("smile", with("status", "klaar"), bad)}},
		{"letter-state-without", "a state that is not there", []letterStep{step("smile", state.with("state", nil), bad)}},
		{"letter-state-signed", "a state with a signature beside it", []letterStep{step("smile", state.with("signed", state["ask"]), bad)}},
		{"letter-state-future-key", "signed with a key for next month", []letterStep{step("smile-next", state, nobody)}},
	} {
		list = append(list, letterVector{Name: row.name, Describes: row.describes, Recipient: vAlblasserdam, Steps: row.steps})
	}
	return list
}
