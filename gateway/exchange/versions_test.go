package exchange_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/schemas"
)

// newerLists are the schemas of a node with a werksoort that others do not know
// yet.
func newerLists(t *testing.T) fs.FS {
	t.Helper()
	files := copyOf(t)
	list := files["codelists/werksoort.json"]
	for _, change := range [][2]string{
		{`"version": "2026-11-01"`, `"version": "2027-05-01"`},
		{`"codes": [`, `"codes": [{"code": "zonnepanelen", "label": "Zonnepanelen", "validFrom": "2026-01-01", "class": "gewoon"},`},
	} {
		if !bytes.Contains(list.Data, []byte(change[0])) {
			t.Fatalf("the code list has no %s", change[0])
		}
		list.Data = bytes.Replace(list.Data, []byte(change[0]), []byte(change[1]), 1)
	}
	return files
}

// fewerKinds are the schemas of a node that does not know capacity-state.
func fewerKinds(t *testing.T) fs.FS {
	files := copyOf(t)
	delete(files, "capacity-state.v1.json")
	return files
}

func copyOf(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(schemas.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(schemas.FS(), path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func solar(id string) gateway.Offer {
	o := gt.Offer(id)
	o.Werksoorten = append(o.Werksoorten, "zonnepanelen")
	return o
}

// notesOf are a node's notes about one party.
func notesOf(f *gt.Federation, oin, peer gateway.OIN) string {
	for _, p := range status(f, oin).Peers {
		if p.OIN == peer {
			return strings.Join(p.Notes, "; ")
		}
	}
	return ""
}

// Smile has newer code lists than Dordrecht, and Alblasserdam has them too. What
// Dordrecht cannot know yet is held and shown as such; all else goes on; and with
// Dordrecht's upgrade it goes by itself.
func TestNewerCodeListIsHeldUntilTheUpgrade(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		newer := gt.Age{Schemas: newerLists(t)}
		f.SetAge(gt.Smile, newer)
		f.SetAge(gt.Alblasserdam, newer)
		f.Settled(time.Hour)
		if got, want := notesOf(f, gt.Smile, gt.Dordrecht), "Dordrecht does not know code list werksoort 2027-05-01 yet: nothing waits for it"; got != want {
			t.Errorf("before anything is sent: got %q, want %q", got, want)
		}
		if got := notesOf(f, gt.Dordrecht, gt.Smile); got != "" {
			t.Errorf("the older of the newer: got %q, want nothing", got)
		}
		f.Publish(gt.Smile, gt.Offer("groen"), solar("dak"), solar("veld"))
		f.Settled(time.Hour)
		f.Publish(gt.Dordrecht) // and the older sends to the newer
		if a, d := len(f.Received(gt.Alblasserdam, gt.Smile)), f.Received(gt.Dordrecht, gt.Smile); a != 3 || len(d) != 1 || d["groen"].Offer == "" {
			t.Fatalf("Alblasserdam has %d and Dordrecht %d offers, want 3 and the one that it can understand", a, len(d))
		}
		if got, want := notesOf(f, gt.Smile, gt.Dordrecht), "Dordrecht does not know code list werksoort 2027-05-01 yet: 2 messages wait"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		f.SetAge(gt.Dordrecht, newer)
		time.Sleep(time.Minute)
		f.Settled(time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 3 {
			t.Errorf("after the upgrade: got %d offers, want 3", got)
		}
		if got := notesOf(f, gt.Smile, gt.Dordrecht); got != "" {
			t.Errorf("after the upgrade: got note %q, want none", got)
		}
		f.Converged()
	})
}

// A code that no list has is wrong, and refused for good; so is one of a sender
// whose lists are no newer.
func TestUnknownCodeOfThisVersionIsRefused(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		h := attack(t)
		m := h.message()
		m.Data = []byte(strings.Replace(string(m.Data), `{`, `{"werksoorten":["bestaat-niet"],`, 1))
		if item := h.send(h.sign(m.Encode()))[0]; item.Outcome != gateway.Refused || item.Reason != gateway.ReasonCode {
			t.Errorf("got %s %s, want refused code", item.Outcome, item.Reason)
		}
	})
}

// A kind that the recipient does not know is held and goes after its upgrade.
func TestUnknownKindIsHeldUntilTheUpgrade(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.SetAge(gt.Dordrecht, gt.Age{Schemas: fewerKinds(t)})
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		// Dordrecht loses what it has: Smile sends it again, and the list of it.
		loseDatabase(t, f, gt.Dordrecht)
		time.Sleep(13 * time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 2 {
			t.Fatalf("got %d offers, want 2: they do not wait for the list", got)
		}
		if got, want := notesOf(f, gt.Smile, gt.Dordrecht), "Dordrecht does not take messages of kind capacity-state: 1 message waits"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		f.SetAge(gt.Dordrecht, gt.Age{})
		time.Sleep(time.Minute)
		f.Settled(time.Hour)
		if got := notesOf(f, gt.Smile, gt.Dordrecht); got != "" {
			t.Errorf("after the upgrade: got note %q, want none", got)
		}
		f.Converged()
	})
}

// Nodes that have one version of the protocol in common use that. Those that have
// none refuse each other's hello, say so, lose nothing, and find each other after
// the upgrade of either.
func TestProtocolVersions(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Alblasserdam, "Alblasserdam", "gm0482"), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.SetAge(gt.Smile, gt.Age{Protocols: []int{1, 2}})
		f.SetAge(gt.Alblasserdam, gt.Age{Protocols: []int{2, 3}})
		f.Publish(gt.Smile, gt.Offer("een"))
		f.Settled(time.Hour)
		for _, oin := range []gateway.OIN{gt.Alblasserdam, gt.Dordrecht} {
			if got := len(f.Received(oin, gt.Smile)); got != 1 {
				t.Errorf("%s: got %d offers, want 1", oin, got)
			}
		}
		f.SetAge(gt.Smile, gt.Age{Protocols: []int{3}})
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		time.Sleep(time.Hour)
		if a, d := len(f.Received(gt.Alblasserdam, gt.Smile)), len(f.Received(gt.Dordrecht, gt.Smile)); a != 2 || d != 1 {
			t.Errorf("got %d and %d offers, want 2, and 1 where no version is in common", a, d)
		}
		if got, want := notesOf(f, gt.Smile, gt.Dordrecht), "Dordrecht speaks protocol 1 and we speak 3: 1 message waits"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		f.SetAge(gt.Dordrecht, gt.Age{Protocols: []int{1, 2, 3}})
		time.Sleep(time.Minute)
		f.Settled(time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 2 {
			t.Errorf("after the upgrade: got %d offers, want 2", got)
		}
		f.Converged()
	})
}

// What a peer holds off does not keep the rest from being repaired: Dordrecht has
// lost one offer, which only its hello tells.
func TestRepairDoesNotWaitForWhatIsHeld(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.SetAge(gt.Smile, gt.Age{Schemas: newerLists(t)})
		f.Publish(gt.Smile, gt.Offer("groen"), gt.Offer("grijs"), solar("dak"))
		f.Settled(time.Hour)
		loseOffer(t, f, "groen")
		time.Sleep(13 * time.Hour)
		if got := f.Received(gt.Dordrecht, gt.Smile); len(got) != 2 {
			t.Errorf("got %d offers, want the 2 that Dordrecht can have", len(got))
		}
		if got, want := notesOf(f, gt.Smile, gt.Dordrecht), "Dordrecht does not know code list werksoort 2027-05-01 yet: 1 message waits"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		sent := len(f.Net.Wire())
		time.Sleep(24 * time.Hour)
		if got := len(f.Net.Wire()) - sent; got > 0 {
			t.Errorf("got %d more batches, want none: both know that they agree", got)
		}
		f.Converged()
	})
}

// loseOffer makes Dordrecht drop an offer of Smile by a withdrawal of which
// Smile's node knows nothing.
func loseOffer(t *testing.T, f *gt.Federation, offer string) {
	t.Helper()
	sender := f.Node(gt.Smile)
	subject := sender.Desk.Publisher().Subject(offer)
	shown, err := sender.Store.Shown(t.Context(), gt.Dordrecht)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(shown, func(s store.Shown) bool { return s.Subject == subject })
	data, _ := gateway.Capacity{Offer: offer, Provider: gt.Smile, Withdrawn: true}.Encode()
	now := time.Now().UTC().Truncate(time.Second)
	token, err := seal.Sign(f.Key(gt.Smile), seal.Message, gateway.Message{
		ID: uuid.Must(uuid.NewV7()).String(), Source: gt.Smile, Kind: gateway.KindCapacity, Time: now, Recipient: gt.Dordrecht,
		Expires: now.Add(gateway.Lifetime), Subject: subject, Sequence: shown[i].Sequence + 1,
		Incarnation: sender.Store.Incarnation(), Data: data,
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Node(gt.Dordrecht).Exchange.Accept(t.Context(), gt.Smile, gateway.Batch{Messages: []string{token}})
	if err != nil || answer.Items[0].Outcome != gateway.Received {
		t.Fatalf("got %v %v, want it received", answer.Items, err)
	}
}

// Two parties, one of which gets a new signing key: the other cannot open the
// hello that tells of the register in which it stands, and asks for the register.
func TestNewKeyBetweenTwoParties(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t, smile(), gemeente(gt.Dordrecht, "Dordrecht", "gm0505"))
		f.Settled(time.Hour)
		rotate(t, f, gt.Smile)
		f.Publish(gt.Smile, gt.Offer("een"))
		time.Sleep(2 * time.Hour)
		f.Settled(time.Hour)
		if got := len(f.Received(gt.Dordrecht, gt.Smile)); got != 1 {
			t.Errorf("got %d offers, want 1", got)
		}
		if got := f.Node(gt.Dordrecht).Desk.Rules().Register.Version(); got != 2 {
			t.Errorf("register of Dordrecht: got version %d, want 2", got)
		}
		f.Converged()
	})
}

// rotate gives a party a new signing key, restarts its node with it, and gives
// the register of it to that node alone.
func rotate(t *testing.T, f *gt.Federation, oin gateway.OIN) {
	t.Helper()
	old, now := f.Key(oin), time.Now().UTC().Truncate(time.Second)
	key, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	f.NextRegister(func(doc *register.Document) {
		for _, p := range doc.Parties {
			if p.OIN != oin {
				continue
			}
			p.SigningKeys = append(append([]gateway.Key{}, p.SigningKeys...), key.Public(now))
			if p.KeyStatement, err = register.MakeKeyStatement(p, old); err != nil {
				t.Fatal(err)
			}
			*doc = register.Add(*doc, p)
		}
	})
	f.Stop(oin)
	for path, content := range map[string][]byte{
		filepath.Join("data", "keys", "signing.pem"): key.PEM(), "register.jws": f.Register,
	} {
		if err := os.WriteFile(filepath.Join(f.Dir(oin), path), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.Start(oin)
}
