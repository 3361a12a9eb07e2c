package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/register"
)

// registerView is a register for people and for --json.
type registerView struct {
	Version    uint64          `json:"version"`
	Hash       string          `json:"hash"`
	Previous   string          `json:"previous,omitempty"` // hash of the version before
	State      register.State  `json:"state"`
	Issued     time.Time       `json:"issued"`
	ValidUntil time.Time       `json:"validUntil"`
	GraceDays  int             `json:"graceDays"`
	Threshold  int             `json:"threshold"` // signatures that the next version needs
	Signers    []signerView    `json:"signers"`
	Signatures []string        `json:"signatures"` // key ids
	Parties    []gateway.Party `json:"parties"`

	Approvals map[gateway.OIN]string `json:"approvals,omitempty"` // not of the register: what parties tell the node
}

type signerView struct {
	Name string `json:"name"`
	KID  string `json:"kid"`
}

func viewRegister(file []byte) (registerView, error) {
	reg, err := register.Restore(file)
	if err != nil {
		return registerView{}, err
	}
	doc := reg.Document()
	v := registerView{
		Version: doc.Version, Hash: reg.Hash(), Previous: doc.Previous, State: reg.State(time.Now()), Issued: doc.Issued,
		ValidUntil: doc.ValidUntil, GraceDays: doc.GraceDays, Threshold: doc.Threshold, Parties: reg.Parties(),
	}
	for _, s := range doc.Signers {
		v.Signers = append(v.Signers, signerView{s.Name, s.Key.KID})
	}
	v.Signatures, err = signatures(file)
	return v, err
}

// signatures lists whose signatures are on a file; whether they hold is for
// register verify.
func signatures(file []byte) ([]string, error) {
	var doc struct {
		Signatures []struct {
			Protected string `json:"protected"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(file, &doc); err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the register is not a signed document")
	}
	var kids []string
	for _, s := range doc.Signatures {
		var header struct {
			KID string `json:"kid"`
		}
		data, err := base64.RawURLEncoding.DecodeString(s.Protected)
		if err == nil {
			err = json.Unmarshal(data, &header)
		}
		if err != nil {
			return nil, gateway.Wrap(gateway.Invalid, err, "a signature of the register has no readable header")
		}
		kids = append(kids, header.KID)
	}
	return kids, nil
}

func (a *app) showRegister(file []byte, approvals map[gateway.OIN]string, asJSON bool) error {
	v, err := viewRegister(file)
	if err != nil {
		return err
	}
	v.Approvals = approvals
	if asJSON {
		return writeJSON(a.stdout, v)
	}
	fmt.Fprintf(a.stdout, "Register version %d, issued %s, valid until %s (%s)\n", v.Version, when(v.Issued), when(v.ValidUntil), v.State)
	fmt.Fprintf(a.stdout, "SHA-256     %s\n", v.Hash)
	if v.Previous != "" {
		fmt.Fprintf(a.stdout, "follows     %s\n", v.Previous)
	}
	for _, s := range v.Signers {
		fmt.Fprintf(a.stdout, "signer      %s  %s\n", s.KID, clip(s.Name, 0))
	}
	fmt.Fprintf(a.stdout, "            the next version needs %d of %d\n", v.Threshold, len(v.Signers))
	for _, kid := range v.Signatures {
		fmt.Fprintf(a.stdout, "signed by   %s  %s\n", clip(kid, 0), clip(v.signerName(kid), 0))
	}
	if len(v.Signatures) == 0 {
		fmt.Fprintln(a.stdout, "signed by   nobody: this is a draft")
	}
	for _, p := range v.Parties {
		fmt.Fprintln(a.stdout)
		showParty(a.stdout, p)
		if mode := v.Approvals[p.OIN]; mode != "" {
			fmt.Fprintf(a.stdout, "  %-14s %s\n", "approval", approvalText(mode))
		}
	}
	return nil
}

func (v registerView) signerName(kid string) string {
	if i := slices.IndexFunc(v.Signers, func(s signerView) bool { return s.KID == kid }); i >= 0 {
		return v.Signers[i].Name
	}
	return "(a signer of the version before)"
}

func showParty(w io.Writer, p gateway.Party) {
	fmt.Fprintf(w, "%s (%s, OIN %s)\n", clip(p.Name, 0), p.Kind, p.OIN)
	var codes []string
	for _, g := range p.Gemeenten {
		codes = append(codes, string(g.Code)+period(string(g.ValidFrom), string(g.ValidUntil)))
	}
	line := func(head, text string) { fmt.Fprintf(w, "  %-14s %s\n", head, text) }
	if len(codes) > 0 {
		line("gemeenten", strings.Join(codes, ", "))
	}
	line("endpoint", p.Endpoint)
	for _, k := range p.SigningKeys {
		line("signing key", describeKey(k))
	}
	if p.Encryption != nil {
		line("encryption key", describeKey(*p.Encryption))
	}
	for _, pin := range p.TLSPins {
		line("TLS pin", pin)
	}
	line("contact", clip(strings.Join(nonEmpty(p.Contact.Name, p.Contact.Phone, p.Contact.Email), ", "), 0))
	for _, m := range p.Mandates {
		line("acts for", fmt.Sprintf("%s in %s%s", m.Principal, strings.Join(m.Kinds, ", "), period(string(m.ValidFrom), string(m.ValidUntil))))
	}
}

// approvalText tells how changes of a party's policy are approved, by its own word.
func approvalText(mode string) string {
	switch approval.Mode(mode) {
	case approval.OnePerson:
		return "one-person: what widens waits 72 hours"
	case approval.TwoPerson:
		return "two-person: an author and another sign"
	}
	return clip(mode, 40)
}

func describeKey(k gateway.Key) string {
	text := k.KID + " from " + day(k.ValidFrom)
	if !k.ValidUntil.IsZero() {
		text += " until " + day(k.ValidUntil)
	}
	if k.Compromised {
		text += " COMPROMISED"
	}
	return text
}

func day(t time.Time) string { return string(gateway.DateOf(t)) }

func period(from, until string) string {
	switch {
	case from != "" && until != "":
		return " from " + from + " until " + until
	case from != "":
		return " from " + from
	case until != "":
		return " until " + until
	}
	return ""
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}
