package event

import "time"

// WebhookRecord says that a webhook was disabled or deleted: all its deliveries of a smaller epoch that are still pending
// are cancelled by it, also those that a reader comes to know later.
type WebhookRecord struct {
	WorkspaceID string `json:"workspace_id"`
	WebhookID   string `json:"webhook_id"`
	// Epoch is the webhook's after the change; each disabling and the deletion raise it.
	Epoch int64 `json:"epoch"`
	// Cause is CauseDisabled or CauseDeleted.
	Cause Cause `json:"cause"`
	// At is when it happened, to the millisecond.
	At time.Time `json:"at"`
}

// RecordType implements Record.
func (r *WebhookRecord) RecordType() RecordType { return TypeWebhook }

// RecordID implements Record: the webhook and its epoch. Two workspaces may have webhooks of one id, brought from elsewhere.
func (r *WebhookRecord) RecordID() string {
	b := append(append(make([]byte, 0, 112), r.WorkspaceID...), '.')
	b = append(append(b, r.WebhookID...), '.')
	return string(appendInt(b, r.Epoch))
}

// Workspace implements Record.
func (r *WebhookRecord) Workspace() string { return r.WorkspaceID }

// Key implements Record: the webhook's id, since it is about no single event.
func (r *WebhookRecord) Key() string { return r.WebhookID }

// Supersedes tells whether r is kept and o dropped, where both are of one webhook and epoch: the earlier one is. It is a
// strict order, so records may be folded in any order and any number of times.
func (r *WebhookRecord) Supersedes(o *WebhookRecord) bool {
	if c := r.At.Compare(o.At); c != 0 {
		return c < 0
	}
	return r.Cause < o.Cause
}

// AppendJSON implements Record.
func (r *WebhookRecord) AppendJSON(dst []byte) []byte {
	w := writer{dst}
	w.open('{')
	w.text("workspace_id", r.WorkspaceID)
	w.text("webhook_id", r.WebhookID)
	w.int("epoch", r.Epoch)
	w.text("cause", string(r.Cause))
	w.time("at", r.At)
	w.close('}')
	return w.b
}

// MarshalJSON makes encoding/json write what AppendJSON does.
func (r *WebhookRecord) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }
