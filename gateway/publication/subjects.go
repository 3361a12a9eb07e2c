package publication

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"hash"
	"slices"
)

// rawSubject is what a subject is the text of.
type rawSubject [15]byte

var subjectText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// namer names subjects. It is for one goroutine.
type namer struct{ mac hash.Hash }

func (p *Publisher) namer() namer { return namer{hmac.New(sha256.New, p.secret)} }

// of is the opaque name of something.
func (n namer) of(what string) string {
	n.mac.Reset()
	n.mac.Write([]byte("subject:" + what))
	return subjectText.EncodeToString(n.mac.Sum(nil)[:len(rawSubject{})])
}

func (n namer) offer(id string) string { return n.of("offer:" + id) }

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
	b, err := subjectText.DecodeString(subject)
	if err != nil || len(b) != len(raw) {
		return raw, false
	}
	return rawSubject(b), true
}
