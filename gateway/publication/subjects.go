package publication

import (
	"bytes"
	"encoding/base32"
	"slices"
)

// rawSubject is what a subject is the text of.
type rawSubject [15]byte

func subjectText() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// subjects is a set of subjects in little memory. It is sorted before it is
// asked.
type subjects struct{ all []rawSubject }

func (s *subjects) add(subject string) {
	if raw, ok := parseSubject(subject); ok {
		s.all = append(s.all, raw)
	}
}

func (s *subjects) sort() { slices.SortFunc(s.all, compareSubjects) }

func (s *subjects) has(subject string) bool {
	raw, ok := parseSubject(subject)
	if ok {
		_, ok = slices.BinarySearchFunc(s.all, raw, compareSubjects)
	}
	return ok
}

func compareSubjects(a, b rawSubject) int { return bytes.Compare(a[:], b[:]) }

func parseSubject(subject string) (raw rawSubject, ok bool) {
	b, err := subjectText().DecodeString(subject)
	if err != nil || len(b) != len(raw) {
		return raw, false
	}
	return rawSubject(b), true
}
