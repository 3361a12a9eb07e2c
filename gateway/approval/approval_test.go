package approval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// cast are the persons of these tests and their keys.
type cast struct {
	persons []approval.Person
	keys    map[string]*seal.Key
}

func newCast(t *testing.T) cast {
	t.Helper()
	c := cast{keys: map[string]*seal.Key{}}
	var list strings.Builder
	list.WriteString("approvers:\n")
	for _, p := range []approval.Person{
		{Name: "Auteur", Sign: true}, {Name: "FG", Function: "privacy officer", Party: "GRS", Approve: true}, {Name: "Beide", Sign: true, Approve: true},
	} {
		key, err := seal.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		c.keys[p.Name], p.Key = key, key.Public(now())
		entry, err := p.Entry()
		if err != nil {
			t.Fatal(err)
		}
		list.WriteString(entry)
	}
	var err error
	if c.persons, err = approval.ParsePersons([]byte(list.String())); err != nil {
		t.Fatal(err)
	}
	c.keys["Vreemd"], err = seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func statement() approval.Statement {
	return approval.Statement{
		Party: "00000099000000001000", Policy: "v2", Approval: approval.TwoPerson, Approvers: approval.Digest([]byte("x")),
		Number: 2, Follows: "v1", Author: "Auteur", Issued: now(), Expectations: "e1", Incarnation: 7,
	}
}

// Every way in which what was signed is not what is wanted, or not by whom.
func TestVerify(t *testing.T) {
	c := newCast(t)
	for _, test := range []struct {
		name   string
		change func(want, said *approval.Statement, now *time.Time)
		by     []string
		want   string // of the error; "" for none
	}{
		{"two persons", nil, []string{"Auteur", "FG"}, ""},
		{"in any order", nil, []string{"FG", "Auteur"}, ""},
		{"author who may both", func(_, s *approval.Statement, _ *time.Time) { s.Author = "Beide" }, []string{"Beide", "FG"}, ""},
		{"author alone", nil, []string{"Auteur"}, "nobody beside the author"},
		{"author who may both alone", func(_, s *approval.Statement, _ *time.Time) { s.Author = "Beide" }, []string{"Beide"}, "nobody beside"},
		{"approver alone", nil, []string{"FG"}, "the author has not signed"},
		{"author and another author", func(_, s *approval.Statement, _ *time.Time) { s.Author = "Beide" }, []string{"Beide", "Auteur"}, "nobody beside"},
		{"approver as author", func(_, s *approval.Statement, _ *time.Time) { s.Author = "FG" }, []string{"FG", "Beide"}, "not sign them"},
		{"stranger", nil, []string{"Auteur", "Vreemd"}, "not signed by persons on the list"},
		{"another version", func(w, _ *approval.Statement, _ *time.Time) { w.Policy = "v3" }, []string{"Auteur", "FG"}, "another version"},
		{"other expectations", func(w, _ *approval.Statement, _ *time.Time) { w.Expectations = "e2" }, []string{"Auteur", "FG"}, "other expectations"},
		{"no expectations any more", func(w, _ *approval.Statement, _ *time.Time) { w.Expectations = "" }, []string{"Auteur", "FG"}, "other expectations"},
		{"by an older program", func(_, s *approval.Statement, _ *time.Time) { s.Expectations = "" }, []string{"Auteur", "FG"}, "other expectations"},
		{"before a restore", func(w, _ *approval.Statement, _ *time.Time) { w.Incarnation = 8 }, []string{"Auteur", "FG"}, "restored"},
		{"another party", func(w, _ *approval.Statement, _ *time.Time) { w.Party = "00000099000000002000" }, []string{"Auteur", "FG"}, "another party"},
		{"replayed later", func(w, _ *approval.Statement, _ *time.Time) { w.Number, w.Follows = 4, "v3" }, []string{"Auteur", "FG"}, "another moment"},
		{"follows another", func(w, _ *approval.Statement, _ *time.Time) { w.Follows = "v0" }, []string{"Auteur", "FG"}, "another moment"},
		{"the same predecessor, later", func(w, _ *approval.Statement, _ *time.Time) { w.Number = 4 }, []string{"Auteur", "FG"}, "another moment"},
		{"another list", func(w, _ *approval.Statement, _ *time.Time) { w.Approvers = approval.Digest(nil) }, []string{"Auteur", "FG"}, "another list"},
		{"another mode", func(w, _ *approval.Statement, _ *time.Time) { w.Approval = approval.None }, []string{"Auteur", "FG"}, "another value"},
		{"old", func(_, _ *approval.Statement, at *time.Time) { *at = at.Add(31 * 24 * time.Hour) }, []string{"Auteur", "FG"}, "30 days old"},
		{"clock back", func(_, _ *approval.Statement, at *time.Time) { *at = at.Add(-time.Hour) }, []string{"Auteur", "FG"}, "from the future"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, said, at := statement(), statement(), now()
			if test.change != nil {
				test.change(&want, &said, &at)
			}
			signed, err := approval.Sign(said, c.keys[test.by[0]])
			for _, name := range test.by[1:] {
				if err == nil {
					signed, err = approval.Approve(signed, c.keys[name])
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			agreed, err := approval.Verify(signed, want, c.persons, at)
			switch {
			case test.want == "":
				if err != nil || agreed.Author != said.Author || agreed.Approver != "FG" {
					t.Errorf("got %+v %v, want agreed by %s and FG", agreed, err, said.Author)
				}
			case err == nil || !strings.Contains(gateway.SafeMessage(err), test.want) || gateway.KindOf(err) != gateway.Denied:
				t.Errorf("got %v, want Denied with %q", err, test.want)
			}
		})
	}
}

// A signature for another purpose by the same key is none.
func TestOtherPurpose(t *testing.T) {
	c := newCast(t)
	payload := []byte(`{"party":"00000099000000001000","policy":"v2","approval":"two-person","approvers":"x","number":2,"author":"Auteur","issued":"2026-11-22T12:00:00Z"}`)
	signed, err := seal.SignMulti(seal.Register, payload, c.keys["Auteur"], c.keys["FG"])
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := approval.Read(signed, c.persons); gateway.KindOf(err) != gateway.Denied {
		t.Errorf("got %v, want Denied", err)
	}
}

func TestBadLists(t *testing.T) {
	c := newCast(t)
	good, err := c.persons[0].Entry()
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.persons[1].Entry()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"same twice":   good + good,
		"same name":    good + strings.Replace(other, `"FG"`, `"AUTEUR"`, 1),
		"same key":     good + strings.Replace(good, `"Auteur"`, `"Iemand"`, 1),
		"no name":      strings.Replace(good, `"Auteur"`, `" "`, 1),
		"no may":       strings.Replace(good, "[sign]", "[]", 1),
		"other may":    strings.Replace(good, "[sign]", "[sign, rule]", 1),
		"unknown key":  strings.Replace(good, "may:", "mag:", 1),
		"private key":  strings.Replace(good, "key: {", `key: {d: "AAAA", `, 1),
		"other key id": strings.Replace(good, c.persons[0].Key.KID, c.persons[1].Key.KID, 1),
	} {
		if got, err := approval.ParsePersons([]byte("approvers:\n" + text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
	if _, err := approval.ParsePersons([]byte("approvers:\n" + good + other)); err != nil {
		t.Errorf("two persons: %v", err)
	}
}
