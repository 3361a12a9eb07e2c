package gateway

import "slices"

// PersonalFields are the fields of a message about a person that a policy must
// name before they leave, in the order in which people read them; nil for a kind
// that is about none. What is not among them is the least without which the
// message would say nothing, and goes with it.
func PersonalFields(kind string) []Field {
	switch kind {
	case KindReferral:
		return []Field{"werksoorten", "fase", "trede", "begeleiding", "accessibility", "postcode", "maxKm", "note"}
	case KindReferralState:
		return []Field{"reason", "date"}
	case KindHandover:
		return []Field{"phone", "email", "address", "postcode", "reachable", "guidance"}
	case KindSubjectRequest, KindSubjectAnswer:
		return []Field{"explanation"}
	}
	return nil
}

// OnlyEnds tells whether a request says nothing of a person but that what was said
// before is over. It goes to the provider that has the rest, whatever policy says
// of more: a narrower policy must not keep somebody's data where they are no
// longer needed.
func (a ReferralAct) OnlyEnds() bool {
	return a == ActWithdraw || a == ActCancel || a == ActError
}

// HandoverStates are those in which contact details may be handed over: a place
// is certain, and it is not over.
func HandoverStates() []ReferralStatus {
	return []ReferralStatus{Accepted, HandoverAsked, HandedOver, Started, OnHold, Resumed}
}

// Without gives the need without the fields that are not allowed.
func (n Need) Without(allowed []Field) Need {
	drop := func(f Field) bool { return !slices.Contains(allowed, f) }
	if drop("werksoorten") {
		n.Werksoorten = nil
	}
	if drop("fase") {
		n.Fase = 0
	}
	if drop("trede") {
		n.Trede = 0
	}
	if drop("begeleiding") {
		n.Begeleiding = nil
	}
	if drop("accessibility") {
		n.Accessibility = nil
	}
	if drop("postcode") {
		n.Postcode = ""
	}
	if drop("maxKm") {
		n.MaxKm = 0
	}
	if drop("note") {
		n.Note = ""
	}
	return n
}

// Without gives the handover without the fields that are not allowed.
func (h Handover) Without(allowed []Field) Handover {
	for field, text := range map[Field]*string{
		"phone": &h.Phone, "email": &h.Email, "postcode": &h.Postcode, "reachable": &h.Reachable, "guidance": &h.Guidance,
	} {
		if !slices.Contains(allowed, field) {
			*text = ""
		}
	}
	if !slices.Contains(allowed, "address") {
		h.Address = nil
	}
	return h
}

// Without gives the state without the fields that are not allowed.
func (r Referral) Without(allowed []Field) Referral {
	if !slices.Contains(allowed, "reason") {
		r.Reason = ""
	}
	if !slices.Contains(allowed, "date") {
		r.Date = ""
	}
	return r
}
