package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/doorstroom/doorstroom/gateway"
)

// The file of keys is a header and entries of one size, in no order but
// that of several under one name the last one is used. New keys are
// appended; erasing writes it anew. The header is the magic, a random id of the
// vault, and a seal by which a wrong secret is told at once; an entry is the
// hash of a name, an id, a nonce and the wrapped key. What a power cut leaves at the end was never
// answered for: entries that do not open are passed over.

func (v *Vault) openKeys() (again bool, err error) {
	v.file, err = os.OpenFile(v.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, v.create()
	}
	if err != nil {
		return false, err
	}
	all, err := io.ReadAll(v.file)
	if err != nil {
		return false, err
	}
	if len(all) < headerSize || !bytes.HasPrefix(all, []byte(magic)) {
		return false, gateway.Errorf(gateway.Invalid, "%s is no file of keys, or its beginning is damaged: put back a backup of it", v.path)
	}
	copy(v.id[:], all[len(magic):])
	seal := all[len(magic)+vaultIDSize : headerSize]
	if _, err := v.node.Open(nil, seal[:nonceSize], seal[nonceSize:], v.id[:]); err != nil {
		return false, gateway.Errorf(gateway.Denied, "%s was made with another vault key", v.path)
	}
	v.size = int64(len(all))
	for rest := all[headerSize:]; len(rest) > 0; rest = rest[min(entrySize, len(rest)):] {
		if len(rest) < entrySize {
			v.damaged++
			return true, nil
		}
		n, e := name(rest), entry(rest[nameSize:])
		if _, erased := v.erased[hashOf(e.id())]; erased {
			again = true
			continue
		}
		if _, err := v.unwrap(n, e); err != nil {
			v.damaged++
			again = true
			continue
		}
		if before, ok := v.keys[n]; ok {
			v.former[n] = append(v.former[n], before)
		}
		v.keys[n] = e
	}
	return again, nil
}

// create makes an empty file of keys.
func (v *Vault) create() error {
	_, _ = rand.Read(v.id[:])
	return v.rewrite()
}

// header is written anew with the file: the seal is another each time.
func (v *Vault) header() []byte {
	b := append([]byte(magic), v.id[:]...)
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce)
	return v.node.Seal(append(b, nonce...), nonce, nil, v.id[:])
}

func (v *Vault) encode() []byte {
	b := append(make([]byte, 0, headerSize+entrySize*len(v.keys)), v.header()...)
	for n, all := range v.former {
		for _, e := range all {
			b = append(append(b, n[:]...), e[:]...)
		}
	}
	for n, e := range v.keys {
		b = append(append(b, n[:]...), e[:]...)
	}
	return b
}

// rewrite puts the keys there are in the place of the file.
func (v *Vault) rewrite() error {
	if err := v.fault("before-rewrite"); err != nil {
		return err
	}
	b := v.encode()
	f, err := writeNew(v.rewritten(), b)
	if err != nil {
		return errors.Join(err, remove(v.rewritten()))
	}
	if err := v.fault("before-rename"); err != nil {
		return errors.Join(err, f.Close(), remove(v.rewritten()))
	}
	err = os.Rename(v.rewritten(), v.path)
	if err == nil {
		err = errors.Join(syncDir(folder(v.path)), v.fault("after-rename"))
	}
	if err != nil { // which file is there is not known: nothing more is written until that was looked at
		v.broken = diskError(err)
		return errors.Join(err, f.Close())
	}
	if v.file != nil {
		err = v.file.Close()
	}
	v.file, v.size = f, int64(len(b))
	return err
}

// writeNew makes a file, on disk when it returns, and leaves it open.
func writeNew(path string, content []byte) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// extend writes at the end of a file and syncs it. What could not be written is
// cut off again; after a sync that failed nobody knows what is there.
func (v *Vault) extend(f *os.File, size *int64, content []byte, point string) error {
	if err := v.fault("before-" + point); err != nil {
		return err
	}
	if _, err := f.WriteAt(content, *size); err != nil {
		if cut := f.Truncate(*size); cut != nil {
			v.broken = diskError(cut)
		}
		return err
	}
	if err := errors.Join(f.Sync(), v.fault("after-"+point)); err != nil {
		v.broken = diskError(err)
		return err
	}
	*size += int64(len(content))
	return nil
}

// The list is hashes of ids, one after another, and grows only: at 10,000 referrals
// a year by some 640 KB (docs/performance.md). Nobody knows how old a file of keys
// is that somebody puts back.

func (v *Vault) openList() (err error) {
	v.list, err = os.OpenFile(ListPath(v.path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	all, err := io.ReadAll(v.list)
	if err = errors.Join(err, syncDir(folder(v.path))); err != nil {
		return err
	}
	for ; len(all) >= len(hash{}); all = all[len(hash{}):] {
		v.erased[hash(all)] = struct{}{}
		v.listed += int64(len(hash{}))
	}
	return nil
}

func (v *Vault) appendList(hashes []byte) error {
	if err := v.extend(v.list, &v.listed, hashes, "list"); err != nil {
		return err
	}
	for ; len(hashes) > 0; hashes = hashes[len(hash{}):] {
		v.erased[hash(hashes)] = struct{}{}
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// A snapshot is the length of the keys, in 8 bytes, the file of keys, and the list.

// Snapshot is the keys and the list as they are now, for a backup of their own.
// Keys are in it as they are in the file: wrapped.
func (v *Vault) Snapshot() []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var list []byte
	for h := range v.erased {
		list = append(list, h[:]...)
	}
	return snapshot(v.encode(), list)
}

// ReadSnapshot is Snapshot of a vault that nobody has open; nil if there is none.
func ReadSnapshot(path string) ([]byte, error) {
	keys, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	list, err2 := os.ReadFile(ListPath(path))
	if errors.Is(err2, fs.ErrNotExist) {
		err2 = nil
	}
	if err := errors.Join(err, err2); err != nil {
		return nil, diskError(err)
	}
	return snapshot(keys, list), nil
}

func snapshot(keys, list []byte) []byte {
	return slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(len(keys))), keys, list)
}

// Restore puts a snapshot in the place of a vault that nobody has open. What the
// list that is there says was erased stays so: the two lists become one, on disk
// before the keys are.
func Restore(path string, from []byte) error {
	if len(from) < 8 || binary.BigEndian.Uint64(from) > uint64(len(from)-8) {
		return gateway.Errorf(gateway.Invalid, "this is no backup of keys, or it is damaged")
	}
	keys, list := from[8:8+binary.BigEndian.Uint64(from)], from[8+binary.BigEndian.Uint64(from):]
	there, err := os.ReadFile(ListPath(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	for _, one := range []struct {
		path    string
		content []byte
	}{{ListPath(path), union(there, list)}, {path, keys}} {
		if err := Replace(one.path, one.content); err != nil {
			return err
		}
	}
	return nil
}

// union is each hash of two lists once.
func union(lists ...[]byte) (all []byte) {
	seen := map[hash]bool{}
	for _, list := range lists {
		for ; len(list) >= len(hash{}); list = list[len(hash{}):] {
			if h := hash(list[:len(hash{})]); !seen[h] {
				seen[h] = true
				all = append(all, h[:]...)
			}
		}
	}
	return all
}

// Replace puts content in the place of a file that only its owner can read, on
// disk when it returns: at any moment there is the one or the other.
func Replace(path string, content []byte) error {
	f, err := writeNew(path+".new", content)
	if err == nil {
		err = errors.Join(f.Close(), os.Rename(path+".new", path), syncDir(folder(path)))
	}
	if err != nil {
		return diskError(errors.Join(err, remove(path+".new")))
	}
	return nil
}
