package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

const referralVectors = "../schemas/testdata/vectors/referrals.json"

// requestVector is what a provider makes of one request about a referral that it
// has: the state that it sends.
type requestVector struct {
	Name        string                  `json:"name"`
	At          time.Time               `json:"at"`
	Incarnation uint64                  `json:"incarnation"` // of the provider's database, never restored
	Before      gateway.Referral        `json:"before"`
	Request     gateway.ReferralRequest `json:"request"` // of a handover: without what it hands over
	After       gateway.Referral        `json:"after"`
}

// stateVector is what a referrer makes of a state that comes to it.
type stateVector struct {
	Name    string         `json:"name"`
	Known   gateway.Follow `json:"known"`
	Comes   comes          `json:"comes"`
	Takes   bool           `json:"takes"`
	Open    string         `json:"open,omitempty"` // afterwards: the act that is not answered
	Renewed bool           `json:"renewed"`        // it asks that again, with a new request id and the new number
}

type comes struct {
	Incarnation uint64           `json:"incarnation"`
	State       gateway.Referral `json:"state"`
}

type referralVectorFile struct {
	Requests []requestVector `json:"requests"`
	States   []stateVector   `json:"states"`
}

func vectorDay() time.Time { return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC) }

// vectorState is a referral in a state, number 7 of incarnation 3.
func vectorState(status gateway.ReferralStatus) gateway.Referral {
	r := gateway.Referral{
		ID: "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11", Offer: "groen-01", Provider: "00000099000000001000", Referrer: "00000099000000002001",
		Number: 7, Status: status, Since: vectorDay().Add(-24 * time.Hour), Dagdelen: []gateway.Dagdeel{"di-ochtend"},
		Answer: gateway.Answer{Request: "01935c00-0000-7000-8000-000000000001", Result: gateway.Committed},
	}
	if list := status.Reasons(); list != "" {
		r.Reason = "overig"
	}
	return r
}

func vectorRequest(act gateway.ReferralAct, seen, incarnation uint64) gateway.ReferralRequest {
	q := gateway.ReferralRequest{
		Referral: "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11", Request: "01935c00-0000-7000-8000-000000000002", Act: act, Seen: seen, Incarnation: incarnation,
	}
	if act.Reasons() != "" {
		q.Reason = "overig"
	}
	return q
}

// makeReferralVectors asks everything of every state, and then what is late,
// repeated, or of another database.
func makeReferralVectors() referralVectorFile {
	var f referralVectorFile
	add := func(name string, before gateway.Referral, q gateway.ReferralRequest) {
		life := gateway.Life{Incarnation: 3}
		after, ok := gateway.Provided{Referral: before, Incarnation: 3}.Take(q, life, gateway.Step{At: vectorDay()})
		if !ok {
			panic("a provider that was never restored takes every request")
		}
		f.Requests = append(f.Requests, requestVector{name, vectorDay(), 3, before, q, after.Referral})
	}
	for _, status := range gateway.ReferralStatuses() {
		for _, act := range gateway.ReferralActs() {
			if slices.Contains(act.By(), gateway.ReferrerSide) && act != gateway.ActRefer && act != gateway.ActRecover {
				add(fmt.Sprintf("%s in %s", act, status), vectorState(status), vectorRequest(act, 7, 3))
			}
		}
	}
	accepted := vectorState(gateway.Accepted)
	add("of an earlier state", accepted, vectorRequest(gateway.ActCancel, 6, 3))
	add("of a later state than there is", accepted, vectorRequest(gateway.ActCancel, 8, 3))
	add("of an earlier state, and not possible in any", vectorState(gateway.Ended), vectorRequest(gateway.ActCancel, 6, 3))
	add("of another incarnation, with the same number", accepted, vectorRequest(gateway.ActCancel, 7, 2))
	add("without an incarnation", accepted, vectorRequest(gateway.ActCancel, 7, 0))
	again := vectorRequest(gateway.ActCancel, 6, 3)
	again.Request = accepted.Answer.Request
	add("answered last already", accepted, again)
	f.States = stateVectors()
	return f
}

func stateVectors() (all []stateVector) {
	add := func(name string, open bool, change func(*gateway.Follow, *comes)) {
		known := gateway.Follow{Referral: vectorState(gateway.Accepted), Incarnation: 3}
		c := comes{3, vectorState(gateway.HandoverAsked)}
		c.State.Number = 8
		if open {
			q := vectorRequest(gateway.ActCancel, 7, 3)
			known.Open = &q
		}
		change(&known, &c)
		got, renewed := known.Hear(c.Incarnation, c.State, "01935c00-0000-7000-8000-000000000003")
		v := stateVector{Name: name, Known: known, Comes: c, Takes: !reflect.DeepEqual(got.Referral, known.Referral), Renewed: renewed != nil}
		if got.Open != nil {
			v.Open = string(got.Open.Act)
		}
		all = append(all, v)
	}
	answer := func(result gateway.AnswerResult, why string) func(*gateway.Follow, *comes) {
		return func(f *gateway.Follow, c *comes) {
			c.State.Answer = gateway.Answer{Request: f.Open.Request, Result: result, Why: why}
		}
	}
	add("the next", false, func(*gateway.Follow, *comes) {})
	add("a later one, others were lost", false, func(_ *gateway.Follow, c *comes) { c.State.Number = 12 })
	add("the same number", false, func(_ *gateway.Follow, c *comes) { c.State.Number = 7 })
	add("an earlier number", false, func(_ *gateway.Follow, c *comes) { c.State.Number = 6 })
	add("a later incarnation", false, func(_ *gateway.Follow, c *comes) { c.Incarnation, c.State.Number = 4, 1 })
	add("an earlier incarnation", false, func(_ *gateway.Follow, c *comes) { c.Incarnation, c.State.Number = 2, 99 })
	add("another state while a request is open", true, func(*gateway.Follow, *comes) {})
	add("an end while a request is open", true, func(_ *gateway.Follow, c *comes) { c.State.Status, c.State.Reason = gateway.Declined, "past-niet" })
	add("the request is committed", true, answer(gateway.Committed, ""))
	add("the request is refused", true, answer(gateway.NotDone, gateway.WhyNotNow))
	add("the request is stale, and possible still", true, answer(gateway.Stale, ""))
	add("the request is stale, and not possible any more", true, func(f *gateway.Follow, c *comes) {
		answer(gateway.Stale, "")(f, c)
		c.State.Status, c.State.Reason = gateway.Ended, "overig"
	})
	return all
}

// TestGeneratedReferralVectors holds the published vectors equal to what the code
// does, and to what docs/protocol.md says alone.
func TestGeneratedReferralVectors(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(makeReferralVectors()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(referralVectors, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(referralVectors)
	if err != nil || !bytes.Equal(data, b.Bytes()) {
		t.Fatalf("%s has other vectors than the code (%v); run make generate", referralVectors, err)
	}
	var f referralVectorFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	table := statesOfTheBook(t)
	if len(f.Requests) < 90 || len(f.States) < 12 {
		t.Errorf("got %d requests and %d states, want all", len(f.Requests), len(f.States))
	}
	for _, v := range f.Requests {
		status, number, result, why := table.answers(v)
		if a := v.After; string(a.Status) != status || a.Number != number || string(a.Answer.Result) != result || a.Answer.Why != why ||
			a.Answer.Request != v.Request.Request {
			t.Errorf("%s: got %+v, want by the book %s %d %s %s", v.Name, v.After, status, number, result, why)
		}
	}
	for _, v := range f.States {
		later := v.Comes.Incarnation > v.Known.Incarnation || v.Comes.Incarnation == v.Known.Incarnation && v.Comes.State.Number > v.Known.Number
		if v.Takes != later {
			t.Errorf("%s: got taken %t, want by the book %t", v.Name, v.Takes, later)
		}
	}
}

// book is the table of states as docs/protocol.md has it: by state the acts of the
// referrer, with the next state.
type book map[string]map[string]string

func statesOfTheBook(t *testing.T) book {
	t.Helper()
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, states, _ := strings.Cut(string(doc), "<!-- states:")
	states, _, _ = strings.Cut(states, "<!-- /states -->")
	b := book{}
	row := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (?:provider|referrer|–)[^|]*\\| ([^|]*) \\|$")
	act := regexp.MustCompile(`\*([a-z-]+)\* → ([a-z-]+)`)
	for _, m := range row.FindAllStringSubmatch(states, -1) {
		b[m[1]] = map[string]string{}
		for _, a := range act.FindAllStringSubmatch(m[2], -1) {
			b[m[1]][a[1]] = a[2]
		}
	}
	if len(b) != len(gateway.ReferralStatuses()) {
		t.Fatalf("got %d states in the document", len(b))
	}
	return b
}

// answers follows the five rules of docs/protocol.md, and the one on incarnations.
func (b book) answers(v requestVector) (status string, number uint64, result, why string) {
	before, q := v.Before, v.Request
	status, number = string(before.Status), before.Number+1
	switch next, ok := b[status][string(q.Act)]; {
	case q.Request == before.Answer.Request:
		return status, before.Number, string(before.Answer.Result), before.Answer.Why
	case q.Seen != before.Number || q.Incarnation != 0 && q.Incarnation != v.Incarnation:
		return status, number, "stale", ""
	case !ok:
		return status, number, "refused", "nu-niet"
	default:
		return next, number, "committed", ""
	}
}
