package main

import (
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// share is the CPU that one package used itself.
type share struct {
	Package string  `json:"package"`
	Percent float64 `json:"percent"`
}

// byPackage adds up the samples of CPU profiles, most first: by the package of
// the function that ran, and by the package of ours for which it did.
func byPackage(files ...string) (ran, asked []share, err error) {
	self, ours, total := map[string]int64{}, map[string]int64{}, int64(0)
	for _, name := range files {
		p, err := readProfile(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read profile: %w", err)
		}
		for _, s := range p.samples {
			if len(s.locations) == 0 || len(s.values) < 2 {
				continue
			}
			nanos := int64(s.values[1])
			self[packageOf(p.function(s.locations[0]))] += nanos
			ours[p.owner(s)] += nanos
			total += nanos
		}
	}
	return shares(self, total), shares(ours, total), nil
}

func shares(sums map[string]int64, total int64) []share {
	var all []share
	for _, pkg := range slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
	}) {
		all = append(all, share{strings.TrimPrefix(pkg, module), 100 * float64(sums[pkg]) / float64(total)})
	}
	return all
}

const module = "github.com/doorstroom/doorstroom/"

// owner is the package of ours nearest to what ran.
func (p profile) owner(s sample) string {
	for _, l := range s.locations {
		if f := p.function(l); strings.HasPrefix(f, module) {
			return packageOf(f)
		}
	}
	for _, l := range s.locations {
		if f := p.function(l); strings.HasPrefix(f, "runtime.gcBgMarkWorker") || strings.HasPrefix(f, "runtime.bgsweep") || strings.HasPrefix(f, "runtime.bgscavenge") {
			return "(garbage collection)"
		} else if strings.HasPrefix(f, "net/http.") || strings.HasPrefix(f, "crypto/tls.") {
			return "(net/http)"
		}
	}
	return "(scheduler)"
}

func (p profile) function(location uint64) string {
	return p.strings[p.functions[p.locations[location]]]
}

// packageOf is the import path in the name of a function: what is before the
// first dot after the last slash.
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[") // type parameters have slashes too
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	if function == "" {
		return "(unknown)"
	}
	return function[:slash] + name
}

// profile is of a CPU profile (google/pprof's profile.proto) what is needed to
// tell which function ran.
type profile struct {
	samples   []sample
	locations map[uint64]uint64 // id → function of its innermost line
	functions map[uint64]uint64 // id → name in strings
	strings   []string
}

type sample struct{ locations, values []uint64 }

func readProfile(name string) (profile, error) {
	file, err := os.Open(name)
	if err != nil {
		return profile{}, err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return profile{}, err
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		return profile{}, err
	}
	p := profile{locations: map[uint64]uint64{}, functions: map[uint64]uint64{}}
	err = fields(data, func(field int, _ uint64, inner []byte) error {
		switch field {
		case 2:
			return p.addSample(inner)
		case 4:
			return p.addLocation(inner)
		case 5:
			return p.addFunction(inner)
		case 6:
			p.strings = append(p.strings, string(inner))
		}
		return nil
	})
	return p, err
}

func (p *profile) addSample(data []byte) error {
	var s sample
	err := fields(data, func(field int, value uint64, inner []byte) error {
		switch field {
		case 1:
			return appendNumbers(&s.locations, value, inner)
		case 2:
			return appendNumbers(&s.values, value, inner)
		}
		return nil
	})
	p.samples = append(p.samples, s)
	return err
}

func (p *profile) addLocation(data []byte) error {
	var id, function uint64
	seen := false
	err := fields(data, func(field int, value uint64, inner []byte) error {
		switch {
		case field == 1:
			id = value
		case field == 4 && !seen: // the first line is the innermost
			seen = true
			return fields(inner, func(field int, value uint64, _ []byte) error {
				if field == 1 {
					function = value
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = function
	return err
}

func (p *profile) addFunction(data []byte) error {
	var id, name uint64
	err := fields(data, func(field int, value uint64, _ []byte) error {
		switch field {
		case 1:
			id = value
		case 2:
			name = value
		}
		return nil
	})
	p.functions[id] = name
	return err
}

var errProfile = errors.New("the profile cannot be read")

// fields visits the fields of one protobuf message: numbers as value, all else
// as inner.
func fields(data []byte, visit func(field int, value uint64, inner []byte) error) error {
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return errProfile
		}
		data = data[n:]
		value, n := binary.Uvarint(data)
		if n <= 0 {
			return errProfile
		}
		data = data[n:]
		var inner []byte
		switch tag & 7 {
		case 0:
		case 2:
			if value > uint64(len(data)) {
				return errProfile
			}
			inner, data = data[:value], data[value:]
		default:
			return errProfile
		}
		if err := visit(int(tag>>3), value, inner); err != nil {
			return err
		}
	}
	return nil
}

// appendNumbers takes a repeated number, packed or not.
func appendNumbers(to *[]uint64, value uint64, packed []byte) error {
	if packed == nil {
		*to = append(*to, value)
		return nil
	}
	for len(packed) > 0 {
		v, n := binary.Uvarint(packed)
		if n <= 0 {
			return errProfile
		}
		*to, packed = append(*to, v), packed[n:]
	}
	return nil
}
