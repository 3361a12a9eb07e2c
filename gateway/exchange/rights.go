package exchange

import (
	"encoding/json"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// rightsEffect reads a request for an inhabitant, or the answer to one; signed is
// the token of its sender. Whether it is about a referral with the sender is for
// the store.
func (e *door) rightsEffect(m gateway.Message, signed string) (store.Effect, gateway.Reason) {
	effect := store.ReferralEffect{Signed: signed, Terms: e.Referrals("")}
	switch m.Kind {
	case gateway.KindSubjectRequest:
		effect.Rights = &gateway.SubjectRequest{}
		if json.Unmarshal(m.Data, effect.Rights) != nil || effect.Rights.Check() != nil {
			return store.Effect{}, gateway.ReasonSchema
		}
	case gateway.KindSubjectAnswer:
		effect.Answer = &gateway.SubjectAnswer{}
		if json.Unmarshal(m.Data, effect.Answer) != nil || effect.Answer.Check() != nil {
			return store.Effect{}, gateway.ReasonSchema
		}
	default:
		return store.Effect{}, gateway.ReasonType
	}
	return store.Effect{Subject: m.Subject, Referral: &effect}, ""
}

// overCorrected tells whether a correction says more than policy lets go.
func overCorrected(o store.Outgoing, allowed []gateway.Field) bool {
	var q gateway.SubjectRequest
	if err := json.Unmarshal(o.Data, &q); err != nil {
		return true
	}
	return slices.ContainsFunc(q.Correction.Fields(), func(f gateway.Field) bool { return !slices.Contains(allowed, f) })
}
