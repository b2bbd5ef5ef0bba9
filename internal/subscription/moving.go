package subscription

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// Portable is a whole webhook on its way from one installation to another: URL, header values and secrets in the clear.
// Health is not part of it: the other installation judges by what it sees.
type Portable struct {
	ID, WorkspaceID  string
	URL, Description string
	EventTypes       []string
	Enabled          bool
	DisabledReason   DisabledReason // empty while enabled
	MaxPerSecond     float64        // 0: no limit
	Filter           string
	Headers          []event.Header // by name
	Secrets          Secrets
	CreatedAt        time.Time
}

// Format keeps secrets out of every log line.
func (p *Portable) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "webhook %s", p.ID) }

// exportPage is how many webhooks Export reads at once.
const exportPage = 500

// Export calls each for every webhook of a workspace, or of all for an empty one, by workspace and id, as they are when they are
// read. The audit log notes it for each workspace: it reveals secrets. Errors: ErrSealed, and those of each.
func (s *Store) Export(ctx context.Context, actor Actor, workspace string, each func(*Portable) error) error {
	const query = `SELECT ` + rowColumns + ` FROM webhooks WHERE (workspace_id > ? OR workspace_id = ? AND id > ?) AND (? = '' OR workspace_id = ?)
		ORDER BY workspace_id, id LIMIT ?`
	var last row
	for {
		page, err := readRows(ctx, s.db, query, last.WorkspaceID, last.WorkspaceID, last.ID, workspace, workspace, exportPage)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		if err := s.auditExport(ctx, actor, page, last.WorkspaceID); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for _, r := range page {
			p, err := r.portable(s.keys, s.now())
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if err := each(p); err != nil {
				return err
			}
		}
		last = *page[len(page)-1]
	}
}

// auditExport notes the export in each workspace of the page that was not there in the one before.
func (s *Store) auditExport(ctx context.Context, actor Actor, page []*row, before string) error {
	return s.db.Tx(ctx, func(tx *sqldb.Tx) error {
		noted := before
		for _, r := range page {
			if r.WorkspaceID == noted {
				continue
			}
			noted = r.WorkspaceID
			if err := appendAudit(ctx, tx, actor, entry{noted, "webhook.export", noted, nil, nil}, s.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *row) portable(keys *Keyring, now time.Time) (*Portable, error) {
	p, err := r.unseal(keys)
	if err != nil {
		return nil, err
	}
	return &Portable{
		ID: r.ID, WorkspaceID: r.WorkspaceID, URL: p.URL, Description: r.Description, EventTypes: r.EventTypes, Enabled: r.Enabled,
		DisabledReason: r.DisabledReason, MaxPerSecond: r.MaxPerSecond, Filter: r.Filter, Headers: p.Headers,
		Secrets: p.secrets(r.previousExpires, now), CreatedAt: r.CreatedAt,
	}, nil
}

// Imported says what became of one webhook of an import.
type Imported int

// What becomes of a webhook.
const (
	ImportCreated   Imported = iota // it is there now
	ImportUnchanged                 // it was there already, and is the same
	ImportDifferent                 // it was there already and differs: it was left as it is
)

// CheckImport says what is wrong with a webhook that is to be imported: an Invalid, or nil.
func (s *Store) CheckImport(p *Portable) error {
	if err := checkWorkspace(p.WorkspaceID); err != nil {
		return err
	}
	faults := s.cfg.check(&complete{p.URL, p.Description, p.Filter, p.EventTypes, p.MaxPerSecond, p.Headers}, nil)
	checkGiven(&faults, &New{ID: p.ID, Secret: p.Secrets.Current}, Idempotency{})
	if p.ID == "" {
		faults.add("body.id", "is required", nil)
	}
	if p.Secrets.Current == "" {
		faults.add("body.secret", "is required", nil)
	}
	previous := string(p.Secrets.Previous)
	if (previous == "") != p.Secrets.PreviousExpiresAt.IsZero() || previous != "" && webhook.CheckSecret(previous) != nil {
		faults.add("body.previous_secret", "want a secret, and previous_expires_at with it", nil)
	}
	reasons := []DisabledReason{DisabledByCustomer, DisabledByOperator, DisabledGone, DisabledFailing}
	if p.Enabled && p.DisabledReason != "" || !p.Enabled && !slices.Contains(reasons, p.DisabledReason) {
		faults.add("body.disabled_reason", "want customer, operator, gone or failing where enabled is false, and none where it is true", nil)
	}
	return faults.orNil()
}

// Import creates webhooks that CheckImport accepted, with their ids, secrets and times, all or none of them. One that is
// there already stays as it is, so a second import changes nothing. The limit of a workspace's webhooks does not count:
// what comes from elsewhere was there before. The results are in the order of batch.
func (s *Store) Import(ctx context.Context, actor Actor, batch []*Portable) ([]Imported, error) {
	// In one order, so that two imports cannot wait for each other.
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return strings.Compare(batch[a].WorkspaceID+"\x00"+batch[a].ID, batch[b].WorkspaceID+"\x00"+batch[b].ID)
	})
	results := make([]Imported, len(batch))
	err := s.db.Tx(ctx, func(tx *sqldb.Tx) error {
		created := map[string]int{}
		for _, i := range order {
			p := batch[i]
			var err error
			if results[i], err = s.importOne(ctx, tx, actor, p); err != nil {
				return err
			}
			if results[i] == ImportCreated {
				created[p.WorkspaceID]++
			}
		}
		for _, workspace := range sortedKeys(created) {
			if err := s.count(ctx, tx, workspace, created[workspace]); err != nil && !errors.Is(err, ErrLimit) {
				return err
			}
		}
		for _, workspace := range sortedKeys(created) {
			if err := appendChange(ctx, tx, change{kind: changeWorkspace, workspace: workspace}, s.now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	if s.cfg.Changed != nil {
		s.cfg.Changed()
	}
	return results, nil
}

func (s *Store) importOne(ctx context.Context, tx *sqldb.Tx, actor Actor, p *Portable) (Imported, error) {
	r, hidden := s.newRow(p.WorkspaceID, &New{
		ID: p.ID, Secret: p.Secrets.Current, CreatedAt: p.CreatedAt, URL: p.URL, Description: p.Description, EventTypes: p.EventTypes,
		Disabled: !p.Enabled, MaxPerSecond: p.MaxPerSecond, Filter: p.Filter, Headers: p.Headers,
	})
	r.DisabledReason = p.DisabledReason
	hidden.Previous, r.previousExpires = string(p.Secrets.Previous), p.Secrets.PreviousExpiresAt.UTC().Truncate(time.Millisecond)
	r.seal(s.keys, hidden)
	values := r.values()
	res, err := tx.Exec(ctx, `INSERT INTO webhooks (`+rowColumns+`) VALUES `+sqldb.List(len(values))+` ON CONFLICT DO NOTHING`, values...)
	if err != nil {
		return 0, fmt.Errorf("webhook %s: %w", p.ID, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("webhook %s: %w", p.ID, err)
	}
	if n == 0 {
		return s.compare(ctx, tx, r, p.CreatedAt.IsZero())
	}
	return ImportCreated, appendAudit(ctx, tx, actor, entry{p.WorkspaceID, "webhook.import", p.ID, nil, auditView(&r.Webhook)}, r.UpdatedAt)
}

// compare says whether a webhook that was to be imported is the one that has its id; anyTime: it came without the time of its
// creation.
func (s *Store) compare(ctx context.Context, tx *sqldb.Tx, r *row, anyTime bool) (Imported, error) {
	there, err := readRow(ctx, tx, r.WorkspaceID, r.ID, "")
	if err != nil {
		return 0, err
	}
	if anyTime {
		r.CreatedAt = there.CreatedAt
	}
	want, err := r.portable(s.keys, s.now())
	if err != nil {
		return 0, err
	}
	have, err := there.portable(s.keys, s.now())
	if err != nil {
		return 0, err
	}
	if reflect.DeepEqual(want, have) {
		return ImportUnchanged, nil
	}
	return ImportDifferent, nil
}
