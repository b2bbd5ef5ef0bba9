package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// answers is the one table from errors to answers. The first row whose error is in the chain counts.
var answers = []struct {
	err     error
	problem *Problem
}{
	{subscription.ErrNotFound, problem(http.StatusNotFound, "There is no such thing in this workspace.")},
	{store.ErrNotFound, problem(http.StatusNotFound, "There is no such thing in this workspace.")},
	{subscription.ErrVersion, problem(http.StatusPreconditionFailed, "It was changed in the meantime: read it again.")},
	{subscription.ErrConflict, coded(http.StatusConflict, "exists", "There is one with this id already.")},
	{subscription.ErrLimit, coded(http.StatusConflict, "limit", "The workspace has as many webhooks as it may have.")},
	{subscription.ErrIdempotency, coded(http.StatusConflict, "idempotency_key_reused",
		"This Idempotency-Key was used for another request, or what that one created is gone.")},
	{subscription.ErrKeyShown, coded(http.StatusConflict, "key_shown",
		"This Idempotency-Key created a key, which was shown then and cannot be shown again: revoke it, and create another one.")},
	{command.ErrDisabled, coded(http.StatusConflict, "disabled", "The webhook is disabled or deleted: nothing is sent to it.")},
	{command.ErrInProgress, coded(http.StatusConflict, "in_progress", "An attempt of this delivery is being made right now.")},
	{command.ErrFinished, coded(http.StatusConflict, "finished", "The delivery is finished: there is nothing left to cancel.")},
	{command.ErrPayloadExpired, coded(http.StatusGone, "payload_expired", "The payload is not kept any more, so it cannot be sent again.")},
	{command.ErrUnknownEvent, problem(http.StatusUnprocessableEntity, detailInvalid,
		fault("body.event", "unknown event type, or one without an example: see GET /v1/event-types", nil))},
	{store.ErrCursor, problem(http.StatusUnprocessableEntity, detailInvalid,
		fault("query.cursor", "not a cursor of this list", nil))},
	{context.DeadlineExceeded, problem(http.StatusServiceUnavailable, "It took too long. Try again.")},
}

// answer turns an error of a dependency into one for the client. What the table does not know is logged and becomes a
// 500 without words of ours.
func (s *server) answer(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if status, ok := errors.AsType[huma.StatusError](err); ok {
		return status
	}
	if invalid, ok := errors.AsType[subscription.Invalid](err); ok {
		return invalidProblem(invalid)
	}
	if errors.Is(err, store.ErrQuery) {
		return problem(http.StatusUnprocessableEntity, detailInvalid, fault("query", "a value is out of bounds", nil))
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return problem(statusClientGone, "The client went away.")
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			if a.problem.Status >= http.StatusInternalServerError {
				s.log.Warn("api call failed", zap.Error(err))
			}
			return a.problem
		}
	}
	s.log.Error("api call failed", zap.Error(err))
	return problem(http.StatusInternalServerError, detailOurs)
}

// statusClientGone is what the log shows when nobody was there to read the answer.
const statusClientGone = 499

func invalidProblem(invalid subscription.Invalid) *Problem {
	faults := make([]Fault, len(invalid))
	for i, e := range invalid {
		faults[i] = fault(e.Location, e.Message, e.Value)
	}
	return problem(http.StatusUnprocessableEntity, detailInvalid, faults...)
}
