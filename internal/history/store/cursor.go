package store

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// A cursor is the sort key of the last row that a reader has seen: a kind of list, a time, an id. It is opaque, but no
// secret: whatever it says, a query stays in its workspace. A checksum tells a damaged one from a list's end.
//
//	version and kind (1 byte) · time (varint) · id · CRC-32 of all that (4 bytes), in base64url
type cursor struct {
	kind listKind
	at   int64 // Unix milliseconds; 0 where the id alone sorts
	id   string
}

// listKind says which list a cursor belongs to.
type listKind byte

const (
	attemptList listKind = 1 + iota
	deliveryList
	eventList
)

const (
	cursorVersion = 1 << 4
	maxCursor     = 256
)

var cursorEncoding = base64.RawURLEncoding.Strict()

func (c cursor) String() string {
	b := append(make([]byte, 0, 64), cursorVersion|byte(c.kind))
	b = append(binary.AppendVarint(b, c.at), c.id...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return cursorEncoding.EncodeToString(b)
}

// parseCursor reads what String wrote for a list of this kind; ErrCursor for anything else.
func parseCursor(s string, kind listKind) (cursor, error) {
	bad := fmt.Errorf("%w: %d characters", ErrCursor, len(s))
	if len(s) > maxCursor {
		return cursor{}, bad
	}
	b, err := cursorEncoding.DecodeString(s)
	if err != nil || len(b) < 6 || b[0] != cursorVersion|byte(kind) {
		return cursor{}, bad
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(b) != binary.BigEndian.Uint32(sum) {
		return cursor{}, bad
	}
	at, n := binary.Varint(b[1:])
	if n <= 0 {
		return cursor{}, bad
	}
	c := cursor{kind: kind, at: at, id: string(b[1+n:])}
	if c.id == "" || c.id != clean(c.id) || c.String() != s { // one spelling for each
		return cursor{}, bad
	}
	return c, nil
}

// page checks p and returns the number of rows to read (one more than wanted, to see whether there are more) and the
// cursor (id empty: from the start).
func (p Page) page(kind listKind) (rows int, c cursor, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return 0, cursor{}, fmt.Errorf("%w: limit must be from 1 to %d", ErrQuery, MaxLimit)
	}
	if p.Cursor != "" {
		if c, err = parseCursor(p.Cursor, kind); err != nil {
			return 0, cursor{}, err
		}
	}
	return limit + 1, c, nil
}

// listOf makes a page of rows, of which the last is cut off when it only shows that there are more; key is the sort key
// of a row.
func listOf[R, V any](rows []R, asked int, view func(*R) V, key func(*R) cursor) List[V] {
	var list List[V]
	if len(rows) == asked {
		rows = rows[:asked-1]
		list.Next = key(&rows[len(rows)-1]).String()
	}
	list.Data = make([]V, len(rows))
	for i := range rows {
		list.Data[i] = view(&rows[i])
	}
	return list
}

// idBound returns the smallest id of the prefix whose time is t: what happened in a range of time is a range of ids.
func idBound(prefix string, t time.Time) string {
	var o event.Occurrence
	ms := uint64(min(max(t.UnixMilli(), 0), 1<<48-1))
	binary.BigEndian.PutUint64(o[:8], ms<<16)
	return prefix + o.String()
}
