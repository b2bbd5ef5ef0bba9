package subscription

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// snapshot is what matching needs of one workspace, as it stood at a position of the feed: every change up to pos is in
// it. It is what Redis keeps; private parts stay sealed.
type snapshot struct {
	workspace string
	pos       int64
	filledAt  int64 // Unix milliseconds
	suspended bool
	rate      float64
	hooks     []hookState // by id
}

type hookState struct {
	id              string
	types           []string
	enabled         bool
	epoch           int64
	rate            float64
	filter          string
	previousExpires int64 // Unix milliseconds
	sealed          []byte
}

// snapshots reads several workspaces in one statement, which sees one state of the database. A workspace that nobody
// ever mentioned has an empty snapshot.
func (s *Store) snapshots(ctx context.Context, workspaces []string) (map[string]*snapshot, error) {
	args := make([]any, 0, len(workspaces))
	for _, w := range workspaces {
		args = append(args, w)
	}
	query := `WITH wanted (id) AS (VALUES ` + strings.TrimSuffix(strings.Repeat(`(CAST(? AS TEXT)),`, len(args)), ",") + `)
		SELECT h.seq, wanted.id, COALESCE(w.suspended, FALSE), COALESCE(w.max_per_second, 0), k.id, k.event_types, k.enabled, k.epoch,
			k.max_per_second, k.filter, k.previous_expires_at, k.sealed
		FROM change_head h CROSS JOIN wanted
			LEFT JOIN workspaces w ON w.id = wanted.id
			LEFT JOIN webhooks k ON k.workspace_id = wanted.id`
	filled := s.cfg.Now().UnixMilli() // before the read: an entry may look older than it is, never younger
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read webhooks of %d workspaces: %w", len(workspaces), err)
	}
	defer func() { _ = rows.Close() }()
	out := make(map[string]*snapshot, len(workspaces))
	for rows.Next() {
		if err := scanSnapshot(rows, out, filled); err != nil {
			return nil, fmt.Errorf("read webhooks of %d workspaces: %w", len(workspaces), err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read webhooks of %d workspaces: %w", len(workspaces), err)
	}
	for _, snap := range out {
		slices.SortFunc(snap.hooks, func(a, b hookState) int { return strings.Compare(a.id, b.id) })
	}
	return out, nil
}

func scanSnapshot(rows *sql.Rows, out map[string]*snapshot, filled int64) error {
	snap := &snapshot{filledAt: filled}
	var (
		id, types, filter sql.NullString
		enabled           sql.NullBool
		epoch, previous   sql.NullInt64
		rate              sql.NullFloat64
		sealed            []byte
	)
	err := rows.Scan(&snap.pos, &snap.workspace, &snap.suspended, &snap.rate, &id, &types, &enabled, &epoch, &rate, &filter, &previous, &sealed)
	if err != nil {
		return err
	}
	if there := out[snap.workspace]; there != nil {
		snap = there
	} else {
		out[snap.workspace] = snap
	}
	if !id.Valid {
		return nil // a workspace without webhooks
	}
	hook := hookState{
		id: id.String, enabled: enabled.Bool, epoch: epoch.Int64, rate: rate.Float64, filter: filter.String,
		previousExpires: previous.Int64, sealed: sealed,
	}
	if err := json.Unmarshal([]byte(types.String), &hook.types); err != nil {
		return fmt.Errorf("webhook %s: %w", hook.id, err)
	}
	snap.hooks = append(snap.hooks, hook)
	return nil
}

// snapshotFormat is the first byte of an encoded snapshot. Another program version writes another one and takes what it
// does not know as missing.
const snapshotFormat = 2

// encode writes numbers as varints and texts behind their length. The workspace and pos are the entry's key and version.
func (s *snapshot) encode() []byte {
	b := []byte{snapshotFormat}
	b = binary.AppendVarint(b, s.filledAt)
	b = appendBool(b, s.suspended)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(s.rate))
	b = binary.AppendUvarint(b, uint64(len(s.hooks)))
	for i := range s.hooks {
		h := &s.hooks[i]
		b = appendText(b, h.id)
		b = binary.AppendUvarint(b, uint64(len(h.types)))
		for _, t := range h.types {
			b = appendText(b, t)
		}
		b = appendBool(b, h.enabled)
		b = binary.AppendVarint(b, h.epoch)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(h.rate))
		b = appendText(b, h.filter)
		b = binary.AppendVarint(b, h.previousExpires)
		b = appendText(b, h.sealed)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var errSnapshot = errors.New("not a snapshot of webhooks")

// decodeSnapshot is the inverse of encode; it takes any bytes.
func decodeSnapshot(workspace string, pos int64, raw []byte) (*snapshot, error) {
	r := reader{rest: raw}
	if r.byte() != snapshotFormat {
		return nil, errSnapshot
	}
	s := &snapshot{workspace: workspace, pos: pos, filledAt: r.varint(), suspended: r.byte() == 1, rate: r.float()}
	n := r.count()
	for range n {
		h := hookState{id: string(r.text())}
		for range r.count() {
			h.types = append(h.types, string(r.text()))
		}
		h.enabled, h.epoch, h.rate = r.byte() == 1, r.varint(), r.float()
		h.filter, h.previousExpires, h.sealed = string(r.text()), r.varint(), r.text()
		if r.bad {
			return nil, errSnapshot
		}
		s.hooks = append(s.hooks, h)
	}
	sorted := slices.IsSortedFunc(s.hooks, func(a, b hookState) int { return strings.Compare(a.id, b.id) })
	if r.bad || len(r.rest) > 0 || !sorted {
		return nil, errSnapshot
	}
	return s, nil
}

// fresh tells whether the snapshot may still be used. One from a clock far ahead is not trusted either.
func (s *snapshot) fresh(now time.Time) bool {
	age := now.Sub(time.UnixMilli(s.filledAt))
	return age < cacheLife && age > -cacheLife
}

// reader takes an encoded snapshot apart; bad stays set once anything did not fit.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.take(r.width(n))
	return v
}

// count reads a number of things that follow, each of at least one byte.
func (r *reader) count() int {
	v, n := binary.Uvarint(r.rest)
	r.take(r.width(n))
	if r.bad || v > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(v)
}

func (r *reader) width(n int) int {
	if n <= 0 {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) text() []byte { return r.take(r.count()) }
