package vault

import (
	"bytes"
	"crypto/rand"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// To erase a part of what was sealed under a name is to seal the rest under
// another key: Renew, then keep what was sealed anew, then EraseFormer.

// renewedMark begins the id of a key that was renewed: what it does not open may
// have been sealed under one that was erased.
const renewedMark = "rnwd"

// Renew makes another key under a name, on disk when it returns. What is sealed
// from now on is sealed under it; what was sealed before opens as long as the
// former keys are there. Where there is no key it does nothing.
func (v *Vault) Renew(text string) error {
	n := nameOf(text)
	v.mu.Lock()
	defer v.mu.Unlock()
	before, ok := v.keys[n]
	switch {
	case v.broken != nil:
		return v.broken
	case !ok:
		return nil
	case slices.Contains(v.fresh, n): // of a transaction that has not ended
		return gateway.Errorf(gateway.Unavailable, "these personal data are being written: try again")
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	e := v.wrap(n, key, renewedMark)
	if err := v.extend(v.file, &v.size, append(n[:], e[:]...), "append"); err != nil {
		return diskError(err)
	}
	v.keys[n], v.former[n] = e, append(v.former[n], before)
	return nil
}

// EraseFormer erases the keys of names from before they were renewed; of some
// there may be none. It promises what Erase does.
func (v *Vault) EraseFormer(texts ...string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.broken != nil {
		return v.broken
	}
	var hashes []byte
	var names []name
	for _, text := range texts {
		n := nameOf(text)
		for _, e := range v.former[n] {
			h := hashOf(e.id())
			hashes, names = append(hashes, h[:]...), append(names, n)
		}
	}
	return v.eraseListed(hashes, func() {
		for _, n := range names {
			delete(v.former, n)
		}
	})
}

// openFormer opens what was sealed before its key was renewed. err is why the
// present key does not open it.
func (v *Vault) openFormer(text string, sealed []byte, err error) ([]byte, error) {
	n := nameOf(text)
	v.mu.RLock()
	all, present := slices.Clone(v.former[n]), v.keys[n]
	v.mu.RUnlock()
	for _, e := range slices.Backward(all) {
		key, bad := v.unwrap(n, e)
		if bad != nil {
			continue
		}
		if plain, bad := aead(key).Open(nil, sealed[:nonceSize], sealed[nonceSize:], []byte(text)); bad == nil {
			return plain, nil
		}
	}
	if bytes.HasPrefix(present.id(), []byte(renewedMark)) {
		return nil, errErased()
	}
	return nil, gateway.Wrap(gateway.Internal, err, "the personal data are damaged")
}
