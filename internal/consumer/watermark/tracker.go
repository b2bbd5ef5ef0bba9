package watermark

import (
	"math/bits"
	"slices"
	"time"
)

const (
	// Window is how many offsets may lie between the first unfinished record and the last taken one. A bit for each,
	// in Base64, fits into MaxMetadata.
	Window = 24_000
	// ring is the size of the bit sets: a power of two, larger than Window by at least a word.
	ring = 1 << 15
)

// bitset is a set of offsets, each at its place modulo ring.
type bitset [ring / 64]uint64

func (b *bitset) has(o int64) bool { return b[(o&(ring-1))>>6]&(1<<(o&63)) != 0 }
func (b *bitset) set(o int64)      { b[(o&(ring-1))>>6] |= 1 << (o & 63) }
func (b *bitset) clear(o int64)    { b[(o&(ring-1))>>6] &^= 1 << (o & 63) }

// Tracker is the state of one partition. It is not safe for concurrent use.
type Tracker struct {
	tag  uint32
	base int64 // first offset that is not done
	next int64 // after the last offset that was taken or skipped
	done bitset
	open bitset
	// times holds when each open record was taken, Unix milliseconds, at its offset modulo the length, which is a power
	// of two not below next-base.
	times   []int64
	opened  int
	parts   map[int64][]uint64
	keys    int // in parts
	size    int // of the last metadata
	left    int // part keys that did not fit into the last metadata
	version uint64
}

// New makes a tracker whose first unfinished offset is base. tag, if not zero, names the incarnation of the topic and
// travels in the metadata.
func New(base int64, tag uint32) *Tracker {
	return &Tracker{tag: tag, base: base, next: base, times: make([]int64, 64), parts: make(map[int64][]uint64)}
}

// Base is the first offset that is not done: what may be committed.
func (t *Tracker) Base() int64 { return t.base }

// Next is the offset after the last one that was taken or skipped.
func (t *Tracker) Next() int64 { return t.next }

// Open is the number of records that were taken and are neither done nor released.
func (t *Tracker) Open() int { return t.opened }

// Version changes whenever there is something new to commit.
func (t *Tracker) Version() uint64 { return t.version }

// Room says whether offsets from up to (not including) to can be taken or skipped now: they lie inside the window, or
// nothing unfinished lies before them.
func (t *Tracker) Room(from, to int64) bool { return to <= t.base+Window || t.base >= from }

// Take opens a record. It answers false, and the record must not be handed out, if it is done, is open already, or
// lies outside the window.
func (t *Tracker) Take(offset int64, now time.Time) bool {
	if offset < t.base || offset >= t.base+Window || t.done.has(offset) || t.open.has(offset) {
		return false
	}
	t.reach(offset + 1)
	t.open.set(offset)
	t.opened++
	t.times[offset&int64(len(t.times)-1)] = now.UnixMilli()
	return true
}

// reach makes offsets below next known.
func (t *Tracker) reach(next int64) {
	if next <= t.next {
		return
	}
	t.next = next
	for int64(len(t.times)) < t.next-t.base {
		grown := make([]int64, 2*len(t.times))
		for o := t.base; o < t.base+int64(len(t.times)); o++ {
			grown[o&int64(len(grown)-1)] = t.times[o&int64(len(t.times)-1)]
		}
		t.times = grown
	}
}

// Skip marks offsets from up to (not including) to, among which are no records to be taken, as done; open ones stay
// open. It must only be called while Room(from, to).
func (t *Tracker) Skip(from, to int64) {
	if from <= t.base && to > t.base+Window {
		t.jump(to)
		return
	}
	from = max(from, t.base)
	if from >= to {
		return
	}
	t.reach(to)
	for o := from; o < to; o++ {
		if !t.open.has(o) {
			t.done.set(o)
		}
	}
	t.advance()
}

// Done marks a record as done, whether it was taken or not.
func (t *Tracker) Done(offset int64) {
	if offset < t.base || offset >= t.base+Window || t.done.has(offset) {
		return
	}
	t.reach(offset + 1)
	t.close(offset)
	t.done.set(offset)
	t.forget(offset)
	t.version++
	t.advance()
}

// Release gives an open record back: it may be taken again.
func (t *Tracker) Release(offset int64) {
	if offset >= t.base && offset < t.next {
		t.close(offset)
	}
}

func (t *Tracker) close(offset int64) {
	if t.open.has(offset) {
		t.open.clear(offset)
		t.opened--
	}
}

// advance moves base over what is done.
func (t *Tracker) advance() {
	was := t.base
	for t.base < t.next {
		word := t.done[(t.base&(ring-1))>>6] >> (t.base & 63)
		n := int64(bits.TrailingZeros64(^word))
		n = min(n, 64-t.base&63)
		if n == 0 {
			break
		}
		for o := t.base; o < t.base+n; o++ {
			t.done.clear(o)
		}
		t.base += n
	}
	if t.base != was {
		t.version++
	}
	if len(t.parts) == 0 {
		return
	}
	for o := was; o < t.base; o++ {
		t.forget(o)
	}
}

// jump moves base and makes everything below it done, also what is open.
func (t *Tracker) jump(base int64) {
	end := min(t.next, base)
	for o := t.base; o < end; o++ {
		t.close(o)
		t.done.clear(o)
	}
	for o := range t.parts {
		if o < base {
			t.forget(o)
		}
	}
	t.base = base
	t.next = max(t.next, base)
	t.version++
	t.advance()
}

// PartDone remembers that a part of an unfinished record is done. Keys should be hashes: 48 bits of each are kept.
func (t *Tracker) PartDone(offset int64, key uint64) {
	if offset < t.base || offset >= t.base+Window || t.done.has(offset) {
		return
	}
	if key &= keyMask; slices.Contains(t.parts[offset], key) {
		return
	}
	t.parts[offset] = append(t.parts[offset], key)
	t.keys++
	t.version++
}

// PartWasDone says whether the part is known to be done.
func (t *Tracker) PartWasDone(offset int64, key uint64) bool {
	return slices.Contains(t.parts[offset], key&keyMask)
}

func (t *Tracker) forget(offset int64) {
	if keys, ok := t.parts[offset]; ok {
		t.keys -= len(keys)
		delete(t.parts, offset)
	}
}

// Oldest is when the first of the open records was taken; false: none is open.
func (t *Tracker) Oldest() (time.Time, bool) {
	if t.opened == 0 {
		return time.Time{}, false
	}
	for o := t.base; o < t.next; {
		word := t.open[(o&(ring-1))>>6] >> (o & 63)
		if word == 0 {
			o += 64 - o&63
			continue
		}
		o += int64(bits.TrailingZeros64(word))
		return time.UnixMilli(t.times[o&int64(len(t.times)-1)]), true
	}
	return time.Time{}, false
}

// Fill is how full the window or the metadata is, whichever is more: 1 is full. At 0.75 the owner should stop fetching.
func (t *Tracker) Fill() float64 {
	keys := float64(t.keys*keyBytes) / maxRaw
	return max(float64(t.next-t.base)/Window, float64(t.size)/MaxMetadata, keys)
}

// LeftOut is the number of part keys that did not fit into the last metadata.
func (t *Tracker) LeftOut() int { return t.left }
