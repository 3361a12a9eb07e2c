package rest_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// event is a message as it stands on the wire, to be spoilt.
type event map[string]any

func (e event) bytes() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic("an event of this test: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// data is the content of a good capacity message.
func (e event) data() map[string]any { return e["data"].(map[string]any) }

// event is a good message of Smile to Alblasserdam. The name makes its id and
// its subject.
func (w *world) event(name string) event {
	at := vectorTime().Add(-time.Minute)
	return event{
		"specversion": "1.0", "id": uuid7(at, name), "source": vSmile.URN(), "recipient": vAlblasserdam.URN(),
		"type": "nl.doorstroom.capacity.v1", "dataschema": "https://doorstroom.example/schemas/capacity.v1.json",
		"datacontenttype": "application/json", "time": gateway.FormatTime(at), "expires": gateway.FormatTime(at.AddDate(0, 0, 14)),
		"subject": subjectOf(name), "sequence": "7", "incarnation": "1",
		"data": map[string]any{
			"offer": "groen", "provider": string(vSmile), "title": "Groen in de wijk", "werksoorten": []any{"groen"},
			"location": map[string]any{"gemeente": "gm0482"}, "validFrom": "2026-01-01", "validUntil": "2026-12-31",
		},
	}
}

func subjectOf(name string) string { return hex.EncodeToString(seed("subject " + name)[:12]) }

// readable is how much of a refused message the recipient can name.
type readable int

const (
	all        readable = iota // id and digest
	digestOnly                 // the payload is not an event
	nothing                    // not even a token
)

// vectorItem is what the recipient says of a payload of Smile.
func vectorItem(payload []byte, id string, outcome gateway.Outcome, reason gateway.Reason, r readable) gateway.ReceiptItem {
	i := gateway.ReceiptItem{
		Sender: vSmile, Recipient: vAlblasserdam, ID: id, Digest: gateway.Hash(payload),
		Outcome: outcome, Reason: reason, Received: vectorTime(),
	}
	if r != all {
		i.ID = ""
	}
	if r == nothing {
		i.Digest = ""
	}
	return i
}

// item is what the recipient says of an event whose sender signs it.
func (e event) item(outcome gateway.Outcome, reason gateway.Reason) gateway.ReceiptItem {
	sender, err := gateway.ParseURN(e["source"].(string))
	if err != nil {
		panic("an event of this test: " + err.Error())
	}
	i := vectorItem(e.bytes(), e["id"].(string), outcome, reason, all)
	i.Sender = sender
	return i
}

// holding is the state digest over events that the recipient then holds.
func holding(events ...event) gateway.StateDigest {
	lines := map[string]string{}
	var subjects []string
	for _, e := range events {
		subject := e["subject"].(string)
		subjects = append(subjects, subject)
		lines[subject] = subject + " " + e["sequence"].(string) + " " + gateway.Hash(e.bytes()) + "\n"
	}
	slices.Sort(subjects)
	var text strings.Builder
	for _, s := range subjects {
		text.WriteString(lines[s])
	}
	return gateway.StateDigest{Count: len(events), Digest: gateway.Hash([]byte(text.String()))}
}

func (w *world) messageVectors() []messageVector {
	var list []messageVector
	for _, part := range [][]messageVector{
		w.goodVectors(), w.tokenVectors(), w.keyVectors(), w.jsonVectors(), w.envelopeVectors(), w.dataVectors(), w.plainPersonVectors(), w.storyVectors(),
	} {
		list = append(list, part...)
	}
	return list
}

// single is a vector of one message of Smile.
func (w *world) single(name, describes, token string, i gateway.ReceiptItem, holds ...event) messageVector {
	return messageVector{
		Name: name, Describes: describes, Holds: holding(holds...),
		Steps: []vectorStep{{At: vectorTime(), Peer: i.Sender, Messages: []string{token}, Items: []gateway.ReceiptItem{i}}},
	}
}

// edited is a vector of one event of Smile with something changed, as expected
// by outcome and reason; "received" takes effect.
func (w *world) edited(name, describes string, change func(event), outcome gateway.Outcome, reason gateway.Reason, r readable) messageVector {
	e := w.event(name)
	id := e["id"].(string)
	change(e)
	v := w.single(name, describes, w.keys["smile"].message(e.bytes()), vectorItem(e.bytes(), id, outcome, reason, r))
	if outcome == gateway.Received {
		v.Holds = holding(e)
	}
	return v
}

func (w *world) goodVectors() []messageVector {
	full := func(e event) { e["data"] = json.RawMessage(fullOffer) }
	ok := func(name, describes string, change func(event)) messageVector {
		return w.edited(name, describes, change, gateway.Received, "", all)
	}
	at := vectorTime()
	list := []messageVector{
		ok("capacity", "a snapshot of an offer", func(event) {}),
		ok("capacity-all-fields", "a snapshot with every field", full),
		ok("capacity-least", "a snapshot that shows nothing", func(e event) {
			e["data"] = map[string]any{"offer": "groen", "provider": vSmile, "validFrom": "2026-01-01", "validUntil": "2026-12-31"}
		}),
		ok("traceparent", "with a trace context", func(e event) {
			e["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		}),
		ok("five-minutes-ahead", "time is ahead by the skew that is allowed", func(e event) { e["time"] = gateway.FormatTime(at.Add(5 * time.Minute)) }),
		ok("just-expired", "expired within the skew that is allowed", func(e event) {
			e["time"], e["expires"] = gateway.FormatTime(at.AddDate(0, 0, -1)), gateway.FormatTime(at.Add(-5*time.Minute))
		}),
		ok("thirty-days", "the longest life there is", func(e event) { e["expires"] = gateway.FormatTime(at.Add(-time.Minute).AddDate(0, 0, 30)) }),
		ok("text-beyond-ascii", "text that JSON may escape and need not", func(e event) { e.data()["title"] = "Café <é> 🌱 \" \\" }),
	}
	order := w.event("header-in-other-order")
	smile := w.keys["smile"]
	list = append(list, w.single("header-in-other-order", "members of the header in another order, with white space",
		smile.sign(`{ "typ":"cloudevents+json", "kid":"`+smile.kid+`", "alg":"EdDSA" }`, order.bytes()), order.item(gateway.Received, ""), order))
	own := w.event("es256")
	own["source"], own.data()["provider"] = vDrechtwerk.URN(), vDrechtwerk
	list = append(list, w.single("es256", "signed with ES256", w.keys["drechtwerk"].message(own.bytes()), own.item(gateway.Received, ""), own))
	acting := w.event("principal")
	acting["source"], acting["principal"] = vDrechtwerk.URN(), vSmile.URN()
	list = append(list, w.single("principal", "Drechtwerk, by its mandate, of an offer of Smile",
		w.keys["drechtwerk"].message(acting.bytes()), acting.item(gateway.Received, ""), acting))
	rotated := w.event("rotated-key")
	return append(list, w.single("rotated-key", "signed with a key whose validity ended less than 14 days ago",
		w.keys["smile-rotated"].message(rotated.bytes()), rotated.item(gateway.Received, ""), rotated))
}

// tokenVectors are tokens that are not what §3 says.
func (w *world) tokenVectors() []messageVector {
	smile := w.keys["smile"]
	kid := `"kid":"` + smile.kid + `"`
	const typ = `"typ":"cloudevents+json"`
	header := func(h string) func([]byte) string { return func(p []byte) string { return smile.sign(h, p) } }
	after := func(change func(token string) string) func([]byte) string {
		return func(p []byte) string { return change(smile.message(p)) }
	}
	unsigned := func(h string, signature []byte) func([]byte) string {
		return func(p []byte) string { return base64url([]byte(h)) + "." + base64url(p) + "." + base64url(signature) }
	}
	const malformed, signature = gateway.ReasonMalformed, gateway.ReasonSignature
	var list []messageVector
	for _, row := range []struct {
		name, describes string
		token           func(payload []byte) string
		reason          gateway.Reason
		readable        readable
	}{
		{"token-empty", "nothing", func([]byte) string { return "" }, malformed, nothing},
		{"token-text", "not a token", func([]byte) string { return "geen token" }, malformed, nothing},
		{"token-two-parts", "without the signature", after(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }), malformed, nothing},
		{"token-four-parts", "one part too many", after(func(s string) string { return s + ".AAAA" }), malformed, nothing},
		{"token-truncated", "half of it", after(func(s string) string { return s[:len(s)/2] }), malformed, nothing},
		{"token-signature-cut", "the last bytes of the signature are missing", after(func(s string) string { return s[:len(s)-6] }), signature, all},
		{"token-stray-bits", "a last character that decodes to the same bytes", after(strayBits), malformed, nothing},
		{"token-padded", "base64url with padding", after(func(s string) string { return s + "==" }), malformed, nothing},
		{"token-line-end", "a line end behind it", after(func(s string) string { return s + "\n" }), malformed, nothing},
		{"token-line-end-within", "a line end within the payload", after(func(s string) string { return strings.Replace(s, ".", ".\n", 1) }), malformed, nothing},
		{"token-json", "rewritten in the JSON serialisation", after(generalForm), malformed, nothing},
		{"token-json-dots", "a JSON serialisation with the dots of a token", func([]byte) string { return `{"payload":".."}` }, malformed, nothing},
		{"alg-none", "unsecured", unsigned(`{"alg":"none",`+kid+`,`+typ+`}`, nil), malformed, nothing},
		{"alg-none-signed", "unsecured, with something in the place of the signature", unsigned(`{"alg":"none",`+kid+`,`+typ+`}`, []byte("x")), signature, all},
		{"alg-hs256", "HMAC with the public key as its secret", w.hs256, signature, all},
		{"alg-rs256", "RSA", unsigned(`{"alg":"RS256",`+kid+`,`+typ+`}`, make([]byte, 256)), signature, all},
		{"alg-es256", "ES256 named for an Ed25519 key", header(`{"alg":"ES256",` + kid + `,` + typ + `}`), signature, all},
		{"alg-lower-case", "names are compared in case", header(`{"alg":"eddsa",` + kid + `,` + typ + `}`), signature, all},
		{"alg-missing", "no alg", header(`{` + kid + `,` + typ + `}`), signature, all},
		{"alg-twice", "two algs, the first of which is right", header(`{"alg":"EdDSA","alg":"none",` + kid + `,` + typ + `}`), signature, nothing},
		{"kid-missing", "no kid", header(`{"alg":"EdDSA",` + typ + `}`), signature, nothing},
		{"typ-missing", "no typ", header(`{"alg":"EdDSA",` + kid + `}`), signature, all},
		{"typ-receipt", "signed as a receipt", header(smile.header("doorstroom-receipt+json")), signature, all},
		{"typ-jwt", "signed as a JWT", header(smile.header("JWT")), signature, all},
		{"header-jwk", "brings its own key", header(`{"alg":"EdDSA",` + kid + `,` + typ + `,"jwk":{}}`), signature, nothing},
		{"header-crit", "an extension that must be understood", header(`{"alg":"EdDSA","b64":false,"crit":["b64"],` + kid + `,` + typ + `}`), signature, nothing},
		{"header-case", "a name in other case", header(`{"ALG":"EdDSA",` + kid + `,` + typ + `}`), signature, nothing},
		{"signature-of-another", "the signature of another message", func(p []byte) string {
			return smile.message(p)[:strings.LastIndexByte(smile.message(p), '.')] + "." +
				strings.Split(smile.message(w.event("another").bytes()), ".")[2]
		}, signature, all},
		{"signature-zero", "a signature of zeros", unsigned(smile.header("cloudevents+json"), make([]byte, 64)), signature, all},
		{"payload-of-another", "the payload was exchanged under the signature", func(p []byte) string {
			parts := strings.Split(smile.message(w.event("another").bytes()), ".")
			return parts[0] + "." + base64url(p) + "." + parts[2]
		}, signature, all},
	} {
		e := w.event(row.name)
		list = append(list, w.single(row.name, row.describes, row.token(e.bytes()),
			vectorItem(e.bytes(), e["id"].(string), gateway.Refused, row.reason, row.readable)))
	}
	return list
}

// strayBits changes the four bits of a 64-byte signature's last character that
// do not count.
func strayBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func generalForm(token string) string {
	parts := strings.Split(token, ".")
	return `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`
}

func (w *world) hs256(payload []byte) string {
	der, err := x509.MarshalPKIXPublicKey(w.keys["smile"].private.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	header := `{"alg":"HS256","kid":"` + w.keys["smile"].kid + `","typ":"cloudevents+json"}`
	signed := base64url([]byte(header)) + "." + base64url(payload)
	mac := hmac.New(sha256.New, der)
	mac.Write([]byte(signed))
	return signed + "." + base64url(mac.Sum(nil))
}

// twin makes the other valid ES256 signature from one: (r, n−s).
func twin(token string) string {
	parts := strings.Split(token, ".")
	signature, err := base64urlBytes(parts[2])
	if err != nil {
		panic("a token of this test: " + err.Error())
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	return parts[0] + "." + parts[1] + "." + base64url(signature)
}

// keyVectors are messages that somebody else signed, or with a key that is not
// good, or that are of or for somebody else.
func (w *world) keyVectors() []messageVector {
	var list []messageVector
	for _, row := range []struct {
		name, describes, key string
		peer                 gateway.OIN
		change               func(event)
		reason               gateway.Reason
	}{
		{"key-unknown", "signed with a key of nobody", "stranger", vSmile, nil, gateway.ReasonKeyUnknown},
		{"key-of-another", "signed with a key of another party than the TLS peer", "dordrecht", vSmile, nil, gateway.ReasonPeer},
		{"key-compromised", "signed with a key that was reported as compromised", "smile-compromised", vSmile, nil, gateway.ReasonCompromised},
		{"key-expired", "signed with a key whose validity ended more than 14 days ago", "smile-expired", vSmile, nil, gateway.ReasonKeyExpired},
		{"key-not-yet-valid", "signed with a key for next month", "smile-next", vSmile, nil, gateway.ReasonKeyExpired},
		{"party-unknown", "from a party that is not in the register", "stranger", vNobody, nil, gateway.ReasonPartyUnknown},
		{"relayed", "a good message of Smile from the connection of Dordrecht", "smile", vDordrecht, nil, gateway.ReasonPeer},
		{"rewrapped", "a good payload of Smile, signed and sent by Dordrecht", "dordrecht", vDordrecht, nil, gateway.ReasonSource},
		{"source-of-another", "source is another party than signs", "smile", vSmile,
			func(e event) { e["source"] = vDrechtwerk.URN() }, gateway.ReasonSource},
		{"recipient-other", "for another recipient", "smile", vSmile, func(e event) { e["recipient"] = vDordrecht.URN() }, gateway.ReasonRecipient},
	} {
		e := w.event(row.name)
		if row.change != nil {
			row.change(e)
		}
		i := e.item(gateway.Refused, row.reason)
		i.Sender = row.peer
		list = append(list, w.single(row.name, row.describes, w.keys[row.key].message(e.bytes()), i))
	}
	return list
}

// jsonVectors are payloads that are not the JSON of one meaning.
func (w *world) jsonVectors() []messageVector {
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				w.t.Fatalf("nothing to replace: %s", old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	const malformed, schema = gateway.ReasonMalformed, gateway.ReasonSchema
	inData := func(value string) func(string) string {
		return replace(`"offer":`, `"fase":{"min":1,"max":`+value+`},"offer":`)
	}
	var list []messageVector
	for _, row := range []struct {
		name, describes string
		change          func(string) string
		reason          gateway.Reason
	}{
		{"json-duplicate", "a name twice", replace(`"subject"`, `"subject":"x","subject"`), malformed},
		{"json-duplicate-in-data", "a name twice within data", replace(`"offer"`, `"offer":"rood","offer"`), malformed},
		{"json-duplicate-escaped", "a name twice, once with an escape", replace(`"subject"`, `"subjec\u0074":"x","subject"`), malformed},
		{"json-case", "a name in other case", replace(`"source"`, `"Source"`), schema},
		{"json-case-both", "a name in both cases", replace(`"source"`, `"Source":"urn:nld:oin:00000099000000004000","source"`), schema},
		{"json-utf8", "a byte that is not UTF-8", replace("Groen", "Gr\xffen"), malformed},
		{"json-surrogate", "half of a pair of surrogates", replace("Groen", `Gr\ud800en`), malformed},
		{"json-overlong", "an overlong encoding of a slash", replace("Groen", "Gr\xc0\xafen"), malformed},
		{"json-byte-order-mark", "a byte order mark before it", func(s string) string { return "\ufeff" + s }, malformed},
		{"json-trailing", "a second value behind it", func(s string) string { return s + "{}" }, malformed},
		{"json-cut", "it ends too early", func(s string) string { return s[:len(s)-1] }, malformed},
		{"json-comment", "a comment", func(s string) string { return s + "// x" }, malformed},
		{"json-comma", "a comma too many", func(s string) string { return s[:len(s)-1] + ",}" }, malformed},
		{"json-exponent", "a number with an exponent", inData("1e10000000"), malformed},
		{"json-exponent-small", "a number with an exponent that would fit", inData("3e0"), malformed},
		{"json-number-large", "a number above 1e15", inData("1000000000000001"), malformed},
		{"json-number-long", "a number of 25 characters", inData("3.00000000000000000000000"), malformed},
		{"json-leading-zero", "a number with a leading zero", inData("03"), malformed},
		{"json-nan", "not a number of JSON", inData("NaN"), malformed},
		{"json-depth", "5,000 levels deep", inData(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), malformed},
		{"json-depth-33", "one level too deep", inData(strings.Repeat("[", 30) + strings.Repeat("]", 30)), malformed},
		{"json-list", "not an object", func(string) string { return "[]" }, schema},
		{"json-null", "null", func(string) string { return "null" }, schema},
		{"json-text", "not JSON", func(string) string { return "geen json" }, malformed},
	} {
		e := w.event(row.name)
		payload := []byte(row.change(string(e.bytes())))
		list = append(list, w.single(row.name, row.describes, w.keys["smile"].message(payload),
			vectorItem(payload, "", gateway.Refused, row.reason, digestOnly)))
	}
	return list
}
