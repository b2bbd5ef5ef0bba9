package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/history/store"
)

func (s *server) routeStats() {
	register(s, operation{
		id: "get-webhook-stats", method: http.MethodGet, path: webhookPath + "/stats", tag: tagHistory, scope: auth.Read,
		summary: "Count attempts over time", doc: "Attempts by outcome, and deliveries still pending, in steps of time. Tests are not counted.",
	}, s.stats)
}

// Stats is counts over time.
type Stats struct {
	Since       Time       `json:"since" doc:"The first step's beginning."`
	Until       Time       `json:"until" doc:"The last step's end."`
	StepSeconds int        `json:"step_seconds" example:"3600" doc:"The length of a step."`
	Data        []StatStep `json:"data" nullable:"false" doc:"Every step, oldest first, also those in which nothing happened."`
}

// StatStep is the counts of one step.
type StatStep struct {
	Start     Time `json:"start" doc:"When the step begins."`
	Succeeded int  `json:"succeeded" doc:"Attempts that succeeded."`
	Failed    int  `json:"failed" doc:"Attempts that failed."`
	Pending   int  `json:"pending" doc:"Deliveries of this step's events that are still pending."`
}

type statsInput struct {
	One
	Since time.Time `query:"since" doc:"From when; 24 hours ago if not given."`
	Step  string    `query:"step" default:"1h" pattern:"^[0-9]+(s|m|h)$" maxLength:"12" example:"1h" doc:"The length of a step: 30s, 5m, 1h. At most 1000 steps."`
}

func (s *server) stats(ctx context.Context, in *statsInput) (*body[Stats], error) {
	if err := s.known(ctx, &in.One); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	step, err := time.ParseDuration(in.Step)
	if err != nil || step < time.Second {
		return nil, problem(http.StatusUnprocessableEntity, detailInvalid, fault("query.step", "want at least 1s, such as 30s, 5m, 1h", in.Step))
	}
	since := in.Since.UTC()
	if since.IsZero() {
		since = now.Add(-24 * time.Hour)
	}
	since = since.Truncate(step)
	if !since.Before(now) {
		return nil, problem(http.StatusUnprocessableEntity, detailInvalid, fault("query.since", "is in the future", nil))
	}
	age := now.Sub(since)
	n := int(age / step) // and one more for a rest: age + step may be more than a Duration holds
	if age%step > 0 {
		n++
	}
	if n > store.MaxBuckets || age == math.MaxInt64 {
		return nil, problem(http.StatusUnprocessableEntity, detailInvalid, fault("query.step", "more than 1000 steps", in.Step))
	}
	until := since.Add(time.Duration(n) * step)
	buckets, err := s.History.Stats(ctx, store.StatsQuery{
		WorkspaceID: in.WorkspaceID, WebhookIDs: []string{in.ID}, Since: since, Until: until, Step: step,
	})
	if err != nil {
		return nil, err
	}
	return &body[Stats]{Stats{Time{since}, Time{until}, int(step / time.Second), steps(buckets, since, step, n)}}, nil
}

// steps puts the buckets into n steps, of which those without a bucket are zero.
func steps(buckets []store.Bucket, since time.Time, step time.Duration, n int) []StatStep {
	out := make([]StatStep, n)
	for i := range out {
		out[i].Start = Time{since.Add(time.Duration(i) * step)}
	}
	for _, b := range buckets {
		i := int(b.Start.Sub(since) / step)
		if i < 0 || i >= n {
			continue
		}
		out[i].Succeeded += b.Succeeded
		out[i].Failed += b.Failed
		out[i].Pending += b.Pending
	}
	return out
}
