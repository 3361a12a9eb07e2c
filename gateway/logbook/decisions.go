package logbook

import (
	"slices"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// Decision is a log record of the Authorization Decision Log, as JSON.
type Decision struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	EventName  string         `json:"event_name"`
	Timestamp  uint64         `json:"timestamp"` // milliseconds
	Status     string         `json:"status"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Resource   map[string]any `json:"resource,omitempty"`
	Body       map[string]any `json:"body"`
}

// ADL gives the record of an entry that tells of a decision: of the policy about
// showing, taking in or holding back, or of the roles about an operation. false:
// the entry tells of none.
func ADL(self gateway.OIN, r Record) (Decision, bool) {
	subjects, action, allowed, ok := decided(r)
	if !ok {
		return Decision{}, false
	}
	d := Decision{
		EventName: "adl.access_evaluation", Timestamp: uint64(r.Time.UnixMilli()), Status: "Unset", Attributes: map[string]any{},
		Resource: map[string]any{"service.name": "doorstroom", "service.instance.id": string(self)},
	}
	d.TraceID, d.SpanID = ids(r)
	if r.Policy != "" {
		d.Attributes["adl.core.policies"] = map[string]any{"type": "doorstroom-policy", "version": r.Policy}
	}
	if r.Register > 0 {
		d.Attributes["adl.core.configuration"] = map[string]any{"type": "doorstroom-register", "version": r.Register}
	}
	d.Attributes["doorstroom.journal.index"] = r.Index
	request := map[string]any{"action": map[string]any{"name": action}, "resource": resource(r)}
	answer := map[string]any{"decision": allowed}
	if context := grounds(r); len(context) > 0 {
		answer["context"] = context
	}
	if len(subjects) == 1 {
		request["subject"] = subjects[0]
		d.Body = map[string]any{"adl.core.request": request, "adl.core.response": answer}
		return d, true
	}
	d.EventName = "adl.access_evaluations" // one decision of the policy, for all who see the same
	var asked, answers []any
	for _, s := range subjects {
		asked, answers = append(asked, map[string]any{"subject": s}), append(answers, answer)
	}
	request["evaluations"] = asked
	d.Body = map[string]any{"adl.core.request": request, "adl.core.response": map[string]any{"evaluations": answers}}
	return d, true
}

func decided(r Record) (subjects []map[string]any, action string, allowed, ok bool) {
	party := func(oin string) map[string]any {
		return map[string]any{"type": "organisation", "id": "urn:nld:oin:" + oin}
	}
	switch r.Kind {
	case journal.KindPublish, journal.KindDenied:
		for oin := range strings.FieldsSeq(r.Recipients) {
			subjects = append(subjects, party(oin))
		}
		return subjects, "read", r.Kind == journal.KindPublish, len(subjects) > 0
	case journal.KindWithdrawn:
		return []map[string]any{party(string(r.Party))}, "read", false, r.Party != ""
	case journal.KindReceived:
		return []map[string]any{party(string(r.Party))}, "send", true, r.Party != ""
	case journal.KindRejected:
		return []map[string]any{party(string(r.Party))}, "send", false, r.Party != "" && r.Reason == gateway.ReasonPolicy
	}
	if r.Caller != "" && slices.Contains(gateway.Operations(), gateway.Operation(r.Kind)) {
		return []map[string]any{{"type": "caller", "id": r.Caller}}, r.Kind, true, true
	}
	return nil, "", false, false
}

// resource names what was decided about by what is in the journal of it.
func resource(r Record) map[string]any {
	switch {
	case r.Digest != "":
		return map[string]any{"type": "offer", "id": r.Digest}
	case r.Message != "":
		return map[string]any{"type": "message", "id": r.Message}
	}
	return map[string]any{"type": "node", "id": "node"}
}

// grounds is why it was decided so.
func grounds(r Record) map[string]any {
	context := map[string]any{}
	if len(r.Rules) > 0 {
		context["rules"] = r.Rules
	}
	if r.Rule != "" {
		context["rules"] = []string{r.Rule}
	}
	if len(r.Fields) > 0 {
		context["fields"] = r.Fields
	}
	if len(r.Forms) > 0 {
		context["forms"] = r.Forms
	}
	if r.Reason != "" {
		context["reason"] = r.Reason
	}
	return context
}
