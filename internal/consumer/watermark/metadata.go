package watermark

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
)

// The metadata is Base64 (without padding) of:
//
//	1 byte    format version
//	4 bytes   tag of the topic's incarnation
//	1 byte    form of the set: 0 runs, 1 bits
//	uvarint   size of the set, then the set, relative to the committed offset:
//	          runs: uvarints, alternately so many not done, so many done; bits: a bit for each offset, lowest first
//	for each record with done parts, to the end:
//	uvarint   distance of its offset from the record before it, or from the committed offset
//	uvarint   number of keys, then the keys, 6 bytes each
const (
	// MaxMetadata is the longest metadata, in bytes, that a broker takes by default.
	MaxMetadata = 4096

	maxRaw     = MaxMetadata / 4 * 3
	formatV1   = 1
	formRuns   = 0
	formBits   = 1
	keyBytes   = 6
	keyMask    = 1<<(8*keyBytes) - 1
	headerSize = 6
)

// Committable returns the offset to be committed (the next to be read) and its metadata, which is valid UTF-8 and at
// most MaxMetadata bytes long.
func (t *Tracker) Committable() (offset int64, metadata string) {
	raw := make([]byte, 0, 64)
	raw = append(raw, formatV1)
	raw = binary.BigEndian.AppendUint32(raw, t.tag)
	last := t.lastDone()
	form, set := byte(formRuns), t.runs(last)
	if size := int(last-t.base)/8 + 1; len(set) > size {
		form, set = formBits, t.bits(last)
	}
	raw = append(raw, form)
	raw = binary.AppendUvarint(raw, uint64(len(set)))
	raw = append(raw, set...)
	raw = t.appendParts(raw)
	metadata = base64.RawStdEncoding.EncodeToString(raw)
	t.size = len(metadata)
	return t.base, metadata
}

// lastDone is the last offset of the window that is done; base if none is.
func (t *Tracker) lastDone() int64 {
	for o := t.next - 1; o > t.base; o-- {
		if o&63 == 63 && o-63 > t.base && t.done[(o&(ring-1))>>6] == 0 {
			o -= 63
			continue
		}
		if t.done.has(o) {
			return o
		}
	}
	return t.base
}

func (t *Tracker) runs(last int64) []byte {
	if last == t.base {
		return nil
	}
	var out []byte
	run, state := uint64(0), false
	for o := t.base; o <= last; o++ {
		if t.done.has(o) != state {
			out = binary.AppendUvarint(out, run)
			run, state = 0, !state
			if len(out) > maxRaw {
				return out // the bits are shorter
			}
		}
		run++
	}
	return binary.AppendUvarint(out, run)
}

func (t *Tracker) bits(last int64) []byte {
	out := make([]byte, (last-t.base)/8+1)
	for o := t.base; o <= last; o++ {
		if t.done.has(o) {
			out[(o-t.base)/8] |= 1 << ((o - t.base) % 8)
		}
	}
	return out
}

func (t *Tracker) appendParts(raw []byte) []byte {
	t.left = 0
	before := t.base
	full := false
	for _, o := range slices.Sorted(maps.Keys(t.parts)) {
		keys := t.parts[o]
		entry := binary.AppendUvarint(nil, uint64(o-before))
		entry = binary.AppendUvarint(entry, uint64(len(keys)))
		for _, k := range keys {
			entry = append(entry, byte(k>>40), byte(k>>32), byte(k>>24), byte(k>>16), byte(k>>8), byte(k))
		}
		if full = full || len(raw)+len(entry) > maxRaw; full {
			t.left += len(keys)
			continue
		}
		raw = append(raw, entry...)
		before = o
	}
	return raw
}

// snapshot is decoded metadata.
type snapshot struct {
	tag   uint32
	done  []int64 // relative to the committed offset
	parts map[int64][]uint64
}

// Tag reads the incarnation from metadata; zero if there is none or the metadata is not ours.
func Tag(metadata string) uint32 {
	s, _ := decode(metadata)
	return s.tag
}

// Restore takes over what was committed, by whomever: everything below offset is done, and what the metadata names.
// What the tracker knows already stays. It answers false when the metadata is not ours or is damaged; then only the
// offset counts. Empty metadata is no fault.
func (t *Tracker) Restore(offset int64, metadata string) bool {
	if offset > t.base {
		t.jump(offset)
	}
	if metadata == "" {
		return true
	}
	s, ok := decode(metadata)
	if !ok {
		return false
	}
	for _, rel := range s.done {
		t.Done(offset + rel)
	}
	for rel, keys := range s.parts {
		for _, k := range keys {
			t.PartDone(offset+rel, k)
		}
	}
	return true
}

func decode(metadata string) (snapshot, bool) {
	s := snapshot{parts: make(map[int64][]uint64)}
	if len(metadata) > MaxMetadata {
		return s, false
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(metadata)
	if err != nil || len(raw) < headerSize+1 || raw[0] != formatV1 {
		return s, false
	}
	tag, form := binary.BigEndian.Uint32(raw[1:]), raw[5]
	size, n := binary.Uvarint(raw[headerSize:])
	if n <= 0 || size > uint64(len(raw)-headerSize-n) {
		return s, false
	}
	set := raw[headerSize+n:][:size]
	rest := raw[headerSize+n+int(size):]
	ok := false
	switch form {
	case formRuns:
		s.done, ok = decodeRuns(set)
	case formBits:
		s.done, ok = decodeBits(set)
	}
	if !ok || !s.decodeParts(rest) {
		return snapshot{}, false
	}
	s.tag = tag
	return s, true
}

func decodeRuns(set []byte) ([]int64, bool) {
	var out []int64
	at := int64(0)
	for state := false; len(set) > 0; state = !state {
		run, n := binary.Uvarint(set)
		if n <= 0 || run > Window || at+int64(run) > Window {
			return nil, false
		}
		set = set[n:]
		if state {
			for i := range int64(run) {
				out = append(out, at+i)
			}
		}
		at += int64(run)
	}
	return out, true
}

func decodeBits(set []byte) ([]int64, bool) {
	if len(set) > Window/8 {
		return nil, false
	}
	var out []int64
	for i := range set {
		for b := range 8 {
			if set[i]&(1<<b) != 0 {
				out = append(out, int64(8*i+b))
			}
		}
	}
	return out, true
}

func (s *snapshot) decodeParts(raw []byte) bool {
	at := int64(0)
	for len(raw) > 0 {
		distance, n := binary.Uvarint(raw)
		if n <= 0 || distance >= Window || at+int64(distance) >= Window {
			return false
		}
		raw = raw[n:]
		at += int64(distance)
		count, n := binary.Uvarint(raw)
		if n <= 0 || count > uint64(len(raw)-n)/keyBytes {
			return false
		}
		raw = raw[n:]
		for range count {
			s.parts[at] = append(s.parts[at], binary.BigEndian.Uint64(append([]byte{0, 0}, raw[:keyBytes]...)))
			raw = raw[keyBytes:]
		}
	}
	return true
}
