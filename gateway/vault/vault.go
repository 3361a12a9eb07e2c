// Package vault makes personal payloads erasable. Each is encrypted under a key
// of its own; whoever keeps the payload keeps ciphertext only, and the key is in
// one small file here, wrapped by a secret of the node that lies elsewhere. To
// erase a payload is to erase its key: the file is written anew without it and
// synced, and then no copy of the ciphertext, in free pages of a database or in
// an old backup, can be read any more.
//
// Beside the keys is the list of what was erased, as hashes of ids only. An older
// file of keys that is put back is held against it when it is opened, so that
// what was erased stays erased.
//
// A key has a name, which says nothing of a person. Seal makes it when there is
// none, and Sync puts new keys on disk: to be called before what was sealed is
// kept. Neither reads or waits for anything but that, so they may be called within
// a transaction, and again when it is run again: the name finds the same key.
//
// A Vault is safe for concurrent use by one process at a time; who opens it holds
// the lock on the database that it belongs to.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	// NodeKeySize is that of the secret under which keys are wrapped.
	NodeKeySize = 32
	// DefaultMax is how many keys a vault holds at most.
	DefaultMax = 100_000

	keySize   = 32
	nonceSize = 12
	tagSize   = 16

	entrySize  = nameSize + idSize + nonceSize + keySize + tagSize
	headerSize = len(magic) + vaultIDSize + nonceSize + tagSize

	nameSize = 16 // of the hash of a name
	idSize   = 16

	magic       = "doorstroom-keys1" // the file of keys begins with it
	vaultIDSize = 16
)

// Options of a vault; the zero value is fit for production.
type Options struct {
	Max int // keys; 0: DefaultMax
	// Fault is for tests, nil otherwise. It is called before and after each effect
	// on disk, and its error is that of the effect: "before-append",
	// "after-append", "before-list", "after-list", "before-rewrite",
	// "before-rename", "after-rename".
	Fault func(point string) error
}

// Vault is the keys of one node.
type Vault struct {
	path  string
	node  cipher.AEAD
	id    [vaultIDSize]byte
	max   int
	fault func(string) error

	mu      sync.RWMutex
	keys    map[name]entry    // guarded by mu
	former  map[name][]entry  // guarded by mu; keys of before Renew, the first one first
	fresh   []name            // guarded by mu; of keys that are not on disk yet
	erased  map[hash]struct{} // guarded by mu; all that are in the list on disk
	file    *os.File          // guarded by mu; where keys are appended
	size    int64             // guarded by mu; of the file, as far as it is good
	list    *os.File          // guarded by mu
	listed  int64             // guarded by mu; bytes of the list
	broken  error             // guarded by mu; why nothing is written any more until it is opened again
	stale   bool              // guarded by mu; the file has keys that are erased
	damaged int               // entries that could not be read when it was opened
}

type (
	name [nameSize]byte // hash of a name
	hash [16]byte       // of an id, in the list

	// entry is a key as the file has it, after its name. Its id is random: another
	// key under the same name has another.
	entry [entrySize - nameSize]byte
)

func (e *entry) id() []byte { return e[:idSize] }

func nameOf(text string) name {
	sum := sha256.Sum256([]byte("doorstroom name " + text))
	return name(sum[:])
}

// ListPath is where the list of what was erased is, beside a file of keys.
func ListPath(path string) string { return path + ".erased" }

// Open opens the file of keys at path, or makes it. A secret that is not the one
// it was made with is Denied. Keys that the list says were erased are erased now.
func Open(path string, nodeKey []byte, opt Options) (*Vault, error) {
	if len(nodeKey) != NodeKeySize {
		return nil, gateway.Errorf(gateway.Invalid, "the vault key has %d bytes", NodeKeySize)
	}
	v := &Vault{path: path, node: aead(nodeKey), max: opt.Max, fault: opt.Fault, keys: map[name]entry{}, former: map[name][]entry{}, erased: map[hash]struct{}{}}
	if v.max <= 0 {
		v.max = DefaultMax
	}
	if v.fault == nil {
		v.fault = func(string) error { return nil }
	}
	if err := v.open(); err != nil {
		return nil, errors.Join(diskError(err), v.closeFiles())
	}
	return v, nil
}

func (v *Vault) open() error {
	if err := os.Remove(v.rewritten()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := v.openList(); err != nil {
		return err
	}
	again, err := v.openKeys()
	if err != nil || !again {
		return err
	}
	return v.rewrite()
}

// Close closes the files.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken = gateway.Errorf(gateway.Unavailable, "the vault is closed")
	return v.closeFiles()
}

func (v *Vault) closeFiles() error {
	var errs []error
	for _, f := range []*os.File{v.file, v.list} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	v.file, v.list = nil, nil
	return errors.Join(errs...)
}

// Seal encrypts a payload under the key of a name, which it makes if there is
// none; at the maximum that is a Limit. Every call gives other bytes.
func (v *Vault) Seal(text string, plain []byte) ([]byte, error) {
	key, err := v.keyFor(nameOf(text))
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	_, _ = rand.Read(nonce) // never fails
	return aead(key).Seal(nonce, nonce, plain, []byte(text)), nil
}

func (v *Vault) keyFor(n name) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e, ok := v.keys[n]; ok {
		return v.unwrap(n, e)
	}
	if v.broken != nil {
		return nil, v.broken
	}
	if len(v.keys) >= v.max {
		return nil, gateway.Errorf(gateway.Limit, "the vault holds keys for %d personal payloads, which is the most it takes", len(v.keys))
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	v.keys[n] = v.wrap(n, key, "")
	v.fresh = append(v.fresh, n)
	return key, nil
}

// Sync puts the keys on disk that Seal made. If it fails they are gone, and what
// was sealed under them must not be kept.
func (v *Vault) Sync() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.fresh) == 0 {
		return nil
	}
	err := v.broken
	if err == nil {
		entries := make([]byte, 0, len(v.fresh)*entrySize)
		for _, n := range v.fresh {
			e := v.keys[n]
			entries = append(append(entries, n[:]...), e[:]...)
		}
		err = v.extend(v.file, &v.size, entries, "append")
	}
	if err != nil {
		for _, n := range v.fresh {
			delete(v.keys, n)
		}
		err = diskError(fmt.Errorf("write keys: %w", err))
	}
	v.fresh = nil
	return err
}

// Open decrypts what was sealed under a name. It is NotFound when there is no
// such key, or not any more; also when it was sealed before the key was renewed.
func (v *Vault) Open(text string, sealed []byte) ([]byte, error) {
	n := nameOf(text)
	v.mu.RLock()
	e, ok := v.keys[n]
	v.mu.RUnlock()
	if !ok {
		return nil, errErased()
	}
	key, err := v.unwrap(n, e)
	if err != nil {
		return nil, err
	}
	if len(sealed) < nonceSize+tagSize {
		return nil, gateway.Errorf(gateway.Internal, "the personal data are damaged")
	}
	plain, err := aead(key).Open(nil, sealed[:nonceSize], sealed[nonceSize:], []byte(text))
	if err != nil {
		return v.openFormer(text, sealed, err)
	}
	return plain, nil
}

// Erase erases keys for good; of some there may be none. When it returns nil they
// are on no disk of this node any more, but in what was freed. From the moment at
// which they are in the list they open nothing, also where it returns an error
// after that; then it may be called again, and opening the vault finishes it.
func (v *Vault) Erase(texts ...string) error {
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
			hashes = append(hashes, h[:]...)
		}
		if e, ok := v.keys[n]; ok {
			h := hashOf(e.id())
			hashes, names = append(hashes, h[:]...), append(names, n)
		}
	}
	return v.eraseListed(hashes, func() {
		for _, n := range names {
			delete(v.keys, n)
			delete(v.former, n)
		}
	})
}

// eraseListed puts the hashes of ids on the list, drops what they are of, and
// writes what stays. The caller holds v.mu.
func (v *Vault) eraseListed(hashes []byte, drop func()) error {
	if len(hashes) > 0 {
		if err := v.appendList(hashes); err != nil {
			return diskError(fmt.Errorf("note what is erased: %w", err))
		}
		v.stale = true
	}
	if !v.stale {
		return nil
	}
	drop()
	if err := v.rewrite(); err != nil {
		return diskError(fmt.Errorf("write the keys that stay: %w", err))
	}
	v.stale, v.fresh = false, nil
	return nil
}

// Len is how many keys there are.
func (v *Vault) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.keys)
}

// Erased is how many keys were ever erased, former ones too. It rises as soon as
// they open nothing any more.
func (v *Vault) Erased() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.erased)
}

// Damaged is how many entries could not be read when the vault was opened: keys
// that were being written when the power failed, or a damaged file.
func (v *Vault) Damaged() int { return v.damaged }

func (v *Vault) rewritten() string { return v.path + ".new" }

func (v *Vault) wrap(n name, key []byte, mark string) (e entry) {
	_, _ = rand.Read(e[:idSize+nonceSize])
	copy(e[:idSize], mark)
	nonce := e[idSize : idSize+nonceSize]
	v.node.Seal(nonce, nonce, key, v.about(n, e.id()))
	return e
}

func (v *Vault) unwrap(n name, e entry) ([]byte, error) {
	nonce := e[idSize : idSize+nonceSize]
	key, err := v.node.Open(nil, nonce, e[idSize+nonceSize:], v.about(n, e.id()))
	if err != nil {
		return nil, gateway.Wrap(gateway.Internal, err, "the key to these personal data is damaged")
	}
	return key, nil
}

// about binds an entry to its name, its id and its vault.
func (v *Vault) about(n name, id []byte) []byte {
	return append(append(append([]byte{}, v.id[:]...), n[:]...), id...)
}

// hashOf is what the list holds of an id.
func hashOf(id []byte) hash {
	sum := sha256.Sum256(append([]byte("doorstroom erased "), id...))
	return hash(sum[:])
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("keys here have 32 bytes: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("AES has blocks of 16 bytes: " + err.Error())
	}
	return gcm
}

func errErased() error {
	return gateway.Errorf(gateway.NotFound, "these personal data were erased")
}

func diskError(err error) error {
	if _, known := errors.AsType[*gateway.Error](err); known || err == nil {
		return err
	}
	return gateway.Wrap(gateway.Internal, err, "the file with the keys of personal data could not be read or written")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func folder(path string) string { return filepath.Dir(path) }
