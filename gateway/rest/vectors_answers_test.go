package rest_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/schemas"
)

// recipientHello is what Alblasserdam, who holds nothing, answers to Smile.
func (w *world) recipientHello() string {
	w.t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		w.t.Fatal(err)
	}
	versions := map[string]string{}
	for name, list := range lists {
		versions[name] = list.Version
	}
	return w.hello("alblasserdam", func(h *gateway.Hello) {
		h.Issuer, h.Audience = vAlblasserdam, vSmile
		h.Kinds, h.CodeLists = []string{gateway.KindCapacity, gateway.KindCapacityState, gateway.KindReferralState, gateway.KindSubjectRequest, gateway.KindSubjectAnswer}, versions
	})
}

func (w *world) helloVectors() []helloVector {
	smile := w.keys["smile"]
	signed := func(payload string) string { return smile.sign(smile.header("doorstroom-hello+json"), []byte(payload)) }
	replaced := func(old, new string) string {
		_, payload, _ := strings.Cut(w.hello("smile", nil), ".")
		payload, _, _ = strings.Cut(payload, ".")
		b, err := base64urlBytes(payload)
		if err != nil || !strings.Contains(string(b), old) {
			w.t.Fatalf("nothing to replace: %s", old)
		}
		return signed(strings.Replace(string(b), old, new, 1))
	}
	ok, bad, unauthenticated := http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized
	var list []helloVector
	for _, row := range []struct {
		name, describes, hello string
		status                 int
	}{
		{"hello", "who holds nothing", w.hello("smile", nil), ok},
		{"hello-knows-more", "a peer that serves more than the recipient knows", w.hello("smile", func(h *gateway.Hello) {
			h.Protocol, h.Kinds, h.CodeLists = []int{1, 2}, []string{"capacity", "referral"}, map[string]string{"werksoort": "2027-01-01", "nieuw": "1"}
		}), ok},
		{"hello-holds", "who holds something of the recipient, which never showed it", w.hello("smile", func(h *gateway.Hello) {
			h.Holds = holding(w.event("hello"))
		}), ok},
		{"hello-other-protocol", "no version of the protocol in common", w.hello("smile", func(h *gateway.Hello) { h.Protocol = []int{2} }), http.StatusConflict},
		{"hello-other-issuer", "in the name of another", w.hello("smile", func(h *gateway.Hello) { h.Issuer = vDrechtwerk }), bad},
		{"hello-other-audience", "for another", w.hello("smile", func(h *gateway.Hello) { h.Audience = vDordrecht }), bad},
		{"hello-unknown-member", "a member that does not exist", replaced(`"issuer"`, `"x":1,"issuer"`), bad},
		{"hello-missing-member", "no incarnation", replaced(`"incarnation":1,`, ``), bad},
		{"hello-duplicate-member", "a member twice", replaced(`"issuer"`, `"issuer":"","issuer"`), bad},
		{"hello-decimal-string", "register as text", replaced(`"register":1`, `"register":"1"`), bad},
		{"hello-other-key", "signed by another party", w.hello("dordrecht", nil), unauthenticated},
		{"hello-unknown-key", "signed with a key of nobody", w.hello("stranger", nil), unauthenticated},
		{"hello-compromised-key", "signed with a compromised key", w.hello("smile-compromised", nil), unauthenticated},
		{"hello-as-message", "a hello, signed as a message", resign(w, w.hello("smile", nil), "cloudevents+json"), unauthenticated},
		{"hello-token-text", "not a token", "hallo", bad},
	} {
		v := helloVector{Name: row.name, Describes: row.describes, At: vectorTime(), Peer: vSmile, Hello: row.hello, Status: row.status}
		if row.status == ok {
			v.Answer = w.recipientHello()
		}
		list = append(list, v)
	}
	return list
}

// resign gives a payload of Smile another typ.
func resign(w *world, token, typ string) string {
	payload, err := base64urlBytes(strings.Split(token, ".")[1])
	if err != nil {
		w.t.Fatal(err)
	}
	return w.keys["smile"].sign(w.keys["smile"].header(typ), payload)
}

// answer signs items as Alblasserdam does.
func (w *world) answer(items []gateway.ReceiptItem, key, typ string, change func(*gateway.ReceiptHead)) gateway.Receipts {
	w.t.Helper()
	leaves := make([][]byte, len(items))
	for i, item := range items {
		leaves[i] = canonicalItem(item)
	}
	root := journal.TreeRoot(leaves)
	head := gateway.ReceiptHead{
		Issuer: vAlblasserdam, Audience: vSmile, Size: len(items), Root: hex.EncodeToString(root[:]), Time: vectorTime(),
	}
	if change != nil {
		change(&head)
	}
	b, err := json.Marshal(head)
	if err != nil {
		w.t.Fatal(err)
	}
	return gateway.Receipts{Head: w.keys[key].sign(w.keys[key].header(typ), b), Items: items}
}

// canonicalItem writes an item as RFC 8785 does, by hand.
func canonicalItem(i gateway.ReceiptItem) []byte {
	reason := ""
	if i.Reason != "" {
		reason = `"reason":"` + string(i.Reason) + `",`
	}
	return []byte(`{"digest":"` + i.Digest + `","id":"` + i.ID + `","outcome":"` + string(i.Outcome) + `",` + reason +
		`"received":"` + gateway.FormatTime(i.Received) + `","recipient":"` + string(i.Recipient) + `","sender":"` + string(i.Sender) + `"}`)
}

func (w *world) receiptVectors() []receiptVector {
	s := w.story("receipts", "")
	groen, hout := s.event("1", 8, about("groen")), s.event("2", 9, about("hout"))
	old := s.event("3", 7, about("groen"))
	other := s.event("4", 1, func(e event) { e["recipient"] = vDordrecht.URN() })
	coffee := s.event("5", 1, func(e event) {
		e["type"], e["dataschema"] = "nl.doorstroom.koffie.v1", "https://doorstroom.example/schemas/koffie.v1.json"
	})
	all := []answered{
		s.received(groen), s.received(hout), s.older(old), s.says(other, gateway.Refused, gateway.ReasonRecipient),
		s.says(coffee, gateway.Unsupported, gateway.ReasonType),
	}
	var sent []string
	var items []gateway.ReceiptItem
	for _, a := range all {
		sent, items = append(sent, a.token), append(items, a.item)
	}
	const typ = "doorstroom-receipt+json"
	good := w.answer(items, "alblasserdam", typ, nil)
	vector := func(name, describes string, answer gateway.Receipts) receiptVector {
		return receiptVector{Name: name, Describes: describes, At: vectorTime(), Sent: sent, Answer: answer}
	}
	// changed gives other items, under the head of the right ones or under their own.
	changed := func(own bool, change func([]gateway.ReceiptItem) []gateway.ReceiptItem) gateway.Receipts {
		other := change(append([]gateway.ReceiptItem{}, items...))
		if own {
			return w.answer(other, "alblasserdam", typ, nil)
		}
		return gateway.Receipts{Head: good.Head, Items: other}
	}
	head := func(change func(*gateway.ReceiptHead)) gateway.Receipts {
		return w.answer(items, "alblasserdam", typ, change)
	}
	believed := vector("receipts", "five messages, five items in one tree", good)
	believed.Believed, believed.Proofs = true, w.proofs(items)
	one := receiptVector{Name: "receipts-one", Describes: "one message: the root is the hash of the leaf", At: vectorTime(),
		Sent: sent[:1], Answer: w.answer(items[:1], "alblasserdam", typ, nil), Believed: true, Proofs: w.proofs(items[:1])}
	swap := func(i []gateway.ReceiptItem) []gateway.ReceiptItem { i[0], i[1] = i[1], i[0]; return i }
	fewer := func(i []gateway.ReceiptItem) []gateway.ReceiptItem { return i[:4] }
	edit := func(change func(*gateway.ReceiptItem)) func([]gateway.ReceiptItem) []gateway.ReceiptItem {
		return func(i []gateway.ReceiptItem) []gateway.ReceiptItem { change(&i[3]); return i }
	}
	unsigned := vector("receipts-head-text", "the head is not a token", gateway.Receipts{Head: "goed", Items: items})
	return []receiptVector{
		believed, one, unsigned,
		vector("receipts-other-signer", "signed by another party", w.answer(items, "dordrecht", typ, nil)),
		vector("receipts-by-sender", "signed by the sender itself", w.answer(items, "smile", typ, nil)),
		vector("receipts-as-message", "signed as a message", w.answer(items, "alblasserdam", "cloudevents+json", nil)),
		vector("receipts-other-issuer", "issued by another", head(func(h *gateway.ReceiptHead) { h.Issuer = vDordrecht })),
		vector("receipts-other-audience", "for another", head(func(h *gateway.ReceiptHead) { h.Audience = vDordrecht })),
		vector("receipts-size", "the size is not that of the items", head(func(h *gateway.ReceiptHead) { h.Size = 4 })),
		vector("receipts-root", "the root is not that of the items", head(func(h *gateway.ReceiptHead) { h.Root = gateway.Hash(nil) })),
		vector("receipts-fewer", "fewer items than messages", changed(true, fewer)),
		vector("receipts-fewer-head", "fewer items than the head says", changed(false, fewer)),
		vector("receipts-swapped", "items in another order than the head says", changed(false, swap)),
		vector("receipts-other-order", "items in another order than the messages", changed(true, swap)),
		vector("receipts-edited", "an outcome was changed after signing", changed(false, edit(func(i *gateway.ReceiptItem) { i.Outcome, i.Reason = gateway.Received, "" }))),
		vector("receipts-other-digest", "an item of a message that was not sent", changed(true, edit(func(i *gateway.ReceiptItem) { i.Digest = gateway.Hash(nil) }))),
		vector("receipts-other-sender", "an item of a message of another sender", changed(true, edit(func(i *gateway.ReceiptItem) { i.Sender = vDordrecht }))),
	}
}

func (w *world) proofs(items []gateway.ReceiptItem) []receiptProof {
	w.t.Helper()
	leaves := make([][]byte, len(items))
	for i, item := range items {
		leaves[i] = canonicalItem(item)
	}
	var proofs []receiptProof
	for i, leaf := range leaves {
		path, err := journal.TreeProof(leaves, i)
		if err != nil {
			w.t.Fatal(err)
		}
		p := receiptProof{Index: i, Leaf: string(leaf), Path: []string{}}
		for _, hash := range path {
			p.Path = append(p.Path, hex.EncodeToString(hash[:]))
		}
		proofs = append(proofs, p)
	}
	return proofs
}
