package exchange_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const personal = `{"referral":"0c3a2a5e-5c2a-4d41-9b11-0a1b2c3d4e5f","request":"01981f3e-5c2a-7d42-8b12-1a2b3c4d5e6f",` +
	`"act":"refer","seen":0,"need":{"offer":"A-1","callFirst":true,"contact":{"name":"Brughuis Voorbeeld","phone":"078 000 00 00"}}}`

// secrets are what no byte outside the two nodes' memories may show.
var secrets = [][]byte{[]byte("Brughuis"), []byte("Voorbeeld"), []byte("dossier 77")}

func confidants(t *testing.T) *gt.Federation {
	t.Helper()
	return gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
}

// post has Alblasserdam refer somebody to Smile, and gives the id of the referral.
func post(t *testing.T, f *gt.Federation) string {
	t.Helper()
	follow, err := f.Node(gt.Alblasserdam).Store.AskNewReferral(t.Context(), time.Now(), gt.Alblasserdam, store.NewReferral{
		Provider: gt.Smile, Reference: "dossier 77", Need: gateway.Need{
			Offer: "A-1", CallFirst: true, Contact: gateway.Functional{Name: "Brughuis Voorbeeld", Phone: "078 000 00 00"},
		},
		Terms: store.ReferralTerms{
			Due:       func(r gateway.Referral) gateway.Date { return gateway.DateOf(time.Now().Add(72 * time.Hour)) },
			Recipient: func(oin gateway.OIN) gateway.Recipient { return gateway.Recipient{Party: oin} },
		},
		Entry: journal.Entry{Kind: "refer"},
	})
	if err != nil {
		t.Fatalf("refer: %v", err)
	}
	f.Node(gt.Alblasserdam).Exchange.Wake([]gateway.OIN{gt.Smile})
	return follow.ID
}

// opened tells whether a message about a person came to the last step.
func opened(item gateway.ReceiptItem) bool { return item.Outcome == gateway.Received }

// reading is the private encryption key of a node.
func reading(t *testing.T, f *gt.Federation, oin gateway.OIN) *seal.EncryptionKey {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(f.Dir(oin), "data", "keys", "encryption.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParseEncryptionKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// onTheWire are the answers to messages from one to the other that were encrypted,
// with their tokens.
func onTheWire(f *gt.Federation, from, to gateway.OIN) (tokens []string, items []gateway.ReceiptItem) {
	for _, one := range f.Net.Wire() {
		for i, token := range one.Batch.Messages {
			if one.From == from && one.To == to && seal.IsEncrypted(token) && i < len(one.Answer.Items) {
				tokens, items = append(tokens, token), append(items, one.Answer.Items[i])
			}
		}
	}
	return tokens, items
}

// TestConfidentialFromNodeToNode: a message about a person goes from one queue to
// the other node's last step; on the way, and in every file of the sender and of
// all others, nobody finds what it says.
func TestConfidentialFromNodeToNode(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := confidants(t)
		f.Settled(time.Hour)
		f.Net.Break(gt.Fault{After: func(from, _ gateway.OIN, _ *gateway.Receipts) error {
			if from == gt.Alblasserdam {
				return gateway.Errorf(gateway.Unavailable, "the answer is lost")
			}
			return nil
		}})
		id := post(t, f)
		time.Sleep(10 * time.Second)
		f.Net.Break(gt.Fault{})
		time.Sleep(time.Minute)
		tokens, items := onTheWire(f, gt.Alblasserdam, gt.Smile)
		if len(tokens) < 2 || !opened(items[0]) {
			t.Fatalf("got %d encrypted messages, %+v, want it to arrive", len(tokens), items)
		}
		inner, _, err := seal.Decrypt(tokens[0], func(string) *seal.EncryptionKey { return reading(t, f, gt.Smile) })
		if err != nil {
			t.Fatal(err)
		}
		_, payload, err := seal.PeekUnverified(inner)
		if err != nil || len(payload) != 4096 || gateway.Hash(payload) != items[0].Digest || !bytes.Contains(payload, secrets[0]) || !bytes.Contains(payload, []byte(id)) {
			t.Errorf("got %d bytes, %v, want the message in 4096", len(payload), err)
		}
		for _, other := range []gateway.OIN{gt.Alblasserdam, gt.Dordrecht} {
			if _, _, err := seal.Decrypt(tokens[0], func(string) *seal.EncryptionKey { return reading(t, f, other) }); err == nil {
				t.Errorf("%s can read it", other)
			}
		}
		// The same message again: other bytes around the same payload.
		if last := len(tokens) - 1; tokens[last] == tokens[0] || items[last].Digest != items[0].Digest {
			t.Error("got the same token again, or another payload")
		}
		// And the answer came back as well covered.
		if back, items := onTheWire(f, gt.Smile, gt.Alblasserdam); len(back) == 0 || !opened(items[0]) {
			t.Errorf("got answers %+v, want one that was received", items)
		}
		if got, err := f.Node(gt.Alblasserdam).Store.FollowedReferral(t.Context(), id); err != nil || got.Follow.Open != nil {
			t.Errorf("got %+v, %v, want the request answered", got.Follow, err)
		}
		for _, one := range f.Net.Wire() {
			wantNoSecret(t, "a token", []byte(strings.Join(one.Batch.Messages, "\n")))
		}
		for _, oin := range []gateway.OIN{gt.Smile, gt.Alblasserdam, gt.Dordrecht} {
			f.Stop(oin)
			searchFiles(t, f.Dir(oin), []byte(id))
		}
	})
}

// searchFiles looks for secrets in every file below a folder.
func searchFiles(t *testing.T, dir string, more ...[]byte) {
	t.Helper()
	searchFor(t, dir, append(more, secrets...)...)
}

func searchFor(t *testing.T, dir string, all ...[]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files++
		for _, s := range all {
			if bytes.Contains(content, s) {
				t.Errorf("%s shows %q", path, s)
			}
		}
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("looked in %d files: %v", files, err)
	}
}

func wantNoSecret(t *testing.T, where string, content []byte) {
	t.Helper()
	for _, s := range secrets {
		if bytes.Contains(content, s) {
			t.Errorf("%s shows %q", where, s)
		}
	}
}

// TestConfidentialRefusals: what may be wrong with the wrapping of a message.
func TestConfidentialRefusals(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := confidants(t)
		f.Settled(time.Hour)
		f.Stop(gt.Alblasserdam)
		h := &hostile{t: t, f: f, node: f.Node(gt.Smile).Exchange, key: f.Key(gt.Alblasserdam)}
		to := *f.Party(gt.Smile).Encryption
		var keys seal.Keys
		wrap := func(key gateway.Key, outer gateway.Message, signed string) string {
			token, err := keys.Encrypt(key, outer, signed)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		changed := func(change func(*gateway.Message)) string {
			m := aboutPerson(h)
			outer := m
			change(&outer)
			return wrap(to, outer, h.sign(m.Encode()))
		}
		type row struct {
			token   string
			outcome gateway.Outcome
			reason  gateway.Reason
			named   bool // the item names the message
		}
		good, bare, open, unpadded := aboutPerson(h), aboutPerson(h), aboutPerson(h), aboutPerson(h)
		open.Kind, open.Nonce = gateway.KindCapacity, ""
		unpadded.Nonce = ""
		capacityWithNonce := aboutPerson(h)
		capacityWithNonce.Kind = gateway.KindCapacity
		later := aboutPerson(h)
		later.Kind = "referral-of-tomorrow"
		byOther, err := seal.Sign(f.Key(gt.Dordrecht), seal.Message, good.Encode())
		if err != nil {
			t.Fatal(err)
		}
		cut := wrap(to, good, h.sign(good.Encode()))
		for name, c := range map[string]row{
			"good":                {wrap(to, good, h.sign(good.Encode())), "", "", true},
			"bare":                {h.sign(bare.Encode()), gateway.Refused, gateway.ReasonConfidential, true},
			"encrypted capacity":  {wrap(to, open, h.sign(open.Encode())), gateway.Refused, gateway.ReasonConfidential, true},
			"capacity with nonce": {h.sign(capacityWithNonce.Encode()), gateway.Refused, gateway.ReasonConfidential, true},
			"not padded":          {wrap(to, unpadded, h.sign(unpadded.Encode())), gateway.Refused, gateway.ReasonConfidential, true},
			"of tomorrow":         {wrap(to, later, h.sign(later.Encode())), gateway.Unsupported, gateway.ReasonType, true},
			"other recipient":     {changed(func(m *gateway.Message) { m.Recipient = gt.Dordrecht }), gateway.Refused, gateway.ReasonConfidential, false},
			"other expiry":        {changed(func(m *gateway.Message) { m.Expires = m.Expires.Add(time.Hour) }), gateway.Refused, gateway.ReasonConfidential, false},
			"other id":            {changed(func(m *gateway.Message) { m.ID = h.message().ID }), gateway.Refused, gateway.ReasonConfidential, false},
			"for another":         {wrap(*f.Party(gt.Dordrecht).Encryption, good, h.sign(good.Encode())), gateway.RetryLater, gateway.ReasonUnreadable, false},
			"tampered":            {cut[:len(cut)-8] + "AAAAAAAA", gateway.RetryLater, gateway.ReasonUnreadable, false},
			"cut off":             {cut[:len(cut)/2] + "." + cut[len(cut)/2:], gateway.Refused, gateway.ReasonMalformed, false},
			"by another party":    {wrap(to, good, byOther), gateway.Refused, gateway.ReasonSignature, false},
			"nonsense within":     {wrap(to, good, "a.b.c"), gateway.Refused, gateway.ReasonMalformed, false},
			"wrapped twice":       {wrap(to, good, wrap(to, good, h.sign(good.Encode()))), gateway.Refused, gateway.ReasonMalformed, false},
		} {
			answer, err := h.node.Accept(t.Context(), gt.Alblasserdam, gateway.Batch{Messages: []string{c.token}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			item := answer.Items[0]
			if c.outcome == "" && opened(item) {
				continue
			}
			if item.Outcome != c.outcome || item.Reason != c.reason {
				t.Errorf("%s: got %s %s, want %s %s", name, item.Outcome, item.Reason, c.outcome, c.reason)
			}
			if named := item.ID != "" || item.Digest != ""; named != c.named {
				t.Errorf("%s: got id %q and digest %q", name, item.ID, item.Digest)
			}
		}
	})
}

// aboutPerson is a good message from Alblasserdam to Smile, for tests to spoil.
func aboutPerson(h *hostile) gateway.Message {
	m := h.message()
	m.Source, m.Recipient, m.Kind = gt.Alblasserdam, gt.Smile, gateway.KindReferral
	m.Nonce, m.Data = gateway.NonceOf([16]byte{3}), gateway.RawJSON(personal)
	return m
}

// TestPeerWithoutEncryptionKey: messages about persons wait, and say why; the
// others go on; and a key in the register sets them free.
func TestPeerWithoutEncryptionKey(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := confidants(t)
		f.Settled(time.Hour)
		change := func(key *gateway.Key) {
			file := f.NextRegister(func(doc *register.Document) {
				for _, p := range doc.Parties {
					if p.OIN != gt.Smile {
						continue
					}
					var err error
					if p.Encryption = key; true {
						p.KeyStatement, err = register.MakeKeyStatement(p, f.Key(gt.Smile))
					}
					if err != nil {
						t.Fatal(err)
					}
					*doc = register.Add(*doc, p)
				}
			})
			if _, err := f.Node(gt.Alblasserdam).Desk.InstallRegister(t.Context(), gt.Everyone(), file); err != nil {
				t.Fatal(err)
			}
		}
		change(nil)
		post(t, f)
		time.Sleep(time.Hour)
		if tokens, _ := onTheWire(f, gt.Alblasserdam, gt.Smile); len(tokens) != 0 {
			t.Fatalf("got %d messages, want none without a key", len(tokens))
		}
		if got, want := notesOf(f, gt.Alblasserdam, gt.Smile), "Smile has no encryption key in the register, so nothing about persons can be sent: 1 message waits"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		// A new key, of which Smile has the private one beside the old.
		next, err := seal.GenerateEncryptionKey()
		if err != nil {
			t.Fatal(err)
		}
		keys := filepath.Join(f.Dir(gt.Smile), "data", "keys")
		f.Stop(gt.Smile)
		if err := os.Rename(filepath.Join(keys, "encryption.pem"), filepath.Join(keys, "encryption-old.pem")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keys, "encryption.pem"), next.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		f.Start(gt.Smile)
		public := next.Public(time.Now())
		change(&public)
		time.Sleep(time.Hour)
		tokens, items := onTheWire(f, gt.Alblasserdam, gt.Smile)
		if len(tokens) == 0 || !opened(items[0]) {
			t.Fatalf("got %d messages, %+v, want it to arrive", len(tokens), items)
		}
		if outer, err := seal.PeekOuter(tokens[0]); err != nil || outer.KID != next.KID() {
			t.Errorf("got %+v, %v, want it encrypted to the new key", outer, err)
		}
		// What was encrypted to the key of before is still read.
		old, m := *f.Party(gt.Smile).Encryption, gateway.Message{}
		h := &hostile{t: t, f: f, node: f.Node(gt.Smile).Exchange, key: f.Key(gt.Alblasserdam)}
		m = aboutPerson(h)
		token, err := new(seal.Keys).Encrypt(old, m, h.sign(m.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := h.node.Accept(t.Context(), gt.Alblasserdam, gateway.Batch{Messages: []string{token}})
		if err != nil || !opened(answer.Items[0]) {
			t.Errorf("to the key of before: got %+v, %v, want it read", answer.Items, err)
		}
	})
}

// TestUnreadableIsTriedAgain: the recipient has lost its private key. The sender
// believes the answer, which cannot name the message, and keeps it.
func TestUnreadableIsTriedAgain(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := confidants(t)
		f.Settled(time.Hour)
		f.Stop(gt.Smile)
		file := filepath.Join(f.Dir(gt.Smile), "data", "keys", "encryption.pem")
		key, err := os.ReadFile(file)
		if err == nil {
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Start(gt.Smile)
		post(t, f)
		time.Sleep(time.Minute)
		status, err := f.Node(gt.Alblasserdam).Store.Peer(context.Background(), gt.Smile)
		if err != nil || status.Queued != 1 || status.Later != gateway.ReasonUnreadable || status.Failures != 0 {
			t.Errorf("got %+v, %v, want it to wait because it is unreadable", status, err)
		}
		f.Stop(gt.Smile)
		if err := os.WriteFile(file, key, 0o600); err != nil {
			t.Fatal(err)
		}
		f.Start(gt.Smile)
		time.Sleep(time.Hour)
		_, items := onTheWire(f, gt.Alblasserdam, gt.Smile)
		if last := items[len(items)-1]; !opened(last) {
			t.Errorf("got %s %s, want it read", last.Outcome, last.Reason)
		}
	})
}
