package gateway

import "slices"

// What an inhabitant has a right to under the AVG goes from whoever was asked to
// whoever else has the data: as a request about one referral, between its two
// sides, and an answer to it with reasons. A request changes nothing by itself.

// SubjectAct is what is asked for an inhabitant.
type SubjectAct string

const (
	Rectify  SubjectAct = "rectify"  // AVG art. 16
	Erase    SubjectAct = "erase"    // art. 17
	Restrict SubjectAct = "restrict" // art. 18
	Lift     SubjectAct = "lift"     // a restriction; art. 18(3)
)

// SubjectActs lists every act.
func SubjectActs() []SubjectAct { return []SubjectAct{Rectify, Erase, Restrict, Lift} }

// SubjectRequest asks the other side of a referral something for the inhabitant
// whom it is about.
type SubjectRequest struct {
	Referral    string     `json:"referral"`
	Request     string     `json:"request"` // UUIDv7; the same at every try
	Act         SubjectAct `json:"act"`
	Received    Date       `json:"received"`         // when the inhabitant asked, or the ground arose
	AnswerBy    Date       `json:"answerBy"`         // the last day for an answer
	Ground      string     `json:"ground,omitempty"` // code list verzoekgrond; not with lift
	Fields      []Field    `json:"fields,omitempty"` // of SubjectFields, with erase; none: all
	Correction  Correction `json:"correction,omitzero"`
	Explanation string     `json:"explanation,omitempty"`
}

// Correction is what takes the place of what was told; what is empty stays.
type Correction struct {
	Need     NeedPart     `json:"need,omitzero"`
	Handover HandoverPart `json:"handover,omitzero"`
}

// NeedPart are the fields of a need that can be corrected or erased by themselves.
type NeedPart struct {
	Werksoorten   []string     `json:"werksoorten,omitempty"`
	Fase          int          `json:"fase,omitempty"`
	Trede         int          `json:"trede,omitempty"`
	Begeleiding   *Begeleiding `json:"begeleiding,omitempty"`
	Accessibility []string     `json:"accessibility,omitempty"`
	Postcode      string       `json:"postcode,omitempty"`
	MaxKm         int          `json:"maxKm,omitempty"`
	Note          string       `json:"note,omitempty"`
}

// HandoverPart are those of a handover.
type HandoverPart struct {
	Name      string   `json:"name,omitempty"`
	Phone     string   `json:"phone,omitempty"`
	Email     string   `json:"email,omitempty"`
	Address   *Address `json:"address,omitempty"`
	Postcode  string   `json:"postcode,omitempty"`
	Reachable string   `json:"reachable,omitempty"`
	Guidance  string   `json:"guidance,omitempty"`
}

// IsZero tells whether nothing is corrected.
func (n NeedPart) IsZero() bool {
	return len(n.Werksoorten)+len(n.Accessibility) == 0 && n.Begeleiding == nil && n.Fase+n.Trede+n.MaxKm == 0 && n.Postcode+n.Note == ""
}

// IsZero tells whether nothing is corrected.
func (c Correction) IsZero() bool { return c.Need.IsZero() && c.Handover == HandoverPart{} }

// SubjectResult is what became of a request.
type SubjectResult string

const (
	SubjectDone     SubjectResult = "done"
	SubjectPartly   SubjectResult = "partly"   // of Fields, and of the rest not, for the reason that comes with it
	SubjectRefused  SubjectResult = "refused"  // for the reason that comes with it
	SubjectExtended SubjectResult = "extended" // no answer yet: the term is longer, for the reason that comes with it; art. 12(3)
)

// SubjectResults lists every result.
func SubjectResults() []SubjectResult {
	return []SubjectResult{SubjectDone, SubjectPartly, SubjectRefused, SubjectExtended}
}

// Final tells whether no other answer follows.
func (r SubjectResult) Final() bool { return r != SubjectExtended }

// SubjectUnknown is the reason to refuse what is about no referral of who asks;
// whether it never was, was erased or is somebody else's is not told.
const SubjectUnknown = "onbekend"

// SubjectAnswer is what was done about a request.
type SubjectAnswer struct {
	Referral    string        `json:"referral"`
	Request     string        `json:"request"`
	Act         SubjectAct    `json:"act"`
	Number      uint64        `json:"number"` // of answers to this request, from 1: a later one takes the place of an earlier
	Result      SubjectResult `json:"result"`
	On          Date          `json:"on"`
	Reason      string        `json:"reason,omitempty"`   // code list verzoekreden; not with done
	Fields      []Field       `json:"fields,omitempty"`   // with partly
	AnswerBy    Date          `json:"answerBy,omitempty"` // with extended
	Explanation string        `json:"explanation,omitempty"`
}

const (
	// SubjectMonth is how many days a month has at most: the term of AVG art. 12(3).
	SubjectMonth = 31
	// SubjectExtension is how much longer an answer may take, in months, if the
	// inhabitant hears so within the first.
	SubjectExtension = 2
)

// SubjectFields are what can be asked to be erased, or is, apart from the rest:
// parts of what was told, "need" and "handover" themselves being all of them.
func SubjectFields() []Field {
	fields := []Field{KindHandover, KindHandover + ".name"}
	for _, f := range PersonalFields(KindReferral) {
		fields = append(fields, "need."+f)
	}
	for _, f := range PersonalFields(KindHandover) {
		fields = append(fields, KindHandover+"."+f)
	}
	return fields
}

// Fields names what a correction says.
func (c Correction) Fields() (fields []Field) {
	add := func(name Field, said bool) {
		if said {
			fields = append(fields, name)
		}
	}
	n, h := c.Need, c.Handover
	add("need.werksoorten", len(n.Werksoorten) > 0)
	add("need.fase", n.Fase != 0)
	add("need.trede", n.Trede != 0)
	add("need.begeleiding", n.Begeleiding != nil)
	add("need.accessibility", len(n.Accessibility) > 0)
	add("need.postcode", n.Postcode != "")
	add("need.maxKm", n.MaxKm != 0)
	add("need.note", n.Note != "")
	add("handover.name", h.Name != "")
	add("handover.phone", h.Phone != "")
	add("handover.email", h.Email != "")
	add("handover.address", h.Address != nil)
	add("handover.postcode", h.Postcode != "")
	add("handover.reachable", h.Reachable != "")
	add("handover.guidance", h.Guidance != "")
	return fields
}

// Without is a correction that says nothing of some of SubjectFields; all of a
// handover is KindHandover.
func (c Correction) Without(fields []Field) Correction {
	need, handover := Need{}.Corrected(c.Need).Erased(fields), Handover{}
	if !slices.Contains(fields, KindHandover) {
		handover = handover.Corrected(c.Handover).Erased(fields)
	}
	return Correction{Need: need.Part(), Handover: handover.Part()}
}

// Only is a correction that says nothing but some fields.
func (c Correction) Only(fields []Field) Correction {
	return c.Without(slices.DeleteFunc(c.Fields(), func(f Field) bool {
		return slices.Contains(fields, f) || slices.Contains(fields, KindHandover) && TouchesHandover([]Field{f})
	}))
}

// The names of those fields that are within the need, and within the handover.
func needFields(fields []Field) (in []Field)     { return within(fields, "need.") }
func handoverFields(fields []Field) (in []Field) { return within(fields, KindHandover+".") }

func within(fields []Field, prefix string) (in []Field) {
	for _, f := range fields {
		if rest, ok := cutPrefix(f, prefix); ok {
			in = append(in, rest)
		}
	}
	return in
}

func cutPrefix(f Field, prefix string) (Field, bool) {
	if len(f) > len(prefix) && string(f[:len(prefix)]) == prefix {
		return f[len(prefix):], true
	}
	return f, false
}

// Part is what of a need can be corrected or erased by itself.
func (n Need) Part() NeedPart {
	return NeedPart{
		Werksoorten: n.Werksoorten, Fase: n.Fase, Trede: n.Trede, Begeleiding: n.Begeleiding, Accessibility: n.Accessibility,
		Postcode: n.Postcode, MaxKm: n.MaxKm, Note: n.Note,
	}
}

// Part is what of a handover can be.
func (h Handover) Part() HandoverPart {
	return HandoverPart{h.Name, h.Phone, h.Email, h.Address, h.Postcode, h.Reachable, h.Guidance}
}

// Corrected is the need with what takes the place of what was told.
func (n Need) Corrected(c NeedPart) Need {
	put(&n.Fase, c.Fase)
	put(&n.Trede, c.Trede)
	put(&n.MaxKm, c.MaxKm)
	put(&n.Postcode, c.Postcode)
	put(&n.Note, c.Note)
	put(&n.Begeleiding, c.Begeleiding)
	if len(c.Werksoorten) > 0 {
		n.Werksoorten = c.Werksoorten
	}
	if len(c.Accessibility) > 0 {
		n.Accessibility = c.Accessibility
	}
	return n
}

// Corrected is the handover likewise.
func (h Handover) Corrected(c HandoverPart) Handover {
	put(&h.Name, c.Name)
	put(&h.Phone, c.Phone)
	put(&h.Email, c.Email)
	put(&h.Postcode, c.Postcode)
	put(&h.Reachable, c.Reachable)
	put(&h.Guidance, c.Guidance)
	put(&h.Address, c.Address)
	return h
}

func put[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

// Erased is the need without some of SubjectFields.
func (n Need) Erased(fields []Field) Need {
	gone := needFields(fields)
	return n.Without(slices.DeleteFunc(PersonalFields(KindReferral), func(f Field) bool { return slices.Contains(gone, f) }))
}

// Erased is the handover without some of SubjectFields.
func (h Handover) Erased(fields []Field) Handover {
	gone := handoverFields(fields)
	if slices.Contains(gone, "name") {
		h.Name = ""
	}
	return h.Without(slices.DeleteFunc(PersonalFields(KindHandover), func(f Field) bool { return slices.Contains(gone, f) }))
}

// TouchesNeed tells whether some of these are fields of a need.
func TouchesNeed(fields []Field) bool { return len(needFields(fields)) > 0 }

// TouchesHandover tells whether some are of a handover, but not all of it.
func TouchesHandover(fields []Field) bool { return len(handoverFields(fields)) > 0 }

// Check holds a request to what a schema cannot say: what goes with its act.
func (q SubjectRequest) Check() error {
	switch {
	case !slices.Contains(SubjectActs(), q.Act):
		return Errorf(Invalid, "there is no such act")
	case (q.Ground == "") != (q.Act == Lift):
		return Errorf(Invalid, "a request has a ground; only to lift a restriction has none")
	case !q.Correction.IsZero() != (q.Act == Rectify):
		return Errorf(Invalid, "to rectify, and nothing else, says what is right")
	case len(q.Fields) > 0 && q.Act != Erase:
		return Errorf(Invalid, "fields are named to be erased, and for nothing else")
	}
	return knownFields(q.Fields)
}

// Check holds an answer likewise.
func (a SubjectAnswer) Check() error {
	switch {
	case !slices.Contains(SubjectResults(), a.Result):
		return Errorf(Invalid, "there is no such result")
	case (a.Reason == "") != (a.Result == SubjectDone):
		return Errorf(Invalid, "what is not done, or later, or only in part, has a reason; what is done has none")
	case (len(a.Fields) > 0) != (a.Result == SubjectPartly):
		return Errorf(Invalid, "what is done in part says of which fields, and nothing else does")
	case (a.AnswerBy != "") != (a.Result == SubjectExtended):
		return Errorf(Invalid, "a longer term has a last day, and no other answer does")
	}
	return knownFields(a.Fields)
}

func knownFields(fields []Field) error {
	known := SubjectFields()
	if slices.ContainsFunc(fields, func(f Field) bool { return !slices.Contains(known, f) }) {
		return Errorf(Invalid, "a field that is named is none that can be erased apart from the rest")
	}
	return nil
}
