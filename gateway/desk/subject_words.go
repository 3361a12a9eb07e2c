package desk

import (
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// historyText is what an entry of the journal about a referral says happened, for
// the inhabitant whom it is about.
func (d *Desk) historyText(e journal.Entry) string {
	what, known := map[string]string{
		journal.KindReferralAsked: "wij vroegen", journal.KindReferralTaken: "kwam binnen", journal.KindReferralCommitted: "wij legden vast",
		journal.KindReferralHeard: "wij hoorden", journal.KindReferralErased: "alles gewist", journal.KindFieldsErased: "een deel gewist",
		journal.KindRightsAsked: "wij vroegen voor u", journal.KindRightsTaken: "voor u gevraagd",
		journal.KindRightsAnswered: "wij antwoordden op uw verzoek", journal.KindRightsHeard: "antwoord op uw verzoek",
		string(gateway.OpReadReferral): "een medewerker las dit", string(gateway.OpReadSubject): "een medewerker las uw verzoek",
	}[e.Kind]
	if !known {
		what = e.Kind
	}
	if e.Outcome == "" {
		return what
	}
	return what + ": " + d.outcomeText(e.Kind, e.Outcome)
}

// outcomeText is a code of an outcome in words. Kinds use the same codes for
// different things: an inhabitant's request is done or refused, a referrer's is
// committed or refused.
func (d *Desk) outcomeText(kind, code string) string {
	switch kind {
	case journal.KindRightsAsked, journal.KindRightsTaken:
		return strings.ToLower(actText(gateway.SubjectAct(code)))
	case journal.KindRightsAnswered, journal.KindRightsHeard:
		return strings.ToLower(resultText(gateway.SubjectResult(code), ""))
	case journal.KindReferralHeard:
		return strings.ToLower(d.lists.Label("verwijsstatus", code))
	case journal.KindReferralErased, journal.KindFieldsErased:
		return erasedWhy(code)
	}
	if text, ok := stepWords()[code]; ok {
		return text
	}
	return strings.ToLower(d.lists.Label("antwoordreden", code))
}

func erasedWhy(code string) string {
	switch code {
	case erasedByTerm:
		return "de bewaartermijn was voorbij"
	case erasedByCaller:
		return "een medewerker deed dat"
	case store.ErasedForSubject:
		return "op uw verzoek"
	}
	return code
}

// stepWords are acts in referrals, and what became of requests for them.
func stepWords() map[string]string {
	return map[string]string{
		string(gateway.ActRefer):       "aanmelding",
		string(gateway.ActInvestigate): "in onderzoek genomen",
		string(gateway.ActPlan):        "kennismaking gepland",
		string(gateway.ActMet):         "kennismaking gehouden",
		string(gateway.ActMissed):      "kennismaking gemist",
		string(gateway.ActReplan):      "nieuwe kennismaking gevraagd",
		string(gateway.ActWaitlist):    "op de wachtlijst gezet",
		string(gateway.ActAccept):      "geaccepteerd",
		string(gateway.ActDecline):     "afgewezen",
		string(gateway.ActAskHandover): "warme overdracht gevraagd",
		string(gateway.ActHandover):    "warme overdracht",
		string(gateway.ActStart):       "gestart",
		string(gateway.ActHold):        "onderbroken",
		string(gateway.ActResume):      "hervat",
		string(gateway.ActEnd):         "beëindigd",
		string(gateway.ActWithdraw):    "teruggetrokken",
		string(gateway.ActCancel):      "annulering",
		string(gateway.ActConfirm):     "annulering bevestigd",
		string(gateway.ActError):       "foutief ingevoerd",
		string(gateway.ActRecover):     "teruggegeven na herstel uit een reservekopie",
		string(gateway.Committed):      "gedaan",
		string(gateway.Stale):          "achterhaald door een latere stand",
		string(gateway.NotDone):        "niet gedaan",
	}
}
