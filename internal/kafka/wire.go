package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The primitives of the Kafka protocol. Writers append to a byte slice; the reader takes a whole response from memory.
// "Compact" forms and tagged fields belong to the flexible versions of an API.

var errShort = errors.New("kafka: response ends early")

type writer struct {
	b        []byte
	flexible bool
}

func (w *writer) int8(v int8)   { w.b = append(w.b, byte(v)) }
func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }

func (w *writer) bool(v bool) {
	if v {
		w.int8(1)
		return
	}
	w.int8(0)
}

func (w *writer) length(n int) {
	if w.flexible {
		w.b = binary.AppendUvarint(w.b, uint64(n+1))
		return
	}
	w.int32(int32(n))
}

func (w *writer) string(s string) {
	if w.flexible {
		w.b = binary.AppendUvarint(w.b, uint64(len(s)+1))
	} else {
		w.int16(int16(len(s)))
	}
	w.b = append(w.b, s...)
}

func (w *writer) null() {
	if w.flexible {
		w.b = append(w.b, 0)
		return
	}
	w.int16(-1)
}

func (w *writer) bytes(b []byte) {
	w.length(len(b))
	w.b = append(w.b, b...)
}

// tags ends a structure of a flexible version: we never send tagged fields.
func (w *writer) tags() {
	if w.flexible {
		w.b = append(w.b, 0)
	}
}

// reader reads a response. After the first fault it returns zeroes and keeps the fault in err.
type reader struct {
	b        []byte
	flexible bool
	err      error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		if r.err == nil {
			r.err = errShort
		}
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) bool() bool { return r.int8() != 0 }

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<31 {
		r.take(-1)
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// length reads the size of an array or a byte string; -1 is null.
func (r *reader) length() int {
	if r.flexible {
		return r.uvarint() - 1
	}
	return int(r.int32())
}

// array reads the size of an array and refuses one that cannot fit into what is left, each element taking at least one
// byte.
func (r *reader) array() int {
	n := r.length()
	if n > len(r.b) {
		r.take(-1)
		return 0
	}
	return max(n, 0)
}

func (r *reader) string() string {
	var n int
	if r.flexible {
		n = r.uvarint() - 1
	} else {
		n = int(r.int16())
	}
	if n < 0 {
		return ""
	}
	return string(r.take(n))
}

func (r *reader) bytes() []byte {
	n := r.length()
	if n < 0 {
		return nil
	}
	return r.take(n)
}

func (r *reader) int32s() []int32 {
	n := r.array()
	out := make([]int32, 0, n)
	for range n {
		out = append(out, r.int32())
	}
	return out
}

// tags skips the tagged fields at the end of a structure of a flexible version.
func (r *reader) tags() {
	if !r.flexible {
		return
	}
	for range r.uvarint() {
		r.uvarint()
		r.take(r.uvarint())
		if r.err != nil {
			return
		}
	}
}

// maxResponse bounds a response: nothing that we ask for comes near to it, so that a size beyond it is not Kafka.
const maxResponse = 512 << 20

// readResponse reads one length-prefixed response into fresh memory and checks its correlation id.
func readResponse(rd io.Reader, correlation int32) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(rd, head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:4])))
	if size < 4 || size > maxResponse {
		return nil, fmt.Errorf("kafka: response of %d bytes", size)
	}
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != correlation {
		return nil, fmt.Errorf("kafka: response to request %d, expected %d", id, correlation)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(rd, body); err != nil {
		return nil, err
	}
	return body, nil
}
