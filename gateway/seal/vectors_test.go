package seal_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

var update = flag.Bool("update", false, "make the vectors of encrypted tokens anew")

const vectorFile = "../../schemas/testdata/vectors/encrypted.json"

// encryptedVectors are tokens for whoever builds a node: what is opened has an
// inner token, what is not the reason of the answer.
type encryptedVectors struct {
	Key    string            `json:"key"` // PKCS #8 in PEM
	KID    string            `json:"kid"`
	Tokens []encryptedVector `json:"tokens"`
}

type encryptedVector struct {
	Name      string         `json:"name"`
	Token     string         `json:"token"`
	Inner     string         `json:"inner,omitempty"`
	ID        string         `json:"id,omitempty"`
	Recipient string         `json:"recipient,omitempty"`
	Expires   string         `json:"expires,omitempty"`
	Reason    gateway.Reason `json:"reason,omitempty"`
}

func makeVectors(t *testing.T) encryptedVectors {
	t.Helper()
	key, signer := encryptionKey(t), edKey(t)
	all := encryptedVectors{Key: string(key.PEM()), KID: key.KID()}
	var tokens []string
	for _, row := range []struct{ name, kind, data string }{
		{"a message padded to 4 KB", gateway.KindReferral, `{"x":1}`},
		{"a message padded to 16 KB", gateway.KindReferral, `{"x":"` + strings.Repeat("a", 9000) + `"}`},
		{"a referral", gateway.KindReferral, validData(t, "referral/full")},
		{"a state of a referral", gateway.KindReferralState, validData(t, "referral-state/full")},
		{"a handover", gateway.KindHandover, validData(t, "handover/full")},
		{"a request of an inhabitant to erase", gateway.KindSubjectRequest, validData(t, "subject-request/erase-fields")},
		{"a request of an inhabitant to rectify", gateway.KindSubjectRequest, validData(t, "subject-request/rectify")},
		{"what was done for an inhabitant", gateway.KindSubjectAnswer, validData(t, "subject-answer/done")},
		{"what was refused to an inhabitant", gateway.KindSubjectAnswer, validData(t, "subject-answer/refused")},
	} {
		m := confidential()
		m.Kind, m.Source, m.Time, m.Subject, m.Nonce = row.kind, somebody, day, "abcdefghijklmnopqrstuvwx", gateway.NonceOf([16]byte{1, 2, 3})
		m.Data = gateway.RawJSON(row.data)
		signed, err := seal.Sign(signer, seal.Message, m.Encode())
		fatal(t, err)
		token := encrypted(t, key, signed)
		tokens = append(tokens, token)
		all.Tokens = append(all.Tokens, encryptedVector{
			Name: row.name, Token: token, Inner: signed,
			ID: m.ID, Recipient: m.Recipient.URN(), Expires: gateway.FormatTime(m.Expires),
		})
	}
	parts := strings.Split(tokens[0], ".")
	head := string(unb64(t, parts[0]))
	bad := func(name, token string, reason gateway.Reason) {
		all.Tokens = append(all.Tokens, encryptedVector{Name: name, Token: token, Reason: reason})
	}
	header := func(old, with string) string {
		return b64(strings.Replace(head, old, with, 1)) + "." + strings.Join(parts[1:], ".")
	}
	bad("encrypted to another key", encrypted(t, encryptionKey(t), "a.b.c"), gateway.ReasonUnreadable)
	bad("another expiry in the header", header("2026-11-15", "2026-11-16"), gateway.ReasonUnreadable)
	bad("changed tag", strings.Join(parts[:4], ".")+"."+b64(strings.Repeat("x", 16)), gateway.ReasonUnreadable)
	bad("compressed", header(`"enc"`, `"zip":"DEF","enc"`), gateway.ReasonMalformed)
	bad("one member too many", header(`"enc"`, `"typ":"JOSE","enc"`), gateway.ReasonMalformed)
	bad("a member twice", header(`"enc"`, `"alg":"ECDH-ES+A256KW","enc"`), gateway.ReasonMalformed)
	bad("another algorithm", header("ECDH-ES+A256KW", "ECDH-ES"), gateway.ReasonMalformed)
	bad("base64 with padding", parts[0]+"=."+strings.Join(parts[1:], "."), gateway.ReasonMalformed)
	bad("four parts", strings.Join(parts[:4], "."), gateway.ReasonMalformed)
	return all
}

// validData is the data of a message that fits its schema.
func validData(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash("../../schemas/testdata/valid/" + name + ".json"))
	fatal(t, err)
	var b bytes.Buffer
	fatal(t, json.Compact(&b, data))
	return b.String()
}

// TestEncryptedVectors: the published tokens are opened, or not, by the program
// and by a reading of the RFCs with nothing but the standard library.
func TestEncryptedVectors(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(makeVectors(t), "", "  ")
		fatal(t, err)
		fatal(t, os.WriteFile(filepath.FromSlash(vectorFile), append(b, '\n'), 0o644))
	}
	b, err := os.ReadFile(filepath.FromSlash(vectorFile))
	fatal(t, err)
	var all encryptedVectors
	fatal(t, json.Unmarshal(b, &all))
	key, err := seal.ParseEncryptionKey([]byte(all.Key))
	fatal(t, err)
	if key.KID() != all.KID || len(all.Tokens) < 10 {
		t.Fatalf("got key %s and %d tokens, want %s and all", key.KID(), len(all.Tokens), all.KID)
	}
	for _, v := range all.Tokens {
		inner, outer, err := seal.Decrypt(v.Token, has(key))
		if inner != v.Inner || seal.ReasonOf(err) != v.Reason {
			t.Errorf("%s: got %q, %v, want %q and reason %q", v.Name, inner, err, v.Inner, v.Reason)
		}
		if v.Inner != "" && (outer.ID != v.ID || outer.Recipient.URN() != v.Recipient || gateway.FormatTime(outer.Expires) != v.Expires) {
			t.Errorf("%s: got %+v", v.Name, outer)
		}
		if v.Inner == "" && v.Reason != gateway.ReasonUnreadable {
			continue
		}
		if other, err := openByTheBook(all.Key, v.Token); (err == nil) != (v.Inner != "") || other != v.Inner {
			t.Errorf("%s: by the RFCs: got %q, %v, want %q", v.Name, other, err, v.Inner)
		}
	}
}

// openByTheBook is RFC 7516 §5.2 with RFC 7518 §4.6 and §5.3, and RFC 3394.
func openByTheBook(keyPEM, token string) (string, error) {
	block, _ := pem.Decode([]byte(keyPEM))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	private, err := parsed.(*ecdsa.PrivateKey).ECDH()
	if err != nil {
		return "", err
	}
	parts := strings.Split(token, ".")
	var raw [5][]byte
	for i, part := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return "", err
		}
	}
	var head struct {
		EPK struct{ X, Y string } `json:"epk"`
	}
	if err := json.Unmarshal(raw[0], &head); err != nil {
		return "", err
	}
	x, err := base64.RawURLEncoding.DecodeString(head.EPK.X)
	y, err2 := base64.RawURLEncoding.DecodeString(head.EPK.Y)
	if err := errors.Join(err, err2); err != nil {
		return "", err
	}
	ephemeral, err := ecdh.P256().NewPublicKey(append(append([]byte{4}, x...), y...))
	if err != nil {
		return "", err
	}
	secret, err := private.ECDH(ephemeral)
	if err != nil {
		return "", err
	}
	const alg = "ECDH-ES+A256KW"
	kdf := binary.BigEndian.AppendUint32(nil, 1) // Concat KDF, one round of SHA-256
	kdf = append(kdf, secret...)
	kdf = append(binary.BigEndian.AppendUint32(kdf, uint32(len(alg))), alg...)
	kdf = binary.BigEndian.AppendUint64(kdf, 0) // no PartyUInfo, no PartyVInfo
	kdf = binary.BigEndian.AppendUint32(kdf, 256)
	wrapping := sha256.Sum256(kdf)
	content, err := unwrapKey(wrapping[:], raw[1])
	if err != nil {
		return "", err
	}
	cipherBlock, err := aes.NewCipher(content)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(cipherBlock)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	return string(plain), err
}

func unwrapKey(wrapping, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(wrapping)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	a, r, b := append([]byte{}, wrapped[:8]...), append([]byte{}, wrapped[8:]...), make([]byte, 16)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			at := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(a)^uint64(n*j+i))
			block.Decrypt(b, append(at, r[8*(i-1):8*i]...))
			copy(a, b[:8])
			copy(r[8*(i-1):], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(a, []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}) != 1 {
		return nil, errors.New("the key does not unwrap")
	}
	return r, nil
}
