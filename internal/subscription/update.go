package subscription

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Update implements Repository.
func (s *Store) Update(ctx context.Context, actor Actor, workspace, id string, p Patch, ifVersion int64) (Webhook, error) {
	var after Webhook
	err := s.change(ctx, actor, "webhook.update", workspace, id, func(r *row) error {
		if err := r.expect(ifVersion); err != nil {
			return err
		}
		return s.patch(r, &p, actor)
	}, &after)
	return after, err
}

// expect is ErrVersion when r is of another version; 0 is any.
func (r *row) expect(version int64) error {
	if version != 0 && r.Version != version {
		return fmt.Errorf("webhook %s: %w", r.ID, ErrVersion)
	}
	return nil
}

// patch applies p to r. What r is afterwards is judged as a whole.
func (s *Store) patch(r *row, p *Patch, actor Actor) error {
	secret, err := r.unseal(s.keys)
	if err != nil {
		return err
	}
	before := complete{r.URL, r.Description, r.Filter, r.EventTypes, r.MaxPerSecond, secret.Headers}
	after := before
	assign(&after.URL, p.URL)
	assign(&after.Description, p.Description)
	assign(&after.Filter, p.Filter)
	assign(&after.MaxPerSecond, p.MaxPerSecond)
	assign(&after.EventTypes, p.EventTypes)
	after.Headers = patchHeaders(before.Headers, p)
	if faults := s.cfg.check(&after, &before); len(faults) > 0 {
		return faults
	}
	r.Description, r.Filter, r.MaxPerSecond = after.Description, after.Filter, after.MaxPerSecond
	r.EventTypes = distinct(after.EventTypes)
	if p.Enabled != nil {
		r.setEnabled(*p.Enabled, actor, s.now())
	}
	r.newHeaders = !slices.Equal(after.Headers, before.Headers)
	if after.URL == before.URL && !r.newHeaders {
		return nil
	}
	if after.URL != before.URL {
		r.beginAnew(s.now()) // another receiver starts with a clean slate
	}
	secret.URL, secret.Headers = after.URL, after.Headers
	r.seal(s.keys, secret)
	return nil
}

func assign[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// patchHeaders keeps the order of those that stay; new ones follow by name. A name finds its header whatever the case.
func patchHeaders(headers []event.Header, p *Patch) []event.Header {
	out := []event.Header{}
	if !p.ClearHeaders {
		out = slices.Clone(headers)
	}
	for _, name := range sortedKeys(p.Headers) {
		value := p.Headers[name]
		at := slices.IndexFunc(out, func(h event.Header) bool { return strings.EqualFold(h[0], name) })
		switch {
		case value == nil && at >= 0:
			out = slices.Delete(out, at, at+1)
		case value == nil:
		case at >= 0:
			out[at] = event.Header{name, *value}
		default:
			out = append(out, event.Header{name, *value})
		}
	}
	return out
}

func (r *row) setEnabled(enabled bool, actor Actor, now time.Time) {
	if enabled == r.Enabled {
		return
	}
	if enabled {
		r.Enabled, r.DisabledReason = true, ""
		r.beginAnew(now)
		return
	}
	r.disable(disabledBy(actor), now)
}

func disabledBy(actor Actor) DisabledReason {
	if actor.Operator {
		return DisabledByOperator
	}
	return DisabledByCustomer
}

// beginAnew forgets how deliveries went so far.
func (r *row) beginAnew(now time.Time) {
	r.Health, r.FailingSince, r.judgedFrom = HealthOK, time.Time{}, now
}

// disable raises the epoch, which cancels what is pending.
func (r *row) disable(reason DisabledReason, now time.Time) {
	r.Enabled, r.DisabledReason, r.Epoch = false, reason, nextEpoch(r.Epoch, now)
}

// change loads a webhook, lets edit change it, and writes it with a raised version, its audit entry and what the change
// owes to Kafka. When edit changed nothing, nothing is written. after is the webhook as it then is; nil: not wanted.
func (s *Store) change(ctx context.Context, actor Actor, action, workspace, id string, edit func(r *row) error, after *Webhook) error {
	return s.write(ctx, change{kind: changeWorkspace, workspace: workspace, target: id}, func(tx *sqldb.Tx) (bool, error) {
		r, err := load(ctx, tx, workspace, id)
		if err != nil {
			return false, err
		}
		// Both states have the whole URL, or, when it cannot be opened, both what the table shows.
		_, _ = r.unseal(s.keys)
		before := *r
		if err := edit(r); err != nil {
			return false, err
		}
		changed := r.differs(&before)
		if changed {
			r.Version, r.UpdatedAt = before.Version+1, s.now()
			if err := r.update(ctx, tx); err != nil {
				return false, err
			}
			e := entry{workspace, action, id, nil, nil}
			e.before, e.after = auditChange(&before, r)
			if err := appendAudit(ctx, tx, actor, e, r.UpdatedAt); err != nil {
				return false, err
			}
			if err := owe(ctx, tx, debts(&before, r, r.UpdatedAt), r.UpdatedAt); err != nil {
				return false, err
			}
		}
		if after != nil {
			*after = r.Webhook
		}
		return changed, nil
	})
}

// differs compares what can change. A private part that was sealed again differs even when it holds the same.
func (r *row) differs(before *row) bool {
	return r.URL != before.URL || r.Description != before.Description || r.Filter != before.Filter ||
		r.Enabled != before.Enabled || r.DisabledReason != before.DisabledReason || r.Epoch != before.Epoch ||
		r.Health != before.Health || !r.FailingSince.Equal(before.FailingSince) || r.MaxPerSecond != before.MaxPerSecond ||
		!r.previousExpires.Equal(before.previousExpires) ||
		!slices.Equal(r.EventTypes, before.EventTypes) || string(r.sealed) != string(before.sealed)
}
