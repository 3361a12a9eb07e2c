package store

import "sync"

// rooms is memory for what a transaction writes, taken in small pieces and given
// back all at once, to be used by the next: a node that is busy would else throw
// away megabytes of it every second. One goroutine at a time uses it.
type rooms struct {
	spare sync.Pool // of *[roomSize]byte; the collector takes what nobody asks for
	taken []*[roomSize]byte
	left  []byte // of the last that was taken
}

const roomSize = 64 << 10

// room gives an empty slice for at most n bytes, until clear.
func (r *rooms) room(n int) []byte {
	if n > roomSize/4 {
		return make([]byte, 0, n)
	}
	if len(r.left) < n {
		next, ok := r.spare.Get().(*[roomSize]byte)
		if !ok {
			next = new([roomSize]byte)
		}
		r.taken, r.left = append(r.taken, next), next[:]
	}
	given := r.left[:0:n]
	r.left = r.left[n:]
	return given
}

// clear takes back all that room gave.
func (r *rooms) clear() {
	for i, one := range r.taken {
		r.spare.Put(one)
		r.taken[i] = nil
	}
	r.taken, r.left = r.taken[:0], nil
}
