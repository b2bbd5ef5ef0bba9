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
func (s *Store) DisableGone(ctx context.Context, workspace, id, url string) (changed bool, err error) {
	return s.disableIf(ctx, "webhook.gone", workspace, id, DisabledGone, func(r *row) (bool, error) {
		if _, err := r.unseal(s.keys); err != nil {
			return false, err
		}
		return sameURL(r.URL, url), nil
	})
}

// DisableFailing implements Repository.
func (s *Store) DisableFailing(ctx context.Context, workspace, id string, epoch int64) (changed bool, err error) {
	return s.disableIf(ctx, "webhook.failing", workspace, id, DisabledFailing, func(r *row) (bool, error) {
		return r.Epoch == epoch, nil
	})
}

func (s *Store) disableIf(ctx context.Context, action, workspace, id string, why DisabledReason,
	still func(r *row) (bool, error)) (changed bool, err error) {
	err = s.change(ctx, dispatcher, action, workspace, id, func(r *row) error {
		changed = false // the transaction may run again
		yes, err := still(r)
		if err != nil || !yes || !r.Enabled {
			return err
		}
		r.disable(why, s.now())
		changed = true
		return nil
	}, nil)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("disable webhook %s: %w", id, err)
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

// SetHealth implements Repository.
func (s *Store) SetHealth(ctx context.Context, workspace, id string, health Health, since time.Time) (changed bool, err error) {
	if health == HealthOK {
		since = time.Time{}
	}
	err = s.change(ctx, dispatcher, "webhook.health", workspace, id, func(r *row) error {
		changed = r.Health != health
		r.Health, r.FailingSince = health, since.UTC().Truncate(time.Millisecond)
		return nil
	}, nil)
	if err != nil {
		return false, fmt.Errorf("set health of webhook %s: %w", id, err)
	}
	return changed, nil
}
