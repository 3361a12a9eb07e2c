package rest_test

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// story builds a vector of several steps. All messages are of Smile, unless it
// is told otherwise.
type story struct {
	w    *world
	v    messageVector
	at   time.Time
	peer gateway.OIN
	key  string
}

func (w *world) story(name, describes string) *story {
	return &story{w: w, v: messageVector{Name: name, Describes: describes}, at: vectorTime(), peer: vSmile, key: "smile"}
}

// event is a message of the story with a sequence.
func (s *story) event(name string, sequence int, changes ...func(event)) event {
	e := s.w.event(s.v.Name + " " + name)
	e["sequence"] = strconv.Itoa(sequence)
	for _, change := range changes {
		change(e)
	}
	return e
}

func about(subject string) func(event) { return func(e event) { e["subject"] = subjectOf(subject) } }

func incarnation(n int) func(event) { return func(e event) { e["incarnation"] = strconv.Itoa(n) } }

func withdrawal(e event) {
	e["data"] = map[string]any{"offer": "groen", "provider": vSmile, "withdrawn": true}
}

// answered is a message and what is said of it.
type answered struct {
	token string
	item  gateway.ReceiptItem
}

func (s *story) says(e event, outcome gateway.Outcome, reason gateway.Reason) answered {
	i := e.item(outcome, reason)
	i.Received = s.at
	return answered{s.w.keys[s.key].message(e.bytes()), i}
}

func (s *story) received(e event) answered { return s.says(e, gateway.Received, "") }

func (s *story) older(e event) answered { return s.says(e, gateway.Superseded, gateway.ReasonOlder) }

// batch is one request with everything in it.
func (s *story) batch(all ...answered) *story {
	step := vectorStep{At: s.at, Peer: s.peer}
	for _, a := range all {
		step.Messages, step.Items = append(step.Messages, a.token), append(step.Items, a.item)
	}
	s.v.Steps = append(s.v.Steps, step)
	return s
}

func (s *story) later(d time.Duration) *story {
	s.at = s.at.Add(d)
	return s
}

func (s *story) holds(events ...event) messageVector {
	s.v.Holds = holding(events...)
	return s.v
}

func (w *world) storyVectors() []messageVector {
	list := append(w.orderVectors(), w.stateVectors()...)
	return append(list, w.againVectors()...)
}

// orderVectors: what comes late has no effect.
func (w *world) orderVectors() []messageVector {
	a := about("groen")
	s := w.story("newer", "a later snapshot of a subject replaces the earlier")
	first, second := s.event("1", 7, a), s.event("2", 8, a)
	newer := s.batch(s.received(first), s.received(second)).holds(second)

	s = w.story("older", "an earlier snapshot after a later, and another with the same sequence")
	first, second, third := s.event("1", 8, a), s.event("2", 7, a), s.event("3", 8, a)
	older := s.batch(s.received(first), s.older(second), s.older(third)).holds(first)

	s = w.story("incarnation", "a restored sender begins anew; what it sent before it was restored is late")
	first, second, third = s.event("1", 70, a), s.event("2", 1, a, incarnation(2)), s.event("3", 71, a)
	restored := s.batch(s.received(first), s.received(second), s.says(third, gateway.Superseded, gateway.ReasonIncarnation)).holds(second)

	s = w.story("withdrawn", "an offer is withdrawn; an earlier snapshot does not bring it back, a later one does")
	first, second, third, fourth := s.event("1", 7, a), s.event("2", 9, a, withdrawal), s.event("3", 8, a), s.event("4", 10, a)
	withdrawn := s.batch(s.received(first), s.received(second), s.older(third), s.received(fourth)).holds(fourth)

	s = w.story("withdrawn-unknown", "a withdrawal of what the recipient never had")
	gone := s.batch(s.received(s.event("1", 7, withdrawal))).holds()

	s = w.story("subjects", "subjects do not hold each other up")
	first, second = s.event("1", 8, a), s.event("2", 7, about("hout"))
	apart := s.batch(s.received(first), s.received(second)).holds(first, second)

	s = w.story("batch", "a bad message does not hold up those beside it")
	first, second = s.event("1", 7), s.event("3", 8)
	bad := s.event("2", 7, func(e event) { e["recipient"] = vDordrecht.URN() })
	batch := s.batch(s.received(first), s.says(bad, gateway.Refused, gateway.ReasonRecipient), s.received(second)).holds(first, second)
	return []messageVector{newer, older, restored, withdrawn, gone, apart, batch}
}

// stateVectors are about the list of all that is shown, and the digest of it.
func (w *world) stateVectors() []messageVector {
	a, b, c := about("a"), about("b"), about("c")
	s := w.story("state", "of three offers the list names two")
	one, two, three := s.event("1", 1, a), s.event("2", 2, b), s.event("3", 3, c)
	dropped := s.batch(s.received(one), s.received(two), s.received(three)).
		batch(s.received(s.event("4", 4, stateOf(subjectOf("a"), subjectOf("c"))))).holds(one, three)

	s = w.story("state-empty", "the list names nothing")
	none := s.batch(s.received(s.event("1", 1, a)), s.received(s.event("2", 2, asState))).holds()

	s = w.story("state-then-later", "an offer that is newer than the list stays, and one that comes after it is taken")
	one, two = s.event("1", 5, a), s.event("3", 6, b)
	later := s.batch(s.received(one), s.received(s.event("2", 4, asState)), s.received(two)).holds(one, two)

	s = w.story("state-then-earlier", "earlier snapshots come after the list: only what it names is taken")
	one, two = s.event("2", 2, a), s.event("3", 3, b)
	earlier := s.batch(s.received(s.event("1", 4, stateOf(subjectOf("a")))), s.received(one), s.older(two)).holds(one)

	s = w.story("state-older", "an earlier list after a later")
	one = s.event("1", 1, a)
	old := s.batch(s.received(one), s.received(s.event("2", 5, stateOf(subjectOf("a")))), s.older(s.event("3", 4, asState))).holds(one)

	s = w.story("state-dropped", "what a list dropped does not come back by an earlier snapshot")
	one = s.event("4", 6, a)
	gone := s.batch(s.received(s.event("1", 1, a)), s.received(s.event("2", 5, asState)), s.older(s.event("3", 4, a)), s.received(one)).holds(one)

	s = w.story("state-repeated-subject", "a list that names a subject twice")
	e := s.event("1", 1, stateOf(subjectOf("a"), subjectOf("a")))
	twice := s.batch(s.says(e, gateway.Refused, gateway.ReasonSchema)).holds()
	return []messageVector{dropped, none, later, earlier, old, gone, twice}
}

// againVectors are messages that come more than once, or an id that does.
func (w *world) againVectors() []messageVector {
	s := w.story("again", "the same token three days later gets the same item")
	e := s.event("1", 7)
	first := s.received(e)
	again := s.batch(first).later(72 * time.Hour).batch(first).holds(e)

	s = w.story("again-in-one-batch", "the same token twice in one batch")
	e = s.event("1", 7)
	twice := s.batch(s.received(e), s.received(e)).holds(e)

	s = w.story("again-late", "a duplicate of what has expired since gets the item of the first time")
	e = s.event("1", 7)
	first = s.received(e)
	late := s.batch(first).later(20 * 24 * time.Hour).batch(first).holds(e)

	s = w.story("again-signed-anew", "the same message under another signature is the same message")
	e = s.event("1", 7)
	first = s.received(e)
	anew := s.batch(first, answered{w.keys["smile-rotated"].message(e.bytes()), first.item}).holds(e)

	s = w.story("again-malleated", "ES256 has a second valid signature that anybody can make: the same message, the same item")
	s.peer, s.key = vDrechtwerk, "drechtwerk"
	e = s.event("1", 7, func(e event) { e["source"], e.data()["provider"] = vDrechtwerk.URN(), vDrechtwerk })
	first = s.received(e)
	malleated := s.batch(first, answered{twin(first.token), first.item}).holds(e)

	s = w.story("again-refused", "a refusal is for good: the same item a day later")
	e = s.event("1", 7, func(e event) { e.data()["werksoorten"] = []string{"koffie"} })
	first = s.says(e, gateway.Refused, gateway.ReasonCode)
	refused := s.batch(first).later(24 * time.Hour).batch(first).holds()

	s = w.story("id-reused", "the same id with another body")
	e = s.event("1", 7)
	other := s.event("1", 8, func(e event) { e.data()["title"] = "Iets anders" })
	reused := s.batch(s.received(e), s.says(other, gateway.Refused, gateway.ReasonIDReused)).holds(e)

	s = w.story("id-not-blocked", "a forged message does not block the id of the real one")
	e, other = s.event("1", 7), s.event("1", 8)
	forged := s.says(other, gateway.Refused, gateway.ReasonKeyUnknown)
	forged.token = w.keys["stranger"].message(other.bytes())
	notBlocked := s.batch(forged, s.received(e)).holds(e)

	s = w.story("future-then-good", "retry-later leaves no trace: an hour later the same token is received")
	e = s.event("1", 7, func(e event) { e["time"] = gateway.FormatTime(s.at.Add(time.Hour)) })
	early := s.says(e, gateway.RetryLater, gateway.ReasonFuture)
	future := s.batch(early).later(time.Hour).batch(s.received(e)).holds(e)
	return []messageVector{again, twice, late, anew, malleated, refused, reused, notBlocked, future, w.newerRegister()}
}

// newerRegister: who says hello with a newer register may know more than the
// recipient.
func (w *world) newerRegister() messageVector {
	s := w.story("key-unknown-newer-register", "a key of nobody, from a peer whose hello named a newer register")
	e := s.event("1", 7)
	unknown := s.says(e, gateway.RetryLater, gateway.ReasonKeyUnknown)
	unknown.token = w.keys["stranger"].message(e.bytes())
	s.v.Steps = append(s.v.Steps, vectorStep{At: s.at, Peer: vSmile, Hello: w.hello("smile", func(h *gateway.Hello) { h.Register = 2 })})
	return s.batch(unknown).holds()
}

// hello is a good hello of a party to Alblasserdam.
func (w *world) hello(name string, change func(*gateway.Hello)) string {
	w.t.Helper()
	h := gateway.Hello{
		Issuer: vSmile, Audience: vAlblasserdam, Time: vectorTime(), Protocol: []int{1}, Kinds: []string{}, CodeLists: map[string]string{},
		Register: 1, Incarnation: 1, Holds: gateway.StateDigest{Digest: gateway.Hash(nil)},
	}
	if change != nil {
		change(&h)
	}
	b, err := json.Marshal(h)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.keys[name].sign(w.keys[name].header("doorstroom-hello+json"), b)
}
