package subscription

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/voxagent/dispatcher/internal/sqldb"
)

// Sizes of a page.
const (
	defaultLimit = 50
	maxLimit     = 250
)

// cursor is the last item of a page: lists are ordered by time and then id, both falling.
type cursor struct {
	at int64 // Unix milliseconds
	id string
}

var firstPage = cursor{at: math.MaxInt64}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.at, 10) + "." + c.id))
}

func parseCursor(text string) (cursor, error) {
	if text == "" {
		return firstPage, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	at, id, found := strings.Cut(string(raw), ".")
	ms, errAt := strconv.ParseInt(at, 10, 64)
	if err != nil || errAt != nil || !found || !isText(id) {
		return cursor{}, Invalid{{"query.cursor", "is no cursor that a list returned", shorten(text)}}
	}
	return cursor{ms, id}, nil
}

func (p Page) limit() int {
	if p.Limit < 1 || p.Limit > maxLimit {
		return defaultLimit
	}
	return p.Limit
}

// newest reads one page of a workspace's list. The query's arguments are the workspace, the cursor's time twice, its id
// and the limit; scan returns an item and the time that it is ordered by.
func newest[T any](ctx context.Context, q sqldb.Querier, query, workspace string, page Page,
	scan func(from scanner) (item T, at int64, err error), id func(*T) string) (List[T], error) {
	from, err := parseCursor(page.Cursor)
	if err != nil {
		return List[T]{}, err
	}
	if !isText(workspace) {
		return List[T]{Items: []T{}}, nil
	}
	limit := page.limit()
	rows, err := q.Query(ctx, query, workspace, from.at, from.at, from.id, limit+1)
	if err != nil {
		return List[T]{}, fmt.Errorf("list: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := List[T]{Items: []T{}}
	var last int64
	for rows.Next() {
		item, at, err := scan(rows)
		if err != nil {
			return List[T]{}, fmt.Errorf("list: %w", err)
		}
		if len(list.Items) == limit { // the one beyond the page only proves that there is more
			list.Next = cursor{last, id(&list.Items[limit-1])}.String()
			break
		}
		list.Items, last = append(list.Items, item), at
	}
	if err := rows.Err(); err != nil {
		return List[T]{}, fmt.Errorf("list: %w", err)
	}
	return list, nil
}

// Webhooks implements Repository.
func (s *Store) Webhooks(ctx context.Context, workspace string, page Page) (List[Webhook], error) {
	const query = `SELECT ` + rowColumns + ` FROM webhooks WHERE workspace_id = ? AND (created_at < ? OR created_at = ? AND id < ?)
		ORDER BY created_at DESC, id DESC LIMIT ?`
	return newest(ctx, s.db, query, workspace, page, func(from scanner) (Webhook, int64, error) {
		r := &row{}
		if err := r.scan(from); err != nil {
			return Webhook{}, 0, err
		}
		return r.shown(s.keys), millis(r.CreatedAt), nil
	}, func(w *Webhook) string { return w.ID })
}

// Webhook implements Repository.
func (s *Store) Webhook(ctx context.Context, workspace, id string) (Webhook, error) {
	r, err := read(ctx, s.db, workspace, id)
	if err != nil {
		return Webhook{}, err
	}
	return r.shown(s.keys), nil
}
