package rest_test

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// fullOffer has every field there is.
const fullOffer = `{"offer":"groen-1","provider":"00000099000000001000","title":"Groen in de wijk","werksoorten":["groen"],` +
	`"trajectsoort":"participatieplaats","dienstverband":"geen","grondslag":"participatiewet","functionaliteit":"G",` +
	`"fase":{"min":2,"max":3},"trede":{"min":2,"max":4},"begeleiding":{"soort":"werkbegeleider","intensiteit":"hoog","ratio":8},` +
	`"location":{"address":{"street":"Voorbeeldstraat","number":"1","city":"Alblasserdam"},"postcode":"2952AA","gemeente":"gm0482",` +
	`"coordinates":{"lat":51.866,"lon":4.661}},"places":[{"dagdeel":"ma-ochtend","maximum":15,"band":"enkele"}],` +
	`"allotments":[{"id":"alblasserdam","places":[{"dagdeel":"ma-ochtend","maximum":5,"available":3}],"validFrom":"2026-01-01"}],` +
	`"status":"capacity","contact":{"name":"Fictieve Contactpersoon","phone":"0100000000","email":"contact@smile.example"},` +
	`"validFrom":"2026-01-01","validUntil":"2026-12-31"}`

func base64urlBytes(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

// envelopeVectors are events that do not fit schemas/envelope.v1.json, or whose
// times are wrong.
func (w *world) envelopeVectors() []messageVector {
	var list []messageVector
	set := func(member string, value any) func(event) { return func(e event) { e[member] = value } }
	for _, row := range []struct {
		name, describes string
		change          func(event)
	}{
		{"envelope-unknown-attribute", "an attribute that does not exist", set("naam", "x")},
		{"envelope-missing-attribute", "no expires", func(e event) { delete(e, "expires") }},
		{"envelope-no-data", "no data", func(e event) { delete(e, "data") }},
		{"envelope-specversion", "CloudEvents of another version", set("specversion", "0.3")},
		{"envelope-id-version-4", "an id that is not a UUIDv7", set("id", "0b6a3d3e-3f5c-4a9e-9b0e-6a7d1c2b3a4f")},
		{"envelope-id-capitals", "an id in capitals", set("id", "019D65A0-0000-7000-8000-00000000000A")},
		{"envelope-source-oin", "source without urn:nld:oin:", set("source", string(vSmile))},
		{"envelope-time-offset", "a time that is not in UTC", set("time", "2026-11-10T10:00:00+01:00")},
		{"envelope-time-no-day", "a day that does not exist", set("time", "2026-11-31T09:00:00Z")},
		{"envelope-sequence-number", "sequence as a number", set("sequence", 7)},
		{"envelope-sequence-zero", "sequence with a leading zero", set("sequence", "07")},
		{"envelope-sequence-long", "sequence of 19 digits", set("sequence", "1000000000000000000")},
		{"envelope-incarnation-negative", "a negative incarnation", set("incarnation", "-1")},
		{"envelope-subject-space", "a subject with a space", set("subject", "a b")},
		{"envelope-content-type", "another content type", set("datacontenttype", "application/xml")},
		{"envelope-data-text", "data as text", set("data", "{}")},
		{"envelope-data-base64", "data in base64", func(e event) { delete(e, "data"); e["data_base64"] = "e30=" }},
		{"envelope-dataschema", "the schema of another type", set("dataschema", "https://doorstroom.example/schemas/capacity-state.v1.json")},
		{"envelope-type", "not a type of ours", set("type", "com.example.capacity")},
		{"envelope-traceparent", "not a trace context", set("traceparent", "00-0")},
	} {
		list = append(list, w.edited(row.name, row.describes, row.change, gateway.Refused, gateway.ReasonSchema, digestOnly))
	}
	at := vectorTime()
	between := func(from, until time.Time) func(event) {
		return func(e event) { e["time"], e["expires"] = gateway.FormatTime(from), gateway.FormatTime(until) }
	}
	kind := func(name string) func(event) {
		return func(e event) {
			e["type"], e["dataschema"] = "nl.doorstroom."+name, "https://doorstroom.example/schemas/"+name+".json"
		}
	}
	for _, row := range []struct {
		name, describes string
		change          func(event)
		outcome         gateway.Outcome
		reason          gateway.Reason
	}{
		{"lifetime-31-days", "lives too long", between(at, at.AddDate(0, 0, 31)), gateway.Refused, gateway.ReasonLifetime},
		{"lifetime-none", "expires at its time", between(at, at), gateway.Refused, gateway.ReasonLifetime},
		{"lifetime-negative", "expires before its time", between(at, at.Add(-time.Minute)), gateway.Refused, gateway.ReasonLifetime},
		{"expired", "over for more than five minutes", between(at.AddDate(0, 0, -9), at.Add(-5*time.Minute-time.Second)), gateway.Refused, gateway.ReasonExpired},
		{"future", "ahead by more than five minutes", between(at.Add(5*time.Minute+time.Second), at.AddDate(0, 0, 9)), gateway.RetryLater, gateway.ReasonFuture},
		{"type-unknown", "a kind that does not exist", kind("koffie.v1"), gateway.Unsupported, gateway.ReasonType},
		{"type-later-version", "a later version of a kind", kind("capacity.v2"), gateway.Unsupported, gateway.ReasonType},
	} {
		list = append(list, w.edited(row.name, row.describes, row.change, row.outcome, row.reason, all))
	}
	return list
}

// dataVectors are capacity messages whose data is not in order.
func (w *world) dataVectors() []messageVector {
	set := func(member string, value any) func(event) { return func(e event) { e.data()[member] = value } }
	places := func(places ...map[string]any) func(event) { return set("places", places) }
	type m = map[string]any
	const refused = gateway.Refused
	const schema, code = gateway.ReasonSchema, gateway.ReasonCode
	var list []messageVector
	for _, row := range []struct {
		name, describes string
		change          func(event)
		outcome         gateway.Outcome
		reason          gateway.Reason
	}{
		{"data-unknown-property", "a property that does not exist", set("bsn", "999999990"), refused, schema},
		{"data-case", "a property in other case", set("Title", "Groen"), refused, schema},
		{"data-missing-property", "no validUntil", func(e event) { delete(e.data(), "validUntil") }, refused, schema},
		{"data-empty", "no properties", func(e event) { e["data"] = m{} }, refused, schema},
		{"data-wrong-type", "a list as text", set("werksoorten", "groen"), refused, schema},
		{"data-empty-list", "a list of nothing", set("werksoorten", []string{}), refused, schema},
		{"data-null", "a property that is null", set("title", nil), refused, schema},
		{"data-negative", "a negative number of places", places(m{"dagdeel": "ma-ochtend", "maximum": -1}), refused, schema},
		{"data-fraction", "a whole number written with a fraction", places(m{"dagdeel": "ma-ochtend", "maximum": json.RawMessage("5.0")}), refused, schema},
		{"data-available", "the exact number of free places of an offer", places(m{"dagdeel": "ma-ochtend", "maximum": 5, "available": 3}), refused, schema},
		{"data-band", "a band that does not exist", places(m{"dagdeel": "ma-ochtend", "band": "veel"}), refused, schema},
		{"data-dagdeel-twice", "a dagdeel twice", places(m{"dagdeel": "ma-ochtend"}, m{"dagdeel": "ma-ochtend"}), refused, schema},
		{"data-more-available", "more places free than there are", set("allotments", []m{
			{"id": "a", "places": []m{{"dagdeel": "ma-ochtend", "maximum": 3, "available": 5}}}}), refused, schema},
		{"data-order", "a range upside down", set("fase", m{"min": 3, "max": 1}), refused, schema},
		{"data-dates", "valid until before it is valid from", set("validUntil", "2025-12-31"), refused, schema},
		{"data-no-day", "a day that does not exist", set("validUntil", "2026-02-30"), refused, schema},
		{"data-withdrawn-false", "withdrawn can only be true", set("withdrawn", false), refused, schema},
		{"data-withdrawn-and-more", "a withdrawal that tells more", set("withdrawn", true), refused, schema},
		{"data-line-end", "text of two lines", set("title", "Groen\nin de wijk"), refused, schema},
		{"code-unknown", "a code that is not in its list", set("werksoorten", []string{"koffie"}), refused, code},
		{"code-expired", "a gemeente that no longer exists", set("location", m{"gemeente": "gm0501"}), refused, code},
		{"code-and-schema", "an unknown code and an unknown property", func(e event) {
			e.data()["werksoorten"], e.data()["x"] = []string{"koffie"}, 1
		}, refused, schema},
		{"provider-other", "an offer of another provider", set("provider", vDrechtwerk), refused, gateway.ReasonProvider},
		{"mandate-none", "acts for a party that gave no mandate", func(e event) { e["principal"] = vDordrecht.URN() }, refused, gateway.ReasonMandate},
		{"mandate-self", "acts for itself, and says so", func(e event) { e["principal"] = vSmile.URN() }, refused, gateway.ReasonMandate},
		{"mandate-unknown-party", "acts for a party that is not in the register", func(e event) { e["principal"] = vNobody.URN() }, refused, gateway.ReasonMandate},
	} {
		list = append(list, w.edited(row.name, row.describes, row.change, row.outcome, row.reason, all))
	}
	return append(list, w.actingVectors()...)
}

// actingVectors are about who may send what in whose name.
func (w *world) actingVectors() []messageVector {
	byDrechtwerk := func(name, describes string, reason gateway.Reason, change func(event)) messageVector {
		e := w.event(name)
		e["source"], e["principal"] = vDrechtwerk.URN(), vSmile.URN()
		change(e)
		return w.single(name, describes, w.keys["drechtwerk"].message(e.bytes()), e.item(gateway.Refused, reason))
	}
	list := []messageVector{
		byDrechtwerk("provider-of-nobody", "an offer of neither the sender nor its principal", gateway.ReasonProvider,
			func(e event) { e.data()["provider"] = vDordrecht }),
		byDrechtwerk("mandate-other-kind", "a mandate for another kind of message", gateway.ReasonMandate, asState),
	}
	e := w.event("policy")
	e["source"], e.data()["provider"] = vDordrecht.URN(), vDordrecht
	return append(list, w.single("policy", "the recipient's policy takes capacity from leerwerkbedrijven only, not from a gemeente",
		w.keys["dordrecht"].message(e.bytes()), e.item(gateway.Unsupported, gateway.ReasonPolicy)))
}

// asState makes an event the list of subjects.
func asState(e event) { stateOf()(e) }

func stateOf(subjects ...string) func(event) {
	return func(e event) {
		e["type"], e["dataschema"] = "nl.doorstroom.capacity-state.v1", "https://doorstroom.example/schemas/capacity-state.v1.json"
		e["subject"], e["data"] = subjectOf("state"), map[string]any{"subjects": append([]string{}, subjects...)}
	}
}
