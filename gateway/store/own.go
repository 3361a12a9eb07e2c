package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// OwnOffer is an offer of this node's own party with what was sampled of it.
type OwnOffer struct {
	Offer    gateway.Offer    `json:"offer"`
	Sampling gateway.Sampling `json:"sampling"`
	Source   string           `json:"source"`            // the export it came from
	Problem  string           `json:"problem,omitempty"` // Dutch: the last import had a bad row for it
	Changed  time.Time        `json:"changed"`
}

// KnownOffer is an own offer as it is stored, of which no more is decoded than
// is asked.
type KnownOffer struct {
	ID      string
	Source  string
	Problem string
	Changed time.Time
	Said    []byte // the offer, as gateway.Offer.Encode writes it
	updated time.Time
	sampled []byte
}

// An own offer is stored with the offer as JSON, apart from Updated, so that an
// import can be compared with it, and all else in a compact form. Before, all of
// it was one JSON object; these rows are still read.
const (
	ownAsJSON  = '{'
	ownCompact = 1
)

func encodeOwn(o *OwnOffer) []byte {
	var room [4096]byte
	return bytes.Clone(o.appendTo(room[:0]))
}

func (t *txn) putOwn(o *OwnOffer) {
	var room [4096]byte
	b := o.appendTo(room[:0])
	t.put(table{name: tableOwn}, []byte(o.Offer.ID), append(t.room(len(b)), b...))
}

func (o *OwnOffer) appendTo(b []byte) []byte {
	b = append(b, ownCompact)
	b = appendBytes(b, []byte(o.Source))
	b = appendBytes(b, []byte(o.Problem))
	b = appendMoment(b, o.Changed)
	b = appendMoment(b, o.Offer.Updated)
	var samples [1024]byte
	sampled := appendSample(samples[:0], &o.Sampling.Current)
	if o.Sampling.Previous != nil {
		sampled = appendSample(sampled, o.Sampling.Previous)
	}
	b = appendBytes(b, sampled)
	return o.Offer.AppendTo(b)
}

// decodeKnown keeps value.
func decodeKnown(key, value []byte) (k KnownOffer, err error) {
	in := table{name: tableOwn}
	if len(value) > 0 && value[0] == ownAsJSON {
		var o OwnOffer
		if err := readJSON(in, value, &o); err != nil {
			return k, err
		}
		value = encodeOwn(&o)
	}
	d := decoder{b: value}
	if form := d.take(1); !d.failed && form[0] != ownCompact {
		d.failed = true
	}
	k = KnownOffer{ID: string(key), Source: string(d.bytes()), Problem: string(d.bytes()), Changed: d.moment()}
	k.updated = d.moment()
	k.sampled = d.bytes()
	k.Said = d.rest()
	return k, d.err(in)
}

// Sampling decodes what was sampled of the offer.
func (k *KnownOffer) Sampling() (s gateway.Sampling, err error) {
	d := decoder{b: k.sampled}
	s.Current = d.sample()
	if len(d.b) > 0 {
		previous := d.sample()
		s.Previous = &previous
	}
	return s, d.err(table{name: tableOwn})
}

// Whole decodes all of it.
func (k *KnownOffer) Whole() (o OwnOffer, err error) {
	o = OwnOffer{Source: k.Source, Problem: k.Problem, Changed: k.Changed}
	if err := readJSON(table{name: tableOwn}, k.Said, &o.Offer); err != nil {
		return o, err
	}
	o.Offer.Updated = k.updated
	o.Sampling, err = k.Sampling()
	return o, err
}

func decodeOwn(key, value []byte) (o OwnOffer, err error) {
	k, err := decodeKnown(key, value)
	if err != nil {
		return o, err
	}
	return k.Whole()
}

func appendSample(b []byte, s *gateway.Sample) []byte {
	b = appendMoment(b, s.At)
	b = appendBytes(b, []byte(s.Status))
	b = appendCounts(b, s.Places)
	b = appendSize(b, len(s.Allotments), s.Allotments == nil)
	var room [16]string
	ids := room[:0]
	for id := range s.Allotments {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		b = appendCounts(appendBytes(b, []byte(id)), s.Allotments[id])
	}
	return b
}

func appendCounts(b []byte, counts map[gateway.Dagdeel]int) []byte {
	b = appendSize(b, len(counts), counts == nil)
	var room [21]gateway.Dagdeel
	dagdelen := room[:0]
	for d := range counts {
		dagdelen = append(dagdelen, d)
	}
	slices.Sort(dagdelen)
	for _, d := range dagdelen {
		b = binary.AppendVarint(appendBytes(b, []byte(d)), int64(counts[d]))
	}
	return b
}

// appendSize tells no map from an empty one.
func appendSize(b []byte, size int, none bool) []byte {
	if none {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(size)+1)
}

// appendMoment is appendTime to the nanosecond.
func appendMoment(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(appendTime(b, t), uint64(t.Nanosecond()))
}

func (d *decoder) sample() gateway.Sample {
	s := gateway.Sample{At: d.moment(), Status: gateway.Status(d.bytes()), Places: d.counts()}
	size, none := d.size()
	if none {
		return s
	}
	s.Allotments = make(map[string]map[gateway.Dagdeel]int, size)
	for range size {
		id := string(d.bytes())
		s.Allotments[id] = d.counts()
	}
	return s
}

func (d *decoder) counts() map[gateway.Dagdeel]int {
	size, none := d.size()
	if none {
		return nil
	}
	counts := make(map[gateway.Dagdeel]int, size)
	for range size {
		dagdeel := gateway.Dagdeel(d.bytes())
		counts[dagdeel] = d.int()
	}
	return counts
}

// size is at most what is left to read.
func (d *decoder) size() (size int, none bool) {
	n := d.uint()
	if n > uint64(len(d.b))+1 {
		d.failed = true
	}
	if d.failed || n == 0 {
		return 0, true
	}
	return int(n - 1), false
}

func (d *decoder) int() int {
	n, size := binary.Varint(d.b)
	d.take(max(size, 0))
	d.failed = d.failed || size <= 0
	return int(n)
}

func (d *decoder) moment() time.Time {
	t := d.time()
	return t.Add(time.Duration(d.uint() % 1e9))
}

// OwnOffers gives all offers of this node's own party, by id. It takes memory
// for all of them: see OwnOffersAfter.
func (s *Store) OwnOffers(ctx context.Context) (all []OwnOffer, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		return r.ascend(table{name: tableOwn}, nil, func(key, value []byte) (bool, error) {
			o, err := decodeOwn(key, value)
			all = append(all, o)
			return true, err
		})
	})
	return all, err
}

// OwnOffer gives one own offer; false if there is none.
func (s *Store) OwnOffer(ctx context.Context, id string) (o OwnOffer, ok bool, err error) {
	err = s.view(ctx, func(r reader) error {
		value, err := r.get(table{name: tableOwn}, []byte(id))
		if ok = value != nil; !ok || err != nil {
			return err
		}
		o, err = decodeOwn([]byte(id), value)
		return err
	})
	return o, ok, err
}

// OwnOffersOf gives the own offers among some ids, by id.
func (s *Store) OwnOffersOf(ctx context.Context, ids []string) (map[string]*KnownOffer, error) {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	keys := make([][]byte, len(sorted))
	for i, id := range sorted {
		keys[i] = []byte(id)
	}
	found := make(map[string]*KnownOffer, len(keys))
	err := s.view(ctx, func(r reader) error {
		return r.each(table{name: tableOwn}, keys, func(i int, value []byte) error {
			if value == nil {
				return nil
			}
			k, err := decodeKnown(keys[i], value)
			found[k.ID] = &k
			return err
		})
	})
	return found, err
}

// KnownAfter gives the first own offers after an id, at most limit.
func (s *Store) KnownAfter(ctx context.Context, id string, limit int) (all []KnownOffer, err error) {
	err = s.view(ctx, func(r reader) error {
		all = nil
		return r.ascend(table{name: tableOwn}, []byte(id), func(key, value []byte) (bool, error) {
			if string(key) == id {
				return true, nil
			}
			k, err := decodeKnown(key, value)
			all = append(all, k)
			return len(all) < limit, err
		})
	})
	return all, err
}

// OwnOffersAfter is KnownAfter with all of the offers decoded.
func (s *Store) OwnOffersAfter(ctx context.Context, id string, limit int) ([]OwnOffer, error) {
	known, err := s.KnownAfter(ctx, id, limit)
	if err != nil {
		return nil, err
	}
	all := make([]OwnOffer, len(known))
	for i := range known {
		if all[i], err = known[i].Whole(); err != nil {
			return nil, fmt.Errorf("decode an own offer: %w", err)
		}
	}
	return all, nil
}

// CountOwnOffers is the number of own offers.
func (s *Store) CountOwnOffers(ctx context.Context) (n int, err error) {
	err = s.view(ctx, func(r reader) error {
		n = 0
		return r.ascend(table{name: tableOwn}, nil, func(_, _ []byte) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

// deleteOwn takes an own offer away but keeps its sampling: an offer that comes
// back the next day must not be sampled anew because of that.
func (t *txn) deleteOwn(id string) error {
	value, err := t.get(table{name: tableOwn}, []byte(id))
	if err != nil || value == nil {
		return err
	}
	k, err := decodeKnown([]byte(id), value)
	if err != nil {
		return err
	}
	sampling, err := k.Sampling()
	if err != nil {
		return err
	}
	t.put(table{name: tableGone}, []byte(id), encodeJSON(sampling))
	t.delete(table{name: tableOwn}, []byte(id))
	return nil
}

// GoneSampling is the sampling of an own offer that was deleted, until its next
// sample would have been due; the zero Sampling if there is none.
func (s *Store) GoneSampling(ctx context.Context, id string) (sampling gateway.Sampling, err error) {
	err = s.view(ctx, func(r reader) error {
		_, err := getJSON(r, table{name: tableGone}, []byte(id), &sampling)
		return err
	})
	return sampling, err
}
