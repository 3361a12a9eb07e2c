package exchange

import (
	"encoding/json"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// uncover gives the signed token, and of one that is encrypted what stands on its
// outside.
func (e *door) uncover(token string) (signed string, outer *seal.Outer, err error) {
	if !seal.IsEncrypted(token) {
		return token, nil, nil
	}
	signed, found, err := seal.Decrypt(token, e.Encryption)
	return signed, &found, err
}

// covered says why a message may not travel as it did: one about a person is
// encrypted and padded, and no other is. Of kinds that are not known here nothing
// is asked but what goes for all.
func (e *door) covered(m gateway.Message, size int, encrypted bool) gateway.Reason {
	confidential, known := gateway.Confidential(m.Kind), e.serves(m.Kind)
	switch {
	case confidential && !(encrypted && m.Padded(size)), !confidential && known && (encrypted || m.Nonce != ""):
		return gateway.ReasonConfidential
	case confidential && !known:
		return gateway.ReasonType
	}
	return ""
}

// referralEffect reads a message about a referral; signed is the token of its
// sender, without what it was encrypted in.
func (e *door) referralEffect(m gateway.Message, signed string) (store.Effect, gateway.Reason) {
	if e.Referrals == nil {
		return store.Effect{}, gateway.ReasonType
	}
	var effect store.ReferralEffect
	var to any
	switch m.Kind {
	case gateway.KindReferral:
		effect.Request = &gateway.ReferralRequest{}
		to = effect.Request
	case gateway.KindReferralState:
		effect.State, effect.Signed = &gateway.Referral{}, signed
		to = effect.State
	case gateway.KindHandover:
		effect.Handover = &gateway.Handover{}
		to = effect.Handover
	default:
		return e.rightsEffect(m, signed)
	}
	if err := json.Unmarshal(m.Data, to); err != nil {
		return store.Effect{}, gateway.ReasonSchema
	}
	if reason := e.checkReferral(effect, m); reason != "" {
		return store.Effect{}, reason
	}
	trajectsoort := ""
	if q := effect.Request; q != nil {
		if q.State != "" {
			effect.Recovered, effect.RecoveredIn = e.recovered(q.State)
		}
		if q.Need != nil {
			trajectsoort = q.Need.Trajectsoort
		}
	}
	effect.Terms = e.Referrals(trajectsoort)
	return store.Effect{Subject: m.Subject, Referral: &effect}, ""
}

// checkReferral holds a message about a referral to what its schema cannot say.
func (e *door) checkReferral(effect store.ReferralEffect, m gateway.Message) gateway.Reason {
	switch {
	case effect.Request != nil && effect.Request.Check() != nil, effect.State != nil && !effect.State.InReach():
		return gateway.ReasonSchema
	case effect.State != nil && effect.State.Check(e.Schema.Lists(), e.day) != nil:
		return gateway.ReasonCode
	}
	return ""
}

// recovered reads a state that this node once sent to the peer, and may have lost
// since, with the incarnation that signed it; nil if it did not. The time of such a
// message may be long over.
func (e *door) recovered(token string) (*gateway.Referral, uint64) {
	payload, _, err := seal.Open(token, seal.Message, e.ownKey)
	if err != nil {
		return nil, 0
	}
	m, reason, _ := e.Schema.Envelope(payload)
	if reason != "" || m.Kind != gateway.KindReferralState || m.Source != e.Self || m.Recipient != e.peer {
		return nil, 0
	}
	if reason, _ := e.Schema.Message(m.Kind, m.Data, gateway.DateOf(m.Time)); reason != "" {
		return nil, 0
	}
	var state gateway.Referral
	if err := json.Unmarshal(m.Data, &state); err != nil {
		return nil, 0
	}
	return &state, m.Incarnation
}

// ownKey finds a signing key that is this node's, or was.
func (e *door) ownKey(kid string) (gateway.Key, error) {
	if e.rules.Register != nil {
		if self, ok := e.rules.Register.Party(e.Self); ok {
			if key, ok := self.SigningKey(kid); ok {
				return key, nil
			}
		}
	}
	if kid != e.Key.KID() {
		return gateway.Key{}, gateway.Errorf(gateway.NotFound, "not a key of this node")
	}
	return e.Key.Public(e.now), nil
}
