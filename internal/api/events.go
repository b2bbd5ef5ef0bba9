package api

import (
	"context"
	"net/http"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/history/store"
)

const (
	eventsPath = workspacePath + "/events"
	eventPath  = eventsPath + "/{id}"
)

func (s *server) routeEvents() {
	register(s, operation{
		id: "list-events", method: http.MethodGet, path: eventsPath, tag: tagEvents, scope: auth.Read,
		summary: "List events", doc: "Everything that was published for the workspace, whether a webhook wanted it or not, newest first.",
	}, s.events)
	register(s, operation{
		id: "get-event", method: http.MethodGet, path: eventPath, tag: tagEvents, scope: auth.Read,
		summary: "Why, or why not", doc: "The event with its payload, its deliveries, and for each webhook that did not get it the reason.",
	}, s.event)
}

type eventsInput struct {
	InWorkspace
	TimeRange
	SessionID []string `query:"session_id,explode" minLength:"1" maxLength:"256" maxItems:"50" nullable:"false" doc:"Sessions."`
	Event     []string `query:"event,explode" minLength:"1" maxLength:"128" maxItems:"50" nullable:"false" doc:"Event types."`
	Paging
}

func (s *server) events(ctx context.Context, in *eventsInput) (*body[List[Event]], error) {
	l, err := s.History.Events(ctx, store.EventQuery{
		WorkspaceID: in.WorkspaceID, SessionIDs: in.SessionID, Events: in.Event,
		Since: in.Since, Until: in.Until, Page: in.history(),
	})
	if err != nil {
		return nil, err
	}
	return &body[List[Event]]{listOf(l.Data, l.Next, eventJSON)}, nil
}

func (s *server) event(ctx context.Context, in *One) (*body[WholeEvent], error) {
	e, err := s.History.Event(ctx, in.WorkspaceID, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[WholeEvent]{wholeEventJSON(e)}, nil
}
