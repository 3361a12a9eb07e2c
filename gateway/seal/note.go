package seal

import (
	"crypto"
	"crypto/ed25519"

	"github.com/doorstroom/doorstroom/gateway"
)

// Ed25519 is the key for signatures on notes, whose texts are never tokens: they
// hold line feeds. false: it is of another kind, and signs tokens only.
func (k *Key) Ed25519() (crypto.Signer, bool) {
	private, ok := k.private.(ed25519.PrivateKey)
	return private, ok
}

// Ed25519 is the public key that verifies signatures on notes; false if the key
// is of another kind.
func Ed25519(k gateway.Key) (ed25519.PublicKey, bool) {
	key, err := signingKey(k)
	if err != nil {
		return nil, false
	}
	ed, ok := key.(*edKey)
	if !ok {
		return nil, false
	}
	return ed.public, true
}
