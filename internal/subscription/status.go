package subscription

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// dispatcher is who acts when the program itself changes a webhook.
var dispatcher = Actor{Name: "dispatcher", Operator: true}

// DisableGone implements Repository.
func (s *Store) DisableGone(ctx context.Context, workspace, id, url, deliveryID string) (changed bool, err error) {
	return s.changeIf(ctx, "webhook.gone", workspace, id, func(r *row) (bool, error) {
		if _, err := r.unseal(s.keys); err != nil {
			return false, err
		}
		return r.Enabled && sameURL(r.URL, url), nil
	}, func(r *row) {
		r.disable(DisabledGone, s.now())
		r.goneBy = deliveryID
	})
}

// DisableFailing implements Repository.
func (s *Store) DisableFailing(ctx context.Context, st Standing) (changed bool, err error) {
	return s.changeIf(ctx, "webhook.failing", st.WorkspaceID, st.WebhookID, func(r *row) (bool, error) {
		return st.still(r) && r.Health == HealthFailing, nil
	}, func(r *row) { r.disable(DisabledFailing, s.now()) })
}

// SetHealth implements Repository.
func (s *Store) SetHealth(ctx context.Context, st Standing, health Health, since time.Time) (changed bool, err error) {
	if health == HealthOK {
		since = time.Time{}
	}
	return s.changeIf(ctx, "webhook.health", st.WorkspaceID, st.WebhookID, func(r *row) (bool, error) {
		return st.still(r) && r.Health != health, nil
	}, func(r *row) { r.Health, r.FailingSince = health, since.UTC().Truncate(time.Millisecond) })
}

// still says whether a judgement that started from st holds for the webhook as it is now.
func (st *Standing) still(r *row) bool { return r.Enabled && r.judgedFrom.Equal(st.From) }

// changeIf changes a webhook if it is as it should be; one that was deleted is not.
func (s *Store) changeIf(ctx context.Context, action, workspace, id string, holds func(r *row) (bool, error), edit func(r *row)) (changed bool, err error) {
	err = s.change(ctx, dispatcher, action, workspace, id, func(r *row) error {
		changed = false // the transaction may run again
		yes, err := holds(r)
		if err != nil || !yes {
			return err
		}
		edit(r)
		changed = true
		return nil
	}, nil)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s of webhook %s: %w", action, id, err)
	}
	return changed, nil
}

// sameURL compares as the sender does, which has its URL parsed.
func sameURL(a, b string) bool {
	if a == b {
		return true
	}
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.String() == ub.String()
}
