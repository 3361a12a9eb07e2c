package store_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// What is kept decoded is always what is stored: whatever arrives, of whom, in
// which order, is dropped, forgotten or rolled back, and however little of it may
// be kept.
func TestSharedOffersFollowTheRows(t *testing.T) {
	dir := t.TempDir()
	runs, seen := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		var fault string
		s := &testStore{path: fmt.Sprintf("%s/%d.db", dir, runs), opt: store.Options{
			NoSync: true, Decoded: rapid.SampledFrom([]int64{0, 1, 500, 1000}).Draw(t, "most decoded"),
			Fault: func(point string) error {
				if point == fault {
					return errors.New("power cut")
				}
				return nil
			},
		}}
		s.reopen(t)
		defer func() { _ = s.Close(); _ = os.Remove(s.path) }()
		now := start()
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				want := get(s.ReceivedOffers(ctx))(t)
				for range 2 { // also what this very reading kept
					got := get(s.SharedOffers(ctx))(t)
					if len(got) != len(want) {
						t.Fatalf("got %d offers, want %d", len(got), len(want))
					}
					for i, o := range got {
						if !reflect.DeepEqual(*o, want[i]) {
							t.Fatalf("got %+v, want %+v", *o, want[i])
						}
						seen++
					}
				}
			},
			"accept": func(t *rapid.T) {
				var batch []store.Inbound
				sender := rapid.SampledFrom([]gateway.OIN{peerA, peerB}).Draw(t, "sender")
				for range rapid.IntRange(1, 5).Draw(t, "messages") {
					in, _ := drawInbound(t)
					in.Message.Source = sender
					batch = append(batch, in)
				}
				fault = rapid.SampledFrom([]string{"", "", "before-commit", "after-commit"}).Draw(t, "fault")
				if _, err := s.Accept(ctx, now, self, sender, batch); err != nil && fault == "" { // what writes nothing meets none
					t.Fatal(err)
				}
				fault = ""
			},
			"purge": func(t *rapid.T) {
				now = now.AddDate(0, 0, rapid.SampledFrom([]int{1, 100}).Draw(t, "days"))
				get(s.Purge(ctx, now))(t)
			},
			"reopen": func(t *rapid.T) { s.reopen(t) },
		})
	})
	if seen < 100 {
		t.Errorf("%d offers were compared: this tests little", seen)
	}
}

// A row is decoded once until it changes, as far as there is room for it.
func TestSharedOffersDecodeOnce(t *testing.T) {
	s := open(t, store.Options{NoSync: true, Decoded: 400})
	for i := range 5 {
		accept(t, s, start(), inbound(peerA, fmt.Sprintf("o%d", i), uint64(i+1), "x"))
	}
	again := func(before []*store.ReceivedOffer) (all []*store.ReceivedOffer, same string) {
		all = get(s.SharedOffers(ctx))(t)
		for i, o := range all {
			if i < len(before) && o == before[i] {
				same += o.Subject + " "
			}
		}
		return all, same
	}
	first, _ := again(nil)
	second, same := again(first)
	if same == "" || same == "o0 o1 o2 o3 o4 " {
		t.Fatalf("not decoded again: got %q, want some, and not those for which there was no room", same)
	}
	room := same
	if _, same = again(second); same != room {
		t.Errorf("not decoded again: got %q, want %q as before", same, room)
	}
	accept(t, s, start(), inbound(peerA, "o0", 9, "y"))
	if all, same := again(second); "o0 "+same != room || all[0].Capacity.Title != "y" {
		t.Errorf("after a change: got %q and title %s, want all but the first, which is new", same, all[0].Capacity.Title)
	}
	accept(t, s, start(), inbound(peerA, "o0", 10, ""), inbound(peerA, "o1", 11, ""))
	if all, _ := again(nil); len(all) != 3 || all[0].Subject != "o2" {
		t.Errorf("after two withdrawals: got %d offers, want the other three", len(all))
	}
	s.opt.Decoded = 0
	s.reopen(t)
	last := inbound(peerA, "o9", 12, "z")
	accept(t, s, start(), last)
	again(nil)
	accept(t, s, start(), inbound(peerA, "o9", 13, ""))
	last.Message.Source = peerB // another party's, alike to the bit
	get(s.Accept(ctx, start(), self, peerB, []store.Inbound{last}))(t)
	if all, _ := again(nil); len(all) != 4 || all[3].Sender != peerB {
		t.Errorf("got %d offers, the last of %s, want that of the other party", len(all), all[len(all)-1].Sender)
	}
}

// Readers at the same time, while others write: each sees one moment, and never
// one before what it has seen.
func TestSharedOffersAtOnce(t *testing.T) {
	const offers, versions = 20, 60
	s := open(t, store.Options{NoSync: true})
	write := func(version int) {
		var batch []store.Inbound
		for i := range offers {
			batch = append(batch, inbound(peerA, fmt.Sprintf("o%02d", i), uint64(version*offers+i), fmt.Sprint(version)))
		}
		accept(t, s, start().Add(time.Duration(version)*time.Second), batch...)
	}
	write(1)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for last := 0; ; {
				all, err := s.SharedOffers(ctx)
				if err != nil || len(all) != offers {
					t.Errorf("got %d offers, %v", len(all), err)
					return
				}
				version := int(all[0].Sequence) / offers
				for i, o := range all {
					if o.Capacity.Title != fmt.Sprint(version) || int(o.Sequence) != version*offers+i || version < last {
						t.Errorf("got version %s with sequence %d, want version %d, and none before %d", o.Capacity.Title, o.Sequence, version, last)
						return
					}
				}
				last = version
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for version := 2; version <= versions; version++ {
		write(version)
	}
	close(done)
	readers.Wait()
}
