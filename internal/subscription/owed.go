package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Debt is a record that a change of a webhook owes to Kafka. It is written in the change's transaction, so that neither
// is there without the other, and kept until Kafka has it. One of Notice, Cancel and Fault is set.
type Debt struct {
	// ID follows from the change. The record may reach Kafka more than once, always the same.
	ID     string
	Notice *event.Notice
	// Cancel ends the webhook's pending deliveries in history.
	Cancel *event.WebhookRecord
	// Fault says why the debt cannot be read. It stays, and keeps no other one from being carried.
	Fault error
}

// Claim is what ClaimOwed found.
type Claim struct {
	Debts []Debt
	// Oldest is when the oldest debt of all was made, also of those that others have claimed; zero: there is none.
	Oldest time.Time
}

// The kinds of rows in the table owed.
const (
	owedNotice  = "notice"
	owedWebhook = "webhook"
)

// debts is what a change of a webhook at that time owes: the rule is in the two states alone, whoever made the change.
// A failing webhook that is healthy again since it begins anew (enabled again, another URL) has not recovered.
func debts(before, after *row, at time.Time) []Debt {
	var owed []Debt
	sameRun := after.judgedFrom.Equal(before.judgedFrom)
	switch {
	case before.Enabled && !after.Enabled:
		return append(owed, noticeOf(event.NoticeWebhookDisabled, after, at), cancelOf(&after.Webhook, event.CauseDisabled, at))
	case before.Health != HealthFailing && after.Health == HealthFailing:
		return append(owed, noticeOf(event.NoticeWebhookFailing, after, at))
	case before.Health == HealthFailing && after.Health == HealthOK && sameRun:
		d := noticeOf(event.NoticeWebhookRecovered, after, at)
		d.Notice.FailingSince = before.FailingSince
		return append(owed, d)
	}
	return owed
}

func noticeOf(kind event.NoticeType, r *row, at time.Time) Debt {
	id := event.NoticeID(kind, at, r.WorkspaceID, r.ID)
	return Debt{ID: id, Notice: &event.Notice{
		ID: id, Type: kind, Timestamp: at, WorkspaceID: r.WorkspaceID, WebhookID: r.ID, DeliveryID: r.goneBy,
		Reason: string(r.DisabledReason), Detail: r.detail(kind), FailingSince: r.FailingSince,
	}}
}

// detail is a notice's sentence for people.
func (r *row) detail(kind event.NoticeType) string {
	switch kind {
	case event.NoticeWebhookFailing:
		return "Every attempt has failed since " + r.FailingSince.Format(time.RFC3339) + "."
	case event.NoticeWebhookRecovered:
		return "An attempt succeeded again."
	case event.NoticeWebhookDisabled, event.NoticeDeliveryFailed, event.NoticeDeadLettered, event.NoticeEventsLost:
	}
	switch r.DisabledReason {
	case DisabledGone:
		return "The receiver answered 410 Gone."
	case DisabledFailing:
		return "Every attempt has failed since " + r.FailingSince.Format(time.RFC3339) + ", which is too long."
	case DisabledByOperator:
		return "An operator disabled it."
	case DisabledByCustomer:
	}
	return "Its owner disabled it."
}

func cancelOf(w *Webhook, why event.Cause, at time.Time) Debt {
	rec := &event.WebhookRecord{WorkspaceID: w.WorkspaceID, WebhookID: w.ID, Epoch: w.Epoch, Cause: why, At: at}
	return Debt{ID: rec.RecordID(), Cancel: rec}
}

// owe writes debts down.
func owe(ctx context.Context, tx *sqldb.Tx, owed []Debt, at time.Time) error {
	for _, d := range owed {
		kind, value := d.text()
		_, err := tx.Exec(ctx, `INSERT INTO owed (id, at, kind, value, claimed_until) VALUES (?, ?, ?, ?, 0)
			ON CONFLICT (id) DO NOTHING`, d.ID, millis(at), kind, value)
		if err != nil {
			return fmt.Errorf("note what is owed, %s: %w", d.ID, err)
		}
	}
	return nil
}

// text is a debt as its row has it.
func (d *Debt) text() (kind, value string) {
	if d.Notice != nil {
		return owedNotice, string(d.Notice.AppendJSON(nil))
	}
	return owedWebhook, string(d.Cancel.AppendJSON(nil))
}

// ClaimOwed returns up to limit debts, the oldest first, that nobody else has at the moment, and keeps others from them
// for the lease: whoever claims them writes them to Kafka and then calls Settle. What is not settled by then comes again.
func (s *Store) ClaimOwed(ctx context.Context, limit int, lease time.Duration) (Claim, error) {
	var oldest, free int64
	err := s.db.QueryRow(ctx, `SELECT COALESCE(MIN(at), 0), COALESCE(MIN(claimed_until), 0) FROM owed`).Scan(&oldest, &free)
	if err != nil {
		return Claim{}, fmt.Errorf("look for what is owed: %w", err)
	}
	found := Claim{Oldest: fromMillis(oldest)}
	if oldest == 0 || free > millis(s.now()) {
		return found, nil // nearly always, and without a writing transaction
	}
	var claimed []Debt
	err = s.db.Tx(ctx, func(tx *sqldb.Tx) (err error) {
		now := s.now()
		if claimed, err = owedFrom(ctx, tx, now, limit); err != nil {
			return err
		}
		for _, d := range claimed {
			if _, err := tx.Exec(ctx, `UPDATE owed SET claimed_until = ? WHERE id = ?`, millis(now.Add(lease)), d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("claim what is owed: %w", err)
	}
	found.Debts = claimed
	return found, nil
}

// owedFrom reads the oldest debts that are not claimed, and locks them; those that another transaction has locked are
// being claimed by it. Kinds that only a newer program knows are left to it.
func owedFrom(ctx context.Context, tx *sqldb.Tx, now time.Time, limit int) ([]Debt, error) {
	query := `SELECT id, kind, value FROM owed WHERE claimed_until <= ? AND kind IN ('notice', 'webhook') ORDER BY at, id LIMIT ?`
	if tx.Dialect() == sqldb.Postgres {
		query += ` FOR UPDATE SKIP LOCKED`
	}
	rows, err := tx.Query(ctx, query, millis(now), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var owed []Debt
	for rows.Next() {
		var id, kind, value string
		if err := rows.Scan(&id, &kind, &value); err != nil {
			return nil, err
		}
		owed = append(owed, readDebt(id, kind, value))
	}
	return owed, rows.Err()
}

func readDebt(id, kind, value string) Debt {
	if kind == owedNotice {
		n, err := event.DecodeNotice([]byte(value))
		if err != nil {
			return Debt{ID: id, Fault: err}
		}
		return Debt{ID: id, Notice: n}
	}
	rec, err := event.DecodeRecord(event.TypeWebhook, []byte(value))
	if err != nil {
		return Debt{ID: id, Fault: err}
	}
	cancel, _ := rec.(*event.WebhookRecord) // what this type decodes to
	return Debt{ID: id, Cancel: cancel}
}

// Settle removes a debt that Kafka has.
func (s *Store) Settle(ctx context.Context, id string) error {
	if _, err := s.db.Exec(ctx, `DELETE FROM owed WHERE id = ?`, id); err != nil {
		return fmt.Errorf("settle %s: %w", id, err)
	}
	return nil
}
