package exchange_test

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// members are data of a message, as its sender wants them.
type members = map[string]any

// send brings a message about a person to a node that its own program would not
// have made, and gives the answer.
func (f referring) send(from, to gateway.OIN, kind string, data any) gateway.ReceiptItem {
	f.t.Helper()
	raw, err := json.Marshal(data)
	if err != nil {
		f.t.Fatal(err)
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	now := time.Now().UTC().Truncate(time.Second)
	m := gateway.Message{
		ID: uuid.Must(uuid.NewV7()).String(), Source: from, Recipient: to, Kind: kind, Time: now, Expires: now.Add(gateway.Lifetime),
		Subject: "abcdefghijklmnopqrstuvwx", Sequence: 1 << 30, Incarnation: f.Node(from).Store.Incarnation(), Nonce: gateway.NonceOf(nonce), Data: raw,
	}
	signed, err := seal.Sign(f.Key(from), seal.Message, m.Encode())
	if err != nil {
		f.t.Fatal(err)
	}
	token, err := new(seal.Keys).Encrypt(*f.Party(to).Encryption, m, signed)
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.Node(to).Exchange.Accept(f.t.Context(), from, gateway.Batch{Messages: []string{token}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.wake(to)
	return answer.Items[0]
}

// heard is the answer of Smile to a request, as it went over the wire; the zero
// State if there was none.
func (f referring) heard(by gateway.OIN, request string) (found gateway.Referral, times int) {
	f.t.Helper()
	key := reading(f.t, f.Federation, by)
	tokens, _ := onTheWire(f.Federation, gt.Smile, by)
	for _, token := range tokens {
		inner, _, err := seal.Decrypt(token, func(string) *seal.EncryptionKey { return key })
		if err != nil {
			f.t.Fatal(err)
		}
		_, payload, err := seal.PeekUnverified(inner)
		if err != nil {
			f.t.Fatal(err)
		}
		var m struct {
			Data gateway.Referral `json:"data"`
		}
		if err := json.Unmarshal(payload, &m); err != nil {
			f.t.Fatal(err)
		}
		if m.Data.Answer.Request == request {
			found, times = m.Data, times+1
		}
	}
	return found, times
}

const unknownReferral = "3f0c9a12-5d1e-4c52-9a41-0d6b5b0f6a11"

func asked(id, act string, seen uint64, more members) members {
	m := members{"referral": id, "request": uuid.Must(uuid.NewV7()).String(), "act": act, "seen": seen}
	for name, value := range more {
		m[name] = value
	}
	return m
}

// needed is a good need with changes; a member that is nil is left out.
func needed(t *testing.T, change members) members {
	t.Helper()
	n := need()
	n.Fase, n.Trede = 0, 0
	raw, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var m members
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for name, value := range change {
		m[name] = value
	}
	return members{"need": m}
}

func handed(id string, seen uint64, more members) members {
	m := members{
		"referral": id, "request": uuid.Must(uuid.NewV7()).String(), "seen": seen, "name": "Kim Verzinsel",
		"contact": members{"name": "Robin Verzonnen"},
	}
	for name, value := range more {
		m[name] = value
	}
	return m
}

// wrongRequest is one that should come to nothing: by its receipt, or by the
// answer of the provider.
type wrongRequest struct {
	from   gateway.OIN
	kind   string
	data   members
	reason gateway.Reason // of the receipt; "": it is received
	why    string         // of the answer
}

func wrongRequests(t *testing.T, f referring, mine string) map[string]wrongRequest {
	fresh := func() string { return uuid.NewString() }
	refer := func(change members) members { return asked(fresh(), "refer", 0, needed(t, change)) }
	of := func(data members, reason gateway.Reason, why string) wrongRequest {
		return wrongRequest{gt.Alblasserdam, gateway.KindReferral, data, reason, why}
	}
	handover := func(from gateway.OIN, data members, reason gateway.Reason, why string) wrongRequest {
		return wrongRequest{from, gateway.KindHandover, data, reason, why}
	}
	twice := needed(t, nil)
	twice["attachments"] = []string{"cv.pdf"}
	return map[string]wrongRequest{
		"withdraw what is unknown":   of(asked(unknownReferral, "withdraw", 1, members{"reason": "overig"}), "", gateway.WhyUnknown),
		"cancel what is unknown":     of(asked(unknownReferral, "cancel", 1, members{"reason": "overig"}), "", gateway.WhyUnknown),
		"ask-introduction likewise":  of(asked(unknownReferral, "ask-introduction", 1, nil), "", gateway.WhyUnknown),
		"entered-in-error likewise":  of(asked(unknownReferral, "entered-in-error", 1, nil), "", gateway.WhyUnknown),
		"hand over what is unknown":  handover(gt.Alblasserdam, handed(unknownReferral, 1, nil), "", gateway.WhyUnknown),
		"withdraw that of another":   {gt.Dordrecht, gateway.KindReferral, asked(mine, "withdraw", 1, members{"reason": "overig"}), "", gateway.WhyUnknown},
		"refer under id of another":  {gt.Dordrecht, gateway.KindReferral, asked(mine, "refer", 0, needed(t, nil)), "", gateway.WhyUnknown},
		"hand over that of another":  handover(gt.Dordrecht, handed(mine, 1, nil), "", gateway.WhyUnknown),
		"hand over too early":        handover(gt.Alblasserdam, handed(mine, 1, nil), "", gateway.WhyNotNow),
		"refer again":                of(asked(mine, "refer", 0, needed(t, members{"note": "iets anders"})), "", gateway.WhyOpen),
		"refer again, and seen":      of(asked(mine, "refer", 1, needed(t, nil)), "", gateway.WhyOpen),
		"offer not there":            of(refer(members{"offer": "geen"}), "", gateway.WhyNoOffer),
		"offer of others":            of(refer(members{"offer": "verborgen"}), "", gateway.WhyNoOffer),
		"offer that has expired":     of(refer(members{"offer": "verlopen"}), "", gateway.WhyNoOffer),
		"dagdeel that is not there":  of(refer(members{"dagdelen": []string{"ma-ochtend", "zo-avond"}}), "", gateway.WhyDagdeel),
		"long ago":                   of(refer(members{"from": "1926-11-09"}), "", gateway.WhyDate),
		"in a century":               of(refer(members{"from": "2126-11-09"}), "", gateway.WhyDate),
		"informed long ago":          of(refer(members{"informed": members{"on": "1926-11-09", "how": "gesprek"}}), "", gateway.WhyDate),
		"informed in the future":     of(refer(members{"informed": members{"on": "2126-11-09", "how": "gesprek"}}), "", gateway.WhyDate),
		"follows somebody's":         of(refer(members{"follows": mine}), "", gateway.WhyFollows),
		"no date":                    of(refer(members{"from": "morgen"}), gateway.ReasonSchema, ""),
		"oversize note":              of(refer(members{"note": strings.Repeat("x", 201)}), gateway.ReasonSchema, ""),
		"oversize guidance":          handover(gt.Alblasserdam, handed(mine, 1, members{"guidance": strings.Repeat("x", 1001)}), gateway.ReasonSchema, ""),
		"attachments":                of(asked(fresh(), "refer", 0, twice), gateway.ReasonSchema, ""),
		"attachment to a need":       of(refer(members{"attachment": "cv.pdf"}), gateway.ReasonSchema, ""),
		"attachment to a handover":   handover(gt.Alblasserdam, handed(mine, 1, members{"attachments": []string{"cv.pdf"}}), gateway.ReasonSchema, ""),
		"somehow informed":           of(refer(members{"informed": members{"on": "2026-11-01", "how": "rook"}}), gateway.ReasonCode, ""),
		"withdraw without a reason":  of(asked(mine, "withdraw", 1, nil), gateway.ReasonSchema, ""),
		"a step of the provider":     of(asked(mine, "accept", 1, nil), gateway.ReasonSchema, ""),
		"recover with nothing of us": of(asked(fresh(), "recover", 3, members{"need": needed(t, nil)["need"], "state": "YQ.YQ.YQ"}), "", gateway.WhyUnknown),
	}
}

// TestWrongRequests: what a provider makes of what a referrer should not have sent:
// one answer that says why, and nothing kept. What there is stays as it is.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		over, hidden := gt.Offer("verlopen"), gt.Offer("verborgen")
		over.ValidUntil = gateway.DateOf(time.Now())
		hidden.Doelgroepen = []string{"justitieel"}
		f.Publish(gt.Smile, gt.Offer("groen"), over, hidden)
		f.Settled(time.Hour)
		time.Sleep(24 * time.Hour)
		mine := f.refer(gt.Alblasserdam, "K-1")
		for name, c := range wrongRequests(t, f, mine) {
			if c.why == gateway.WhyNotNow { // and not stale: answers have raised the number
				c.data["seen"] = f.read(gt.Smile, mine).Number
			}
			item := f.send(c.from, gt.Smile, c.kind, c.data)
			if received := item.Outcome == gateway.Received; received != (c.reason == "") || item.Reason != c.reason {
				t.Errorf("%s: got the receipt %s %s, want the reason %q", name, item.Outcome, item.Reason, c.reason)
			}
			answer, times := f.heard(c.from, c.data["request"].(string))
			switch {
			case c.why == "" && times != 0:
				t.Errorf("%s: got the answer %+v, want none", name, answer)
			case c.why != "" && (times != 1 || answer.Answer.Result != gateway.NotDone || answer.Answer.Why != c.why):
				t.Errorf("%s: got %d times the answer %+v, want that it was refused: %s", name, times, answer, c.why)
			case c.why == gateway.WhyUnknown && (answer.Status != "" || answer.Offer == "groen" && c.data["need"] == nil):
				t.Errorf("%s: got %+v, want nothing said of any referral", name, answer)
			}
		}
		list, err := f.Node(gt.Smile).Desk.ListReferrals(t.Context(), gt.Everyone(), desk.ReferralFilter{})
		if err != nil || len(list) != 1 {
			t.Errorf("got %d referrals, %v, want the one that was good", len(list), err)
		}
		if got := f.read(gt.Smile, mine); got.Status != gateway.Requested || got.Need.Note != need().Note || got.Handover != nil {
			t.Errorf("got %+v, want it as it was", got)
		}
		for _, secret := range []string{"Verzinsel", "Verzonnen", "iets anders", "cv.pdf", mine} {
			if strings.Contains(gt.Dump(f.Journal(gt.Smile)), secret) {
				t.Errorf("the journal has %q", secret)
			}
		}
		f.commit(desk.ReferralCommit{Referral: mine, Act: gateway.ActAccept})
		f.status(gt.Alblasserdam, mine, gateway.Accepted)
	})
}

// TestRequestsTwice: a request that comes again, with what it said or with something
// else, is answered as the first time; of two on the same state one is done.
func TestRequestsTwice(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		id := uuid.NewString()
		first := asked(id, "refer", 0, needed(t, nil))
		request := first["request"].(string)
		other := asked(id, "refer", 0, needed(t, members{"note": "iets heel anders", "dagdelen": []string{"ma-middag"}}))
		other["request"] = request
		for i, data := range []members{first, first, other} {
			if item := f.send(gt.Alblasserdam, gt.Smile, gateway.KindReferral, data); item.Outcome != gateway.Received {
				t.Fatalf("%d: got %+v", i, item)
			}
			got, times := f.heard(gt.Alblasserdam, request)
			if times != i+1 || got.Number != 1 || got.Status != gateway.Requested || got.Answer.Result != gateway.Committed {
				t.Errorf("%d: got %d times the answer %+v, want the same as the first time", i, times, got)
			}
		}
		if got := f.read(gt.Smile, id); got.Need.Note != need().Note || len(got.Dagdelen) != 1 || got.Dagdelen[0] != "ma-ochtend" {
			t.Errorf("got the need %+v, want the first", got.Need)
		}
		withdraw, wrong := asked(id, "withdraw", 1, members{"reason": "overig"}), asked(id, "entered-in-error", 1, nil)
		f.send(gt.Alblasserdam, gt.Smile, gateway.KindReferral, withdraw)
		f.send(gt.Alblasserdam, gt.Smile, gateway.KindReferral, wrong)
		if got, _ := f.heard(gt.Alblasserdam, withdraw["request"].(string)); got.Answer.Result != gateway.Committed {
			t.Errorf("the first: got %+v, want it done", got)
		}
		if got, _ := f.heard(gt.Alblasserdam, wrong["request"].(string)); got.Answer.Result != gateway.Stale || got.Status != gateway.WithdrawnByRef {
			t.Errorf("the second: got %+v, want it stale", got)
		}
	})
}

// TestWrongStates: what a referrer makes of states that are not of its providers to
// give: they change nothing. One of a referral that it does not know stays apart,
// and nothing can be asked of it: perhaps this node was restored.
func TestWrongStates(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		company := smile()
		company.OIN, company.Name = gt.Drechtwerk, "Drechtwerk"
		f := referring{gt.NewFederation(t, smile(), company, gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"),
			gemeente(gt.Dordrecht, "Dordrecht", "gm0505")), t}
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		mine := f.refer(gt.Alblasserdam, "K-1")
		before := f.read(gt.Alblasserdam, mine)
		state := func(id string, change members) members {
			m := members{
				"referral": id, "offer": "groen", "provider": gt.Smile, "referrer": gt.Alblasserdam, "number": 9, "status": "geaccepteerd",
				"since": time.Now().UTC().Truncate(time.Second).Format(time.RFC3339), "due": "2026-12-01",
			}
			for name, value := range change {
				if m[name] = value; value == nil {
					delete(m, name)
				}
			}
			return m
		}
		answer := members{"request": uuid.Must(uuid.NewV7()).String(), "result": "refused", "why": "onbekend"}
		for name, c := range map[string]struct {
			from   gateway.OIN
			data   members
			reason gateway.Reason
		}{
			"of the provider of another":    {gt.Drechtwerk, state(mine, members{"provider": gt.Drechtwerk}), gateway.ReasonProvider},
			"in the name of the provider":   {gt.Drechtwerk, state(mine, nil), gateway.ReasonProvider},
			"to another referrer":           {gt.Smile, state(mine, members{"referrer": gt.Dordrecht}), gateway.ReasonProvider},
			"of a gemeente":                 {gt.Dordrecht, state(mine, members{"provider": gt.Dordrecht}), gateway.ReasonPolicy},
			"dated in a century":            {gt.Smile, state(mine, members{"date": "2126-11-09"}), gateway.ReasonSchema},
			"dated a century ago":           {gt.Smile, state(mine, members{"date": "1926-11-09"}), gateway.ReasonSchema},
			"with an attachment":            {gt.Smile, state(mine, members{"attachments": []string{"a"}}), gateway.ReasonSchema},
			"with a reason of another list": {gt.Smile, state(mine, members{"status": "afgewezen", "reason": "uitval", "due": nil}), gateway.ReasonCode},
			"an answer to nothing": {gt.Smile, members{
				"referral": unknownReferral, "provider": gt.Smile, "referrer": gt.Alblasserdam, "number": 1,
				"since": "2026-11-22T10:00:00Z", "answer": answer,
			}, ""},
		} {
			item := f.send(c.from, gt.Alblasserdam, gateway.KindReferralState, c.data)
			if received := item.Outcome == gateway.Received; received != (c.reason == "") || item.Reason != c.reason {
				t.Errorf("%s: got %s %s, want the reason %q", name, item.Outcome, item.Reason, c.reason)
			}
			if got := f.read(gt.Alblasserdam, mine); got.Number != before.Number || got.Status != before.Status {
				t.Errorf("%s: got %+v, want it as it was", name, got.ReferralLine)
			}
		}
		if list := f.Node(gt.Alblasserdam).Store.Referrals(nil); len(list) != 1 {
			t.Errorf("got %d referrals, want the one that was made", len(list))
		}
		f.orphan(state(unknownReferral, nil))
		f.commit(desk.ReferralCommit{Referral: mine, Act: gateway.ActAccept})
		f.status(gt.Alblasserdam, mine, gateway.Accepted)
	})
}

// orphan brings a state of a referral that Alblasserdam never made.
func (f referring) orphan(data members) {
	f.t.Helper()
	if item := f.send(gt.Smile, gt.Alblasserdam, gateway.KindReferralState, data); item.Outcome != gateway.Received {
		f.t.Errorf("got %+v, want it received", item)
	}
	d := f.Node(gt.Alblasserdam).Desk
	_, err := d.AskReferral(f.t.Context(), gt.Everyone(), desk.ReferralRequest{Referral: unknownReferral, Act: gateway.ActCancel, Reason: "overig"})
	if gateway.KindOf(err) != gateway.Conflict || !strings.Contains(err.Error(), "by telephone") {
		f.t.Errorf("cancel it: got %v, want to be told to call", err)
	}
	_, err = d.HandOver(f.t.Context(), gt.Everyone(), desk.NewHandover{Referral: unknownReferral, Handover: gateway.Handover{
		Name: "Kim Verzinsel", Contact: gateway.Contact{Name: "Robin Verzonnen"},
	}})
	if gateway.KindOf(err) != gateway.Conflict || strings.Contains(err.Error(), "Verzinsel") {
		f.t.Errorf("hand over: got %v, want a conflict", err)
	}
}

// TestOfferExpiresOnTheWay: what was asked while the provider was away, and is over
// when it is back, is answered, and can be asked anew.
func TestOfferExpiresOnTheWay(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := newReferring(t)
		last := gt.Offer("groen")
		last.ValidUntil = gateway.DateOf(time.Now())
		f.Publish(gt.Smile, last)
		f.Settled(time.Hour)
		f.Net.Cut(gt.Smile)
		n := need()
		n.From = gateway.DateOf(time.Now())
		d := f.Node(gt.Alblasserdam).Desk
		asked, err := d.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Need: n})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Hour)
		if _, err := d.Refer(t.Context(), gt.Everyone(), desk.NewReferral{Provider: gt.Smile, Need: n}); gateway.KindOf(err) != gateway.Invalid ||
			!strings.Contains(err.Error(), "expired") {
			t.Errorf("got %v, want that the offer has expired: it was not withdrawn yet", err)
		}
		f.Net.Mend(gt.Smile)
		time.Sleep(time.Hour)
		got := f.read(gt.Alblasserdam, asked.Referral.ID)
		if got.Asked != "" || got.Status != "" || got.Answer.Why != gateway.WhyNoOffer {
			t.Errorf("got %+v, want the answer that the offer is gone", got)
		}
		if list := f.Node(gt.Smile).Store.Referrals(nil); len(list) != 0 {
			t.Errorf("got %d referrals at Smile, want none", len(list))
		}
	})
}
