package publication_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

var ctx = context.Background()

func start() time.Time { return time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC) }

func get[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// region is a leerwerkbedrijf and the gemeenten around it, each in one of some
// groups that see different fields of an offer.
type region struct {
	*publication.Publisher
	store     *store.Store
	rules     publication.Rules
	gemeenten []gateway.OIN
	opt       store.Options
	path      string
	schema    *schema.Validator
}

func newRegion(t testing.TB, gemeenten, groups int, opt store.Options) *region {
	t.Helper()
	r := &region{opt: opt, path: filepath.Join(t.TempDir(), "node.db"), schema: get(schema.New())(t)}
	doc, parties := newRegister(t), []gateway.Party{newParty(t, gatewaytest.Smile, gateway.Leerwerkbedrijf)}
	members := make([][]string, groups)
	for i := range gemeenten {
		oin := gateway.OIN(fmt.Sprintf("00000099%012d", 100_000+i))
		code := gateway.Gemeente(fmt.Sprintf("gm%04d", 3000+i)) // made up: there are as many as in the Netherlands
		parties = append(parties, newParty(t, oin, gateway.GemeenteKind, gateway.GemeenteFor{Code: code}))
		r.gemeenten = append(r.gemeenten, oin)
		members[i%groups] = append(members[i%groups], fmt.Sprintf("%q", oin))
	}
	for _, p := range parties {
		doc.Document = register.Add(doc.Document, p)
	}
	file := get(register.Sign(get(register.Encode(doc.Document))(t), doc.key))(t)
	r.rules.Register = get(register.Parse(file, []string{doc.key.KID()}))(t)
	r.rules.Policy = r.policy(t, members)
	r.open(t)
	t.Cleanup(func() { _ = r.store.Close() })
	return r
}

func (r *region) open(t testing.TB) {
	t.Helper()
	r.store = get(store.Open(r.path, r.opt))(t)
	r.Publisher = publication.New(gatewaytest.Smile, []byte("secret"), r.store, r.schema, func() publication.Rules { return r.rules }, nil)
}

// policy gives each group of gemeenten fields of its own.
func (r *region) policy(t testing.TB, groups [][]string) *policy.Policy {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "policy: region\nparty: \"%s\"\ndescription: Groepen zien verschillende velden.\n", gatewaytest.Smile)
	b.WriteString("defaults:\n  purpose: toeleiding\n  basis: {avg: avg-6-1-e, wet: participatiewet}\n  retention: P90D\ngroups:\n")
	for i, members := range groups {
		fmt.Fprintf(&b, "  g%d: {parties: [%s]}\n", i, strings.Join(members, ", "))
	}
	b.WriteString("rules:\n")
	for i := range groups {
		fields := []string{"title", "werksoorten", "trajectsoort", "dienstverband", "grondslag", "places.maximum", "location.gemeente"}
		for bit, field := range []string{"fase", "trede", "begeleiding", "location.postcode", "functionaliteit"} {
			if i&(1<<bit) != 0 {
				fields = append(fields, field)
			}
		}
		fmt.Fprintf(&b, "  - id: r%d\n    effect: show\n    kinds: [capacity]\n    to: {groups: [g%d]}\n", i, i)
		fmt.Fprintf(&b, "    fields:\n      exact: [%s]\n      band: [places.available, status]\n", strings.Join(fields, ", "))
	}
	p, _, err := policy.Load([]policy.File{{Name: "region.yaml", Data: []byte(b.String())}}, policy.Env{
		Self: gatewaytest.Smile, Party: r.rules.Register.Party, Parties: r.rules.Register.Parties(), Lists: r.schema.Lists(),
		Class: r.schema.Class, Today: gateway.DateOf(start()),
	})
	return get(p, err)(t)
}

type draft struct {
	register.Document
	key *seal.Key
}

func newRegister(t testing.TB) draft {
	t.Helper()
	key := get(seal.GenerateKey())(t)
	return draft{register.New([]register.Signer{{Name: "Registerhouder", Key: key.Public(start())}}, 1, start()), key}
}

func newParty(t testing.TB, oin gateway.OIN, kind gateway.PartyKind, codes ...gateway.GemeenteFor) gateway.Party {
	t.Helper()
	key := get(seal.GenerateKey())(t)
	enc := get(seal.GenerateEncryptionKey())(t).Public(start())
	p := gateway.Party{
		OIN: oin, Name: "Partij " + string(oin), Kind: kind, Gemeenten: codes, Endpoint: "https://node.example:8443",
		SigningKeys: []gateway.Key{key.Public(start())}, Encryption: &enc,
		TLSPins: []string{fmt.Sprintf("%064s", oin)},
		Contact: gateway.Functional{Name: "Servicepunt", Email: "servicepunt@partij.example"},
	}
	p.KeyStatement = get(register.MakeKeyStatement(p, key))(t)
	return p
}

// offers are n offers with a title.
func offers(n int, title string) []store.OwnOffer {
	all := make([]store.OwnOffer, n)
	for i := range all {
		o := gatewaytest.Offer(fmt.Sprintf("aanbod-%06d", i))
		o.Allotments, o.Title = nil, title
		all[i] = store.OwnOffer{Offer: o, Source: "test", Changed: start()}
	}
	return all
}

func change(put []store.OwnOffer) publication.Change {
	return publication.Change{Put: put, Entry: journal.Entry{Kind: journal.KindImport, Count: len(put)}}
}
