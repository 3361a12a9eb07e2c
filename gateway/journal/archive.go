package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorstroom/doorstroom/gateway"
)

// An Archive is a part of a journal that verifies by itself: its records, what
// came before them as the hashes of complete subtrees, and the checkpoints up to
// one that covers all of it.
//
// As a file it has lines: "archive" with the Archive as JSON, for each of Notes
// "note" and the note as a JSON string, and for each record "record", its leaf
// hash in hex and its leaf.
type Archive struct {
	Format string   `json:"format"`
	Origin string   `json:"origin"`
	Key    string   `json:"key"`            // base64 of the Ed25519 key that signs the checkpoints
	From   uint64   `json:"from"`           // number of the first record
	Size   uint64   `json:"size"`           // of the journal up to the last one
	Edge   []string `json:"edge,omitempty"` // hex, by level: of the last complete subtree before From
	Notes  []string `json:"-"`
}

// ArchiveFormat is the first thing an archive says.
const ArchiveFormat = "doorstroom-journal-archive-1"

// EdgeOf gives what an archive that begins at from has to say of what came before.
func EdgeOf(from uint64, read HashReader) (all []string, err error) {
	for level := range bits.Len64(from) {
		h, err := read(level, from>>level-1)
		if err != nil {
			return nil, err
		}
		all = append(all, hex.EncodeToString(h[:]))
	}
	return all, nil
}

// WriteHead writes all of an archive but its records.
func (a Archive) WriteHead(w io.Writer) error {
	a.Format = ArchiveFormat
	if err := writeLine(w, "archive", a); err != nil {
		return err
	}
	for _, note := range a.Notes {
		if err := writeLine(w, "note", note); err != nil {
			return err
		}
	}
	return nil
}

func writeLine(w io.Writer, word string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s %s\n", word, b)
	return err
}

// WriteRecord writes one record of an archive; they come in order.
func WriteRecord(w io.Writer, leaf []byte) error {
	h := LeafHash(leaf)
	_, err := fmt.Fprintf(w, "record %x %s\n", h[:], leaf)
	return err
}

// maxLine bounds a line of an archive.
const maxLine = 1 << 20

// ReadArchive reads an archive from its beginning: head is called once, with all
// but the records and before any of them, and record for each leaf in order, with
// its number. It verifies that each leaf has its hash, and that all of them lead to
// every checkpoint that head gives; one of these must cover the whole archive. A
// part that does not fit gives a Mismatch, as Verify does.
func ReadArchive(r io.Reader, head func(Archive) ([]Checkpoint, error), record func(uint64, []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	read := archiveReader{head: head, record: record}
	for lines.Scan() {
		if err := read.line(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the archive cannot be read")
	}
	return read.end()
}

type archiveReader struct {
	head    func(Archive) ([]Checkpoint, error)
	record  func(uint64, []byte) error
	archive Archive
	began   bool // with the records
	check   verification
}

func (r *archiveReader) line(line []byte) error {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	switch {
	case r.archive.Format == "" && string(word) == "archive":
		if err := json.Unmarshal(rest, &r.archive); err != nil || r.archive.Format != ArchiveFormat {
			return notArchive(err)
		}
		return nil
	case r.archive.Format != "" && string(word) == "note" && !r.began:
		var note string
		if err := json.Unmarshal(rest, &note); err != nil {
			return notArchive(err)
		}
		r.archive.Notes = append(r.archive.Notes, note)
		return nil
	case r.archive.Format != "" && string(word) == "record":
		if err := r.begin(); err != nil {
			return err
		}
		return r.add(rest)
	}
	return notArchive(nil)
}

func notArchive(err error) error {
	return gateway.Wrap(gateway.Invalid, cmp.Or(err, errors.New("a line of another form")), "this file is not an archive of a journal, or is damaged")
}

// begin prepares the verification, once.
func (r *archiveReader) begin() error {
	if r.began {
		return nil
	}
	r.began = true
	signed, err := r.head(r.archive)
	if err != nil {
		return err
	}
	slices.SortFunc(signed, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	var before edge
	for _, text := range r.archive.Edge {
		h, err := hex.DecodeString(text)
		if err != nil || len(h) != len(Hash{}) {
			return notArchive(err)
		}
		before = append(before, Hash(h))
	}
	from := r.archive.From
	if len(before) != bits.Len64(from) || from > r.archive.Size {
		return notArchive(nil)
	}
	r.check = verification{size: from, good: from, edge: before, checkpoints: signed}
	if len(signed) == 0 || signed[0].Size < from || signed[len(signed)-1].Size != r.archive.Size {
		return gateway.Errorf(gateway.Invalid, "the archive has no checkpoint over all of it")
	}
	return r.check.compareCheckpoints()
}

func (r *archiveReader) add(line []byte) error {
	text, leaf, _ := bytes.Cut(line, []byte(" "))
	at := r.check.size
	if at == r.archive.Size {
		return misfit(at, 0, "the archive has more than the %d records it counts", r.archive.Size-r.archive.From)
	}
	hashes, err := Append(at, leaf, r.check.edge.read)
	if err != nil {
		return err
	}
	if want := hex.EncodeToString(hashes[0][:]); want != string(text) {
		return misfit(at, 0, "record %d does not fit its hash", at)
	}
	r.check.edge.add(hashes)
	r.check.size++
	if err := r.check.compareCheckpoints(); err != nil {
		return err
	}
	return r.record(at, leaf)
}

func (r *archiveReader) end() error {
	if r.archive.Format == "" {
		return notArchive(nil)
	}
	if err := r.begin(); err != nil {
		return err
	}
	if r.check.size < r.archive.Size {
		return misfit(r.check.size, 0, "record %d and later are missing", r.check.size)
	}
	return nil
}

// AppendReduced is Append for a record of which only the hash of its leaf is left.
func AppendReduced(size uint64, leaf Hash, read HashReader) ([]Hash, error) {
	n, err := index(size)
	if err != nil {
		return nil, err
	}
	return own(tlog.StoredHashesForRecordHash(n, tlog.Hash(leaf), reader(read)))
}

// reductions is what a verification learns of records of which only hashes are
// left: they are the oldest, and an entry says how many they are.
type reductions struct{ found, told uint64 }

// reduced gives the hashes of a record without a leaf.
func (v *verification) reduced(record Stored) ([]Hash, error) {
	if v.lost.found != v.size || len(record.Hashes) == 0 {
		return nil, misfit(v.size, 0, "record %d has lost its leaf", v.size)
	}
	v.lost.found++
	return AppendReduced(v.size, record.Hashes[0], v.edge.read)
}

// tells notes an entry that says how many records are only hashes.
func (v *verification) tells(leaf []byte) error {
	if !bytes.Contains(leaf, []byte(`"`+KindReduced+`"`)) {
		return nil
	}
	e, err := Decode(leaf)
	if err == nil && e.Kind == KindReduced {
		v.lost.told = max(v.lost.told, uint64(max(0, e.Count)))
	}
	return err
}

// accounted verifies that no more leaves are gone than entries say.
func (v *verification) accounted() error {
	if v.lost.found > v.lost.told {
		return misfit(v.lost.told, 0, "the leaves of the records from %d up to %d are gone, and no entry says so", v.lost.told, v.lost.found-1)
	}
	return nil
}

// ArchiveReport is what VerifyArchive found.
type ArchiveReport struct {
	Origin      string `json:"origin"`
	Key         string `json:"key"` // base64, that signed the heads
	From        uint64 `json:"from"`
	Size        uint64 `json:"size"`
	Entries     uint64 `json:"entries"`
	Checkpoints int    `json:"checkpoints"`
	Cosigned    int    `json:"cosigned"` // signatures of others under the last head
}

// VerifyArchive verifies a file alone. With a key it must be that of the file.
// The error is that of ReadArchive.
func VerifyArchive(r io.Reader, key string) (report ArchiveReport, err error) {
	err = ReadArchive(r, func(archive Archive) ([]Checkpoint, error) {
		report = ArchiveReport{Origin: archive.Origin, Key: archive.Key, From: archive.From, Size: archive.Size}
		if key != "" && key != archive.Key {
			return nil, gateway.Errorf(gateway.Invalid, "the archive is signed with another key than the one given")
		}
		public, err := base64.StdEncoding.DecodeString(archive.Key)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, gateway.Errorf(gateway.Invalid, "the archive names no key")
		}
		var all []Checkpoint
		for _, note := range archive.Notes {
			c, err := Open([]byte(note), archive.Origin, public)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
			report.Cosigned = strings.Count(note, "\n\u2014 ") - strings.Count(note, "\n\u2014 "+archive.Origin+" ")
		}
		report.Checkpoints = len(all)
		return all, nil
	}, func(uint64, []byte) error { report.Entries++; return nil })
	return report, err
}
