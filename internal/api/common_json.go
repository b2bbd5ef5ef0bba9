package api

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Time is a time as the API writes it: RFC 3339, UTC, milliseconds.
type Time struct{ time.Time }

// MarshalJSON writes it between quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	return append(append([]byte{'"'}, event.FormatTime(t.Time)...), '"'), nil
}

// Schema documents it.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// optionalTime is nil for the zero time, which JSON shows as null.
func optionalTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// orNull is nil for the zero value, which JSON shows as null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// List is one page of a list.
type List[T any] struct {
	Data       []T     `json:"data" nullable:"false" doc:"This page, newest first."`
	NextCursor *string `json:"next_cursor" doc:"What to give as cursor for the next page; null on the last one."`
}

// listOf turns rows into a page of their JSON form.
func listOf[R, T any](rows []R, next string, form func(*R) T) List[T] {
	l := List[T]{Data: make([]T, len(rows)), NextCursor: orNull(next)}
	for i := range rows {
		l.Data[i] = form(&rows[i])
	}
	return l
}

// InWorkspace is the input of every call below a workspace. (It and the other parts of inputs are exported because huma
// fills in only such.)
type InWorkspace struct {
	WorkspaceID string `path:"workspace_id" maxLength:"64" pattern:"^[A-Za-z0-9_-]+$" example:"ws_acme" doc:"The workspace."`
}

// One is the input of a call about one thing of a workspace.
type One struct {
	InWorkspace
	ID string `path:"id" maxLength:"128" pattern:"^[A-Za-z0-9_-]+$" doc:"Its id."`
}

// cursorParam is the parameter that may be empty: for the first page.
const cursorParam = "cursor"

// Paging is the input of every list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"250" default:"50" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next_cursor of the page before."`
}

func (p Paging) history() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

func (p Paging) subscription() subscription.Page {
	return subscription.Page{Limit: p.Limit, Cursor: p.Cursor}
}

// body is an answer with only a body.
type body[T any] struct {
	Body T
}

// nothing is an answer without a body.
type nothing struct{}
