package event

import "time"

// ErasureRecord says that payloads are to be forgotten for good: those of one event or of one
// session. Every reader and every rebuild of the history honours it, also for records that it
// reads later: an erasure is remembered, not only carried out.
type ErasureRecord struct {
	// ID begins with era_ ([NewID]).
	ID          string `json:"id"`
	WorkspaceID string `json:"workspace_id"`
	// Exactly one of EventID and SessionID is set.
	EventID   string `json:"event_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	// At is when it was asked for. What was published later is not covered.
	At time.Time `json:"at"`
}

// RecordType implements Record.
func (r *ErasureRecord) RecordType() RecordType { return TypeErasure }

// RecordID implements Record.
func (r *ErasureRecord) RecordID() string { return r.ID }

// Workspace implements Record.
func (r *ErasureRecord) Workspace() string { return r.WorkspaceID }

// Key implements Record.
func (r *ErasureRecord) Key() string {
	if r.EventID != "" {
		return r.EventID
	}
	return r.SessionID
}

// AppendJSON implements Record.
func (r *ErasureRecord) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("id", r.ID)
	w.text("workspace_id", r.WorkspaceID)
	w.optional("event_id", r.EventID)
	w.optional("session_id", r.SessionID)
	w.time("at", r.At)
	w.close('}')
	return w.b
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (r *ErasureRecord) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }
