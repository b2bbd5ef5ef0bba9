package store

import (
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 250
)

// Page says which part of a list is wanted. Lists are newest first and stable: what is added while a reader pages
// through a list does not move what the reader has not seen.
type Page struct {
	// Limit is how many rows are wanted, 1–250; 0 means 50.
	Limit int
	// Cursor is the Next of the page before, empty for the first page. It belongs to the list that gave it.
	Cursor string
}

// List is one page of a list.
type List[T any] struct {
	Data []T
	// Next is the cursor of the following page; empty when there is none.
	Next string
}

// AttemptQuery selects attempts of one workspace, newest (by start) first. Each list of values means "any of these",
// an empty one "all"; what is given must all hold.
type AttemptQuery struct {
	WorkspaceID  string
	WebhookIDs   []string
	DeliveryIDs  []string
	EventIDs     []string
	SessionIDs   []string
	Events       []string // event types
	Statuses     []event.Status
	HTTPStatuses []StatusRange
	Errors       []event.ErrorCode
	Triggers     []event.Trigger
	Since, Until time.Time // start of the attempt: Since <= t < Until; zero: open
	// Preview is how many bytes of request and response body each row brings along, at most 1024; 0: none.
	Preview int
	Page
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ Min, Max int }

// ParseStatusRange reads `500` or a class such as `5xx`.
func ParseStatusRange(s string) (StatusRange, bool) {
	if len(s) != 3 || s[0] < '1' || s[0] > '9' {
		return StatusRange{}, false
	}
	hundreds := int(s[0]-'0') * 100
	if s[1:] == "xx" {
		return StatusRange{hundreds, hundreds + 99}, true
	}
	if s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9' {
		return StatusRange{}, false
	}
	code := hundreds + int(s[1]-'0')*10 + int(s[2]-'0')
	return StatusRange{code, code}, true
}

// DeliveryQuery selects deliveries of one workspace, newest event first. Lists of values as in AttemptQuery.
type DeliveryQuery struct {
	WorkspaceID  string
	WebhookIDs   []string
	DeliveryIDs  []string
	EventIDs     []string
	SessionIDs   []string
	Events       []string
	Statuses     []event.Status
	Since, Until time.Time // time of the event's source record: Since <= t < Until; zero: open
	Page
}

// EventQuery selects events of one workspace, newest first. An id that was published twice is two rows.
type EventQuery struct {
	WorkspaceID  string
	EventIDs     []string
	SessionIDs   []string
	Events       []string
	Since, Until time.Time // time of the source record: Since <= t < Until; zero: open
	Page
}

// StatsQuery asks for counts over time. Tests are not counted.
type StatsQuery struct {
	WorkspaceID string
	WebhookIDs  []string // empty: all of the workspace
	Since       time.Time
	Until       time.Time     // zero: now
	Step        time.Duration // length of a bucket; (Until - Since) / Step is at most MaxBuckets
}

// MaxBuckets bounds what one StatsQuery returns for each webhook.
const MaxBuckets = 1000

// RecoveryQuery selects what a webhook missed in a range of time, oldest first: deliveries that ended as one of
// Statuses, and (Disabled) events that only the webhook's disabled state kept back. Events whose payload is gone are not
// selected: there is nothing left to send.
type RecoveryQuery struct {
	WorkspaceID  string
	WebhookID    string
	Since, Until time.Time // time of the source record: Since <= t < Until; Until zero: open
	Statuses     []event.Status
	Disabled     bool
	// After is the last occurrence of the part before; zero for the first part.
	After event.Occurrence
	// Limit is how many are wanted, 1–1000.
	Limit int
}
