package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/hdevalence/ed25519consensus"
)

// torsion are the eight points of small order; the first is none at all.
func torsion(t testing.TB) []*edwards25519.Point {
	t.Helper()
	raw, err := hex.DecodeString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
	fatal(t, err)
	generator, err := new(edwards25519.Point).SetBytes(raw)
	fatal(t, err)
	all := []*edwards25519.Point{edwards25519.NewIdentityPoint()}
	for range 7 {
		all = append(all, new(edwards25519.Point).Add(all[len(all)-1], generator))
	}
	if new(edwards25519.Point).Add(all[7], generator).Equal(all[0]) != 1 || all[4].Equal(all[0]) == 1 {
		t.Fatal("the point is not of order eight")
	}
	return all
}

// spellings are the ways to write a point that a lenient reader takes.
func spellings(p *edwards25519.Point) [][]byte {
	all := [][]byte{p.Bytes()}
	signed := slices.Clone(p.Bytes())
	signed[31] ^= 0x80
	y := slices.Clone(p.Bytes())
	y[31] &= 0x7f
	slices.Reverse(y)
	over := new(big.Int).Add(new(big.Int).SetBytes(y), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19)))
	raw := [][]byte{signed}
	if over.BitLen() <= 255 {
		b := over.FillBytes(make([]byte, 32))
		slices.Reverse(b)
		negative := slices.Clone(b)
		negative[31] |= 0x80
		raw = append(raw, b, negative)
	}
	for _, b := range raw {
		if q, err := new(edwards25519.Point).SetBytes(b); err == nil && q.Equal(p) == 1 {
			all = append(all, b)
		}
	}
	return all
}

// signer makes signatures as no honest signer does.
type signer struct {
	key    *seal.Key
	secret *edwards25519.Scalar
	public ed25519.PublicKey
}

func newSigner(t testing.TB, seed byte) signer {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	key, err := seal.ParseKey(pkcs8(t, private))
	fatal(t, err)
	h := sha512.Sum512(private.Seed())
	secret, err := new(edwards25519.Scalar).SetBytesWithClamping(h[:32])
	fatal(t, err)
	return signer{key: key, secret: secret, public: private.Public().(ed25519.PublicKey)}
}

// input is what a token with such a payload signs.
func (s signer) input(payload string) string {
	return b64(`{"alg":"EdDSA","kid":"`+s.key.KID()+`","typ":"cloudevents+json"}`) + "." + b64(payload)
}

// sign gives R, however it is written, and the S that fits it: r is that of R
// without what was added to it.
func (s signer) sign(t testing.TB, input string, written []byte, r *edwards25519.Scalar) []byte {
	t.Helper()
	h := sha512.New()
	h.Write(written)
	h.Write(s.public)
	h.Write([]byte(input))
	k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
	fatal(t, err)
	return append(slices.Clone(written), new(edwards25519.Scalar).MultiplyAdd(k, s.secret, r).Bytes()...)
}

func someScalar(t testing.TB, i int) *edwards25519.Scalar {
	t.Helper()
	h := sha512.Sum512([]byte{byte(i)})
	r, err := new(edwards25519.Scalar).SetUniformBytes(h[:])
	fatal(t, err)
	return r
}

// crafted is a token of a signer who knows what he does.
type crafted struct {
	name   string
	token  string
	holds  bool // by RFC 8032 section 5.1.7
	strict bool // by the equation without the cofactor too
}

func craft(t testing.TB, s signer) []crafted {
	t.Helper()
	var all []crafted
	add := func(name string, signature []byte, input string, holds, strict bool) {
		if got := ed25519.Verify(s.public, []byte(input), signature); got != strict {
			t.Fatalf("%s: crypto/ed25519 says %v, want %v", name, got, strict)
		}
		all = append(all, crafted{name, input + "." + b64(string(signature)), holds, strict})
	}
	zero := edwards25519.NewScalar()
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	for i, small := range torsion(t) {
		input := s.input(fmt.Sprint("torsion ", i))
		r := someScalar(t, i)
		point := new(edwards25519.Point).ScalarBaseMult(r)
		point.Add(point, small)
		good := s.sign(t, input, point.Bytes(), r)
		add(fmt.Sprint("R with torsion ", i), good, input, true, i == 0)

		bad := slices.Clone(good)
		bad[40]++
		add(fmt.Sprint("S changed, torsion ", i), bad, input, false, false)

		scalar := slices.Clone(good[32:])
		slices.Reverse(scalar)
		larger := new(big.Int).Add(new(big.Int).SetBytes(scalar), order).FillBytes(make([]byte, 32))
		slices.Reverse(larger)
		add(fmt.Sprint("S and the order, torsion ", i), append(slices.Clone(good[:32]), larger...), input, false, false)

		for j, written := range spellings(small) {
			add(fmt.Sprintf("R is torsion %d in spelling %d", i, j), s.sign(t, input, written, zero), input, j == 0, i == 0 && j == 0)
		}
	}
	return all
}

// Whoever holds a key can make signatures that hold by one equation and not by
// another. Each counts alone if and only if it counts among others: among honest
// ones, among its like, and where two of them would cancel out.
func TestAloneAsAmongOthers(t *testing.T) {
	s := newSigner(t, 1)
	all := craft(t, s)
	var honest []string
	for i := range 8 {
		token, err := seal.Sign(s.key, seal.Message, fmt.Append(nil, i))
		fatal(t, err)
		honest = append(honest, token)
	}
	var keys seal.Keys
	check := func(where string, tokens []string, want map[string]crafted) {
		t.Helper()
		for i, opened := range keys.OpenAll(tokens, seal.Message, knows(s.key)) {
			c, known := want[tokens[i]]
			if (opened.Err == nil) != (c.holds || !known) {
				t.Errorf("%s, %s: got %v, want it to hold: %v", where, c.name, opened.Err, c.holds)
			}
		}
	}
	byToken := map[string]crafted{}
	var tokens, holding []string
	spelt := 0
	for _, c := range all {
		_, _, err := seal.Open(c.token, seal.Message, knows(s.key))
		if (err == nil) != c.holds {
			t.Errorf("%s alone: got %v, want it to hold: %v", c.name, err, c.holds)
		}
		byToken[c.token] = c
		tokens = append(tokens, c.token)
		if c.holds {
			holding = append(holding, c.token)
		}
		if strings.Contains(c.name, "in spelling") && !strings.HasSuffix(c.name, " 0") {
			spelt++
		}
		for _, place := range []int{0, 7, 8} {
			check(fmt.Sprint("at ", place), slices.Insert(slices.Clone(honest), place, c.token), byToken)
		}
	}
	if spelt == 0 {
		t.Error("got no point in another spelling, want some")
	}
	check("all of them", tokens, byToken)
	check("those that hold", holding, byToken)
	for _, a := range holding {
		for _, b := range holding {
			check("pairs", slices.Concat(honest[:3], []string{a}, honest[3:6], []string{b}), byToken)
			check("many of two", slices.Repeat([]string{a, b}, 4), byToken)
		}
	}
}

// Two signatures that are wrong by the same in opposite directions do not make up
// for each other.
func TestWrongSignaturesDoNotCancelOut(t *testing.T) {
	s := newSigner(t, 4)
	var tokens []string
	for i := range 10 {
		input := s.input(fmt.Sprint(i))
		r := someScalar(t, i)
		if i == 2 || i == 7 { // the sum of both is right
			off := someScalar(t, 100)
			if i == 7 {
				off.Negate(off)
			}
			r.Add(r, off)
		}
		written := new(edwards25519.Point).ScalarBaseMult(someScalar(t, i)).Bytes()
		tokens = append(tokens, input+"."+b64(string(s.sign(t, input, written, r))))
	}
	var keys seal.Keys
	for i, opened := range keys.OpenAll(tokens, seal.Message, knows(s.key)) {
		if want := i != 2 && i != 7; (opened.Err == nil) != want {
			t.Errorf("number %d: got %v, want it to hold: %v", i, opened.Err, want)
		}
	}
}

// A library of others, made for the same equation, says the same; it only takes
// points in other spellings as well.
func TestSameAsConsensus(t *testing.T) {
	s := newSigner(t, 2)
	for _, c := range craft(t, s) {
		input, signature, _ := cutLast(c.token)
		raw := unb64(t, signature)
		r, err := new(edwards25519.Point).SetBytes(raw[:32])
		want := ed25519consensus.Verify(s.public, []byte(input), raw) && err == nil && bytes.Equal(r.Bytes(), raw[:32])
		if _, _, err := seal.Open(c.token, seal.Message, knows(s.key)); (err == nil) != want || want != c.holds {
			t.Errorf("%s: got %v, want %v and %v", c.name, err, want, c.holds)
		}
	}
}

func cutLast(token string) (input, signature string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	return token[:max(i, 0)], token[i+1:], i >= 0
}

// A key for which one signature fits many messages, or that can be written in two
// ways, is no key.
func TestSmallOrSpeltKeysAreRefused(t *testing.T) {
	refused := func(name string, public []byte) {
		t.Helper()
		jwk := `{"crv":"Ed25519","kty":"OKP","x":"` + b64(string(public)) + `"}`
		kid := sha256.Sum256([]byte(jwk))
		err := seal.CheckSigningKey(gateway.Key{KID: b64(string(kid[:])), JWK: gateway.RawJSON(jwk)})
		if gateway.KindOf(err) != gateway.Invalid || strings.Contains(err.Error(), "thumbprint") {
			t.Errorf("%s: got %v, want Invalid for its point", name, err)
		}
	}
	for i, small := range torsion(t) {
		for j, written := range spellings(small) {
			refused(fmt.Sprintf("small order %d, spelling %d", i, j), written)
		}
	}
	refused("no point", append([]byte{2}, make([]byte, 31)...))
	spelt := 0
	for y := range 19 { // the points that have a second spelling
		b := make([]byte, 32)
		b[0] = byte(y)
		p, err := new(edwards25519.Point).SetBytes(b)
		if err != nil {
			continue
		}
		for _, written := range spellings(p)[1:] {
			spelt++
			refused(fmt.Sprintf("y = %d in another spelling", y), written)
		}
	}
	if spelt < 5 {
		t.Errorf("got %d other spellings, want some", spelt)
	}
}

// sameAsOpen opens tokens together and each alone.
func sameAsOpen(t testing.TB, name string, tokens []string, lookup seal.Lookup) (refused int) {
	t.Helper()
	var keys seal.Keys
	got := keys.OpenAll(tokens, seal.Message, lookup)
	if len(got) != len(tokens) {
		t.Fatalf("%s: got %d, want %d", name, len(got), len(tokens))
	}
	for i, token := range tokens {
		payload, kid, err := seal.Open(token, seal.Message, lookup)
		if err != nil {
			refused++
		}
		if !bytes.Equal(got[i].Payload, payload) || got[i].KID != kid || fmt.Sprint(got[i].Err) != fmt.Sprint(err) || seal.ReasonOf(got[i].Err) != seal.ReasonOf(err) {
			t.Errorf("%s, number %d of %d: got %q by %q, %v; alone %q by %q, %v", name, i, len(tokens),
				got[i].Payload, got[i].KID, got[i].Err, payload, kid, err)
		}
	}
	return refused
}

func TestOpenAllIsOpen(t *testing.T) {
	a, b, ec, unknown, compromised := edKey(t), edKey(t), ecKey(t), edKey(t), edKey(t)
	known := knows(a, b, ec)
	lookup := func(kid string) (gateway.Key, error) {
		if kid == compromised.KID() {
			k := compromised.Public(day)
			k.Compromised = true
			return k, nil
		}
		return known(kid)
	}
	n := 0
	by := func(key *seal.Key) string {
		n++
		token, err := seal.Sign(key, seal.Message, fmt.Append(nil, n))
		fatal(t, err)
		return token
	}
	elsewhere := func() string { // a good signature under another message
		_, signature, _ := cutLast(by(a))
		input, _, _ := cutLast(by(a))
		return input + "." + signature
	}
	otherPurpose := func() string {
		token, err := seal.Sign(a, seal.Hello, []byte("1"))
		fatal(t, err)
		return token
	}
	short := func() string { return strings.TrimSuffix(by(a), by(a)[len(by(a))-4:])[:len(by(a))-4] }
	otherAlg := func() string {
		input, signature, _ := cutLast(by(a))
		_, payload, _ := strings.Cut(input, ".")
		return b64(`{"alg":"ES256","kid":"`+a.KID()+`","typ":"cloudevents+json"}`) + "." + payload + "." + signature
	}
	odd := map[string]func() string{
		"signature of another message": elsewhere, "another purpose": otherPurpose, "short": short, "another algorithm": otherAlg,
		"no token": func() string { return "x" }, "empty": func() string { return "" },
		"unknown key":     func() string { return by(unknown) },
		"compromised key": func() string { return by(compromised) },
		"too large":       func() string { return strings.Repeat("x", seal.MaxToken+1) },
		"ES256, changed":  func() string { return by(ec)[:len(by(ec))-8] + "AAAAAAAA" },
	}
	good := map[string]func() string{
		"one key": func() string { return by(a) },
		"two keys": func() string {
			if n%3 == 0 {
				return by(b)
			}
			return by(a)
		},
		"ES256 between": func() string {
			if n%4 == 0 {
				return by(ec)
			}
			return by(a)
		},
	}
	for ofGood, next := range good {
		for _, size := range []int{0, 1, 7, 8, 70} {
			tokens := make([]string, size)
			for i := range tokens {
				tokens[i] = next()
			}
			if refused := sameAsOpen(t, ofGood, tokens, lookup); refused != 0 {
				t.Errorf("%s, %d of them: got %d refused, want none", ofGood, size, refused)
			}
			for what, make := range odd {
				for _, place := range []int{0, 63, size - 1} {
					if place < 0 || place >= size {
						continue
					}
					some := slices.Clone(tokens)
					some[place] = make()
					if refused := sameAsOpen(t, ofGood+", "+what, some, lookup); refused != 1 {
						t.Errorf("%s, %s at %d of %d: got %d refused, want 1", ofGood, what, place, size, refused)
					}
				}
			}
		}
	}
	for what, make := range odd {
		tokens := []string{}
		for range 20 {
			tokens = append(tokens, make())
		}
		if refused := sameAsOpen(t, "only "+what, tokens, lookup); refused != len(tokens) {
			t.Errorf("only %s: got %d refused, want all", what, refused)
		}
	}
}

// Whatever stands among honest tokens, all are judged as if alone.
func FuzzOpenAll(f *testing.F) {
	s, ec := newSigner(f, 3), ecKey(f)
	var honest []string
	for i := range 16 {
		key := s.key
		if i%8 == 5 {
			key = ec
		}
		token, err := seal.Sign(key, seal.Message, fmt.Append(nil, i))
		fatal(f, err)
		honest = append(honest, token)
	}
	for i, c := range craft(f, s) {
		f.Add(c.token, i%17, true)
		f.Add(c.token[:len(c.token)-1], i%17, false)
	}
	f.Fuzz(func(t *testing.T, token string, place int, twice bool) {
		place = min(max(place, 0), len(honest))
		tokens := slices.Insert(slices.Clone(honest), place, token)
		if twice {
			tokens = append(tokens, token)
		}
		sameAsOpen(t, "fuzz", tokens, knows(s.key, ec))
	})
}

func BenchmarkOpenAll(b *testing.B) {
	key := edKey(b)
	public := key.Public(day)
	lookup := func(string) (gateway.Key, error) { return public, nil }
	tokens := make([]string, 500)
	for i := range tokens {
		token, err := seal.Sign(key, seal.Message, fmt.Append(bytes.Repeat([]byte("x"), 1240), i))
		fatal(b, err)
		tokens[i] = token
	}
	wrong := slices.Clone(tokens)
	oneWrong := slices.Clone(tokens)
	for i := range wrong {
		input, _, _ := cutLast(tokens[i])
		_, signature, _ := cutLast(tokens[(i+1)%len(tokens)])
		wrong[i] = input + "." + signature
		if i%64 == 0 {
			oneWrong[i] = wrong[i]
		}
	}
	for _, bench := range []struct {
		name   string
		tokens []string
		all    bool
	}{
		{"alone", tokens, false}, {"together", tokens, true}, {"alone, wrong", wrong, false}, {"together, all wrong", wrong, true}, {"together, one in 64 wrong", oneWrong, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var keys seal.Keys
			b.ReportAllocs()
			for b.Loop() {
				if bench.all {
					keys.OpenAll(bench.tokens, seal.Message, lookup)
					continue
				}
				for _, token := range bench.tokens {
					_, _, _ = keys.Open(token, seal.Message, lookup)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(tokens)), "µs/token")
		})
	}
}
