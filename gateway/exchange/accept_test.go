package exchange_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/exchange"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// hostile is Alblasserdam's node with Smile's key in the hands of the test.
type hostile struct {
	t    *testing.T
	f    *gt.Federation
	node *exchange.Exchange
	key  *seal.Key
}

func attack(t *testing.T) *hostile {
	f := gt.NewFederation(t, smile(),
		gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
	f.Settled(time.Hour)
	f.Stop(gt.Smile)
	return &hostile{t: t, f: f, node: f.Node(gt.Alblasserdam).Exchange, key: f.Key(gt.Smile)}
}

// message is a good one from Smile to Alblasserdam, for tests to spoil.
func (h *hostile) message() gateway.Message {
	id, err := uuid.NewV7()
	if err != nil {
		h.t.Fatal(err)
	}
	data, _ := gateway.Project(gt.Offer("groen"), gateway.Sampling{}.Advance(gt.Offer("groen"), time.Now()),
		gateway.Recipient{}, gateway.Disclosure{gateway.FieldTitle: gateway.Exact}).Encode()
	now := time.Now().UTC().Truncate(time.Second)
	return gateway.Message{
		ID: id.String(), Source: gt.Smile, Kind: gateway.KindCapacity, Time: now, Recipient: gt.Alblasserdam,
		Expires: now.Add(gateway.Lifetime), Subject: "abcdefghijklmnopqrstuvwx", Sequence: 100, Incarnation: 1, Data: data,
	}
}

func (h *hostile) sign(payload []byte) string {
	token, err := seal.Sign(h.key, seal.Message, payload)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func (h *hostile) send(tokens ...string) []gateway.ReceiptItem {
	h.t.Helper()
	answer, err := h.node.Accept(context.Background(), gt.Smile, gateway.Batch{Messages: tokens})
	if err != nil {
		h.t.Fatalf("accept: %v", err)
	}
	if len(answer.Items) != len(tokens) {
		h.t.Fatalf("got %d items for %d messages", len(answer.Items), len(tokens))
	}
	return answer.Items
}

func (h *hostile) held() int { return len(h.f.Received(gt.Alblasserdam, gt.Smile)) }

// edit changes a member of the event as it stands on the wire.
func edit(payload []byte, member string, value any) []byte {
	var event map[string]any
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	if value == nil {
		delete(event, member)
	} else {
		event[member] = value
	}
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}

// Everything that can be wrong with one message: each has its reason, changes
// nothing, and does not stop the good message beside it.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	other, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	secret := "Geheimzinnige Tekst"
	cases := map[string]struct {
		token   func(h *hostile) string
		outcome gateway.Outcome
		reason  gateway.Reason
	}{
		"key of nobody": {func(h *hostile) string {
			token, _ := seal.Sign(other, seal.Message, h.message().Encode())
			return token
		}, gateway.Refused, gateway.ReasonKeyUnknown},
		"key of another party": {func(h *hostile) string {
			token, _ := seal.Sign(h.f.Key(gt.Dordrecht), seal.Message, h.message().Encode())
			return token
		}, gateway.Refused, gateway.ReasonPeer},
		"source is another party": {func(h *hostile) string {
			m := h.message()
			m.Source = gt.Dordrecht
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonSource},
		"another recipient": {func(h *hostile) string {
			m := h.message()
			m.Recipient = gt.Dordrecht
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonRecipient},
		"expired": {func(h *hostile) string {
			m := h.message()
			m.Time, m.Expires = m.Time.AddDate(0, 0, -20), m.Time.Add(-time.Hour)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonExpired},
		"lives too long": {func(h *hostile) string {
			m := h.message()
			m.Expires = m.Time.AddDate(0, 0, 31)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonLifetime},
		"expires before its time": {func(h *hostile) string {
			m := h.message()
			m.Expires = m.Time.Add(-time.Second)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonLifetime},
		"from the future": {func(h *hostile) string {
			m := h.message()
			m.Time, m.Expires = m.Time.Add(time.Hour), m.Expires.Add(time.Hour)
			return h.sign(m.Encode())
		}, gateway.RetryLater, gateway.ReasonFuture},
		"unknown type": {func(h *hostile) string {
			m := h.message()
			m.Kind = "koffie"
			return h.sign(m.Encode())
		}, gateway.Unsupported, gateway.ReasonType},
		"later version of the type": {func(h *hostile) string {
			later := edit(h.message().Encode(), "type", "nl.doorstroom.capacity.v2")
			return h.sign(edit(later, "dataschema", strings.Replace(gateway.SchemaOf("capacity"), ".v1.", ".v2.", 1)))
		}, gateway.Unsupported, gateway.ReasonType},
		"schema of another type": {func(h *hostile) string {
			return h.sign(edit(h.message().Encode(), "dataschema", gateway.SchemaOf("capacity-state")))
		}, gateway.Refused, gateway.ReasonSchema},
		"unknown code": {func(h *hostile) string {
			m := h.message()
			m.Data = []byte(`{"offer":"x","provider":"00000099000000001000","werksoorten":["` + secret + `"],"validFrom":"2026-01-01","validUntil":"2026-12-31"}`)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonCode},
		"unknown property": {func(h *hostile) string {
			m := h.message()
			m.Data = []byte(`{"offer":"x","provider":"00000099000000001000","bsn":"123456782","validFrom":"2026-01-01","validUntil":"2026-12-31"}`)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonSchema},
		"unknown attribute": {func(h *hostile) string {
			return h.sign(edit(h.message().Encode(), "naam", secret))
		}, gateway.Refused, gateway.ReasonSchema},
		"attribute in other case": {func(h *hostile) string {
			return h.sign([]byte(strings.Replace(string(h.message().Encode()), `"source"`, `"Source"`, 1)))
		}, gateway.Refused, gateway.ReasonSchema},
		"duplicate key": {func(h *hostile) string {
			return h.sign([]byte(strings.Replace(string(h.message().Encode()), `{"specversion"`, `{"subject":"x","specversion"`, 1)))
		}, gateway.Refused, gateway.ReasonMalformed},
		"duplicate key in data": {func(h *hostile) string {
			return h.sign([]byte(strings.Replace(string(h.message().Encode()), `"offer":"groen"`, `"offer":"rood","offer":"groen"`, 1)))
		}, gateway.Refused, gateway.ReasonMalformed},
		"invalid UTF-8": {func(h *hostile) string {
			return h.sign([]byte(strings.Replace(string(h.message().Encode()), "Groen", "Gr\xffen", 1)))
		}, gateway.Refused, gateway.ReasonMalformed},
		"huge number": {func(h *hostile) string {
			m := h.message()
			m.Data = []byte(`{"offer":"x","provider":"00000099000000001000","fase":{"min":1,"max":1e10000000}}`)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonMalformed},
		"depth bomb": {func(h *hostile) string {
			m := h.message()
			m.Data = []byte(`{"offer":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + `}`)
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonMalformed},
		"offer of another provider": {func(h *hostile) string {
			m := h.message()
			m.Data = []byte(strings.Replace(string(m.Data), string(gt.Smile), string(gt.Drechtwerk), 1))
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonProvider},
		"principal without mandate": {func(h *hostile) string {
			m := h.message()
			m.Principal = gt.Dordrecht
			return h.sign(m.Encode())
		}, gateway.Refused, gateway.ReasonMandate},
		"alg none": {func(h *hostile) string {
			return rewrap(`{"alg":"none","kid":"`+h.key.KID()+`","typ":"cloudevents+json"}`, h.message().Encode(), nil)
		}, gateway.Refused, ""},
		"alg HS256 with the public key": {func(h *hostile) string {
			header := `{"alg":"HS256","kid":"` + h.key.KID() + `","typ":"cloudevents+json"}`
			public := h.f.Party(gt.Smile).SigningKeys[0].JWK
			body := b64([]byte(header)) + "." + b64(h.message().Encode())
			mac := hmac.New(sha256.New, public)
			mac.Write([]byte(body))
			return body + "." + b64(mac.Sum(nil))
		}, gateway.Refused, ""},
		"alg RS256": {func(h *hostile) string {
			return rewrap(`{"alg":"RS256","kid":"`+h.key.KID()+`","typ":"cloudevents+json"}`, h.message().Encode(), make([]byte, 256))
		}, gateway.Refused, ""},
		"typ of a receipt": {func(h *hostile) string {
			token, _ := seal.Sign(h.key, seal.Receipt, h.message().Encode())
			return token
		}, gateway.Refused, ""},
		"last character changed": {func(h *hostile) string {
			token := h.sign(h.message().Encode())
			return token[:len(token)-1] + string(alike(token[len(token)-1]))
		}, gateway.Refused, ""},
		"white space": {func(h *hostile) string { return h.sign(h.message().Encode()) + "\n" }, gateway.Refused, ""},
		"truncated": {func(h *hostile) string {
			token := h.sign(h.message().Encode())
			return token[:len(token)/2]
		}, gateway.Refused, ""},
		"signature of another message": {func(h *hostile) string {
			one, two := strings.Split(h.sign(h.message().Encode()), "."), strings.Split(h.sign(h.message().Encode()), ".")
			return one[0] + "." + one[1] + "." + two[2]
		}, gateway.Refused, gateway.ReasonSignature},
		"other payload, old signature": {func(h *hostile) string {
			parts := strings.Split(h.sign(h.message().Encode()), ".")
			return parts[0] + "." + b64(h.message().Encode()) + "." + parts[2]
		}, gateway.Refused, gateway.ReasonSignature},
		"not a token":  {func(*hostile) string { return secret }, gateway.Refused, ""},
		"empty":        {func(*hostile) string { return "" }, gateway.Refused, ""},
		"not an event": {func(h *hostile) string { return h.sign([]byte(`[]`)) }, gateway.Refused, gateway.ReasonSchema},
	}
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		for name, c := range cases {
			good := h.message()
			good.Subject = "good" + strings.ReplaceAll(uuid.NewString(), "-", "")[:20]
			bad := c.token(h)
			items := h.send(bad, h.sign(good.Encode()))
			if items[0].Outcome != c.outcome || (c.reason != "" && items[0].Reason != c.reason) || items[0].Reason == "" {
				t.Errorf("%s: got %s %s, want %s %s", name, items[0].Outcome, items[0].Reason, c.outcome, c.reason)
			}
			if items[1].Outcome != gateway.Received {
				t.Errorf("%s: the good message beside it: got %s %s", name, items[1].Outcome, items[1].Reason)
			}
			if c.outcome == gateway.Refused && items[0].ID != "" && items[0].Reason != gateway.ReasonSignature {
				if again := h.send(bad); again[0].Outcome != gateway.Refused {
					t.Errorf("%s: refused once, %s the second time", name, again[0].Outcome)
				}
			}
			if text := gt.Dump(items); strings.Contains(text, "Geheim") {
				t.Errorf("%s: the answer repeats what was sent", name)
			}
		}
		time.Sleep(2 * time.Minute) // refusals of what cannot be attributed are journaled each minute
		for _, r := range h.f.Journal(gt.Alblasserdam) {
			if strings.Contains(gt.Dump(r), "Geheim") {
				t.Errorf("the journal repeats what was sent: %s", gt.Dump(r))
			}
		}
		if count(h.f, gt.Alblasserdam, journal.KindRejected) == 0 {
			t.Error("no refusal in the journal")
		}
	})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rewrap(header string, payload, signature []byte) string {
	return b64([]byte(header)) + "." + b64(payload) + "." + b64(signature)
}

// alike is a character that decodes to the same bytes in the last place of a
// 64-byte signature, whose last character carries four bits that count.
func alike(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func TestReplayGivesTheSameItem(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		token := h.sign(h.message().Encode())
		first := h.send(token)[0]
		time.Sleep(3 * 24 * time.Hour)
		if again := h.send(token)[0]; again != first {
			t.Errorf("got %s, want the first item %s", gt.Dump(again), gt.Dump(first))
		}
		if got := h.held(); got != 1 {
			t.Errorf("got %d offers, want 1", got)
		}
	})
}

func TestSameIDOtherBody(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		m := h.message()
		h.send(h.sign(m.Encode()))
		m.Sequence, m.Data = m.Sequence+1, []byte(strings.Replace(string(m.Data), "Groen", "Grijs", 1))
		item := h.send(h.sign(m.Encode()))[0]
		if item.Outcome != gateway.Refused || item.Reason != gateway.ReasonIDReused {
			t.Errorf("got %s %s, want refused id-reused", item.Outcome, item.Reason)
		}
		if got := h.f.Received(gt.Alblasserdam, gt.Smile)["groen"].Title; strings.Contains(got, "Grijs") {
			t.Errorf("the second body took effect: %q", got)
		}
		h.send(h.sign(m.Encode()))
		time.Sleep(2 * time.Minute)
		rejected := entriesOf(h.f, gt.Alblasserdam, journal.KindRejected)
		if len(rejected) != 1 || rejected[0].Reason != gateway.ReasonIDReused || rejected[0].Count != 2 {
			t.Errorf("journal: got %s, want one entry that counts both", gt.Dump(rejected))
		}
	})
}

func TestOlderSnapshotIsSuperseded(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		newer, older := h.message(), h.message()
		older.Sequence--
		older.Data = []byte(strings.Replace(string(older.Data), "Groen", "Grijs", 1))
		items := h.send(h.sign(newer.Encode()), h.sign(older.Encode()))
		if items[1].Outcome != gateway.Superseded {
			t.Errorf("got %s, want superseded", items[1].Outcome)
		}
		if got := h.f.Received(gt.Alblasserdam, gt.Smile)["groen"].Title; !strings.Contains(got, "Groen") {
			t.Errorf("got %q, want the newer", got)
		}
	})
}

// Keys: not yet valid, expired beyond the overlap, compromised.
func TestKeyValidity(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(k *gateway.Key, now time.Time)
		reason gateway.Reason
	}{
		"compromised":          {func(k *gateway.Key, _ time.Time) { k.Compromised = true }, gateway.ReasonCompromised},
		"expired":              {func(k *gateway.Key, now time.Time) { k.ValidUntil = now.AddDate(0, 0, -20) }, gateway.ReasonKeyExpired},
		"rotated yesterday":    {func(k *gateway.Key, now time.Time) { k.ValidUntil = now.AddDate(0, 0, -1) }, ""},
		"valid from next week": {func(k *gateway.Key, now time.Time) { k.ValidFrom = now.AddDate(0, 0, 7) }, gateway.ReasonKeyExpired},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gt.Bubble(t, func(t *testing.T) {
				h := attack(t)
				time.Sleep(31 * 24 * time.Hour)
				fresh, err := seal.GenerateKey()
				if err != nil {
					t.Fatal(err)
				}
				now := time.Now().UTC().Truncate(time.Second)
				next := h.f.NextRegister(func(d *register.Document) {
					party := h.f.Party(gt.Smile)
					old := party.SigningKeys[0]
					c.change(&old, now)
					party.SigningKeys = []gateway.Key{old, fresh.Public(now.AddDate(0, 0, -30))}
					statement, err := register.MakeKeyStatement(party, h.key)
					if err != nil {
						t.Fatal(err)
					}
					party.KeyStatement = statement
					*d = register.Add(*d, party)
				})
				if _, err := h.f.Node(gt.Alblasserdam).Desk.InstallRegister(context.Background(), gt.Everyone(), next); err != nil {
					t.Fatalf("install: %v", err)
				}
				item := h.send(h.sign(h.message().Encode()))[0]
				if item.Reason != c.reason || (c.reason == "") != (item.Outcome == gateway.Received) {
					t.Errorf("got %s %s, want reason %q", item.Outcome, item.Reason, c.reason)
				}
			})
		})
	}
}

// What the recipient's policy does not admit is held by the sender, and goes
// when the policy does admit it.
func TestInboundPolicy(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gt.Member{
			OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"},
			Policy: "policy: dicht\nparty: \"00000099000000003000\"\ndescription: neemt niets aan\nrules: []\naccept: []\n",
		})
		f.Publish(gt.Smile, gt.Offer("groen"))
		time.Sleep(time.Hour)
		peer, err := f.Node(gt.Smile).Store.Peer(context.Background(), gt.Alblasserdam)
		if err != nil {
			t.Fatal(err)
		}
		if peer.Held != 1 || peer.Queued != 0 {
			t.Fatalf("got %d held and %d queued, want 1 and 0", peer.Held, peer.Queued)
		}
		if err := f.SetPolicy(gt.Alblasserdam, strings.ReplaceAll(`policy: open
party: "00000099000000003000"
description: neemt aanbod aan
rules: []
accept:
  - id: aanbod
    description: aanbod van leerwerkbedrijven
    from: {roles: [leerwerkbedrijf]}
    kinds: [capacity, capacity-state]
`, "\t", "")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 1 {
			t.Errorf("got %d offers after the policy was opened, want 1", got)
		}
		f.Converged()
	})
}

// A batch of the wrong size, and a stranger, get an error and no state.
func TestBatchBounds(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		for _, n := range []int{0, gateway.MaxBatch + 1} {
			if _, err := h.node.Accept(context.Background(), gt.Smile, gateway.Batch{Messages: make([]string, n)}); gateway.KindOf(err) != gateway.Invalid {
				t.Errorf("%d messages: got %v, want Invalid", n, err)
			}
		}
		answer, err := h.node.Accept(context.Background(), gt.Molenlanden, gateway.Batch{Messages: []string{h.sign(h.message().Encode())}})
		if err != nil || answer.Items[0].Reason != gateway.ReasonPartyUnknown {
			t.Errorf("a party that is not in the register: got %v %v", answer.Items, err)
		}
	})
}

// A hello that is not what it should be changes nothing.
func TestBadHello(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		hello := func(change func(*gateway.Hello)) string {
			m := gateway.Hello{
				Issuer: gt.Smile, Audience: gt.Alblasserdam, Time: time.Now().UTC().Truncate(time.Second), Protocol: []int{1},
				Kinds: []string{}, CodeLists: map[string]string{}, Register: 1, Incarnation: 1,
				Holds: gateway.StateDigest{Digest: gateway.Hash(nil)},
			}
			change(&m)
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			token, err := seal.Sign(h.key, seal.Hello, b)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		bad := map[string]string{
			"other issuer":   hello(func(m *gateway.Hello) { m.Issuer = gt.Dordrecht }),
			"other audience": hello(func(m *gateway.Hello) { m.Audience = gt.Dordrecht }),
			"other protocol": hello(func(m *gateway.Hello) { m.Protocol = []int{99} }),
			"a message":      h.sign(h.message().Encode()),
			"garbage":        "garbage",
		}
		for name, token := range bad {
			if _, err := h.node.Hello(context.Background(), gt.Smile, token); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if _, err := h.node.Hello(context.Background(), gt.Smile, hello(func(*gateway.Hello) {})); err != nil {
			t.Errorf("a good hello: got %v", err)
		}
	})
}
