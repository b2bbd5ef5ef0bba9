package api

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

const description = `Webhooks of a workspace, and the history of everything that was sent to them.

Each call carries a key: ` + "`Authorization: Bearer KEY`" + `. A workspace's key is good for that workspace; what belongs to another one does not exist for it (404).

Changes stand in the audit log with the key that made them. An operator names the person behind a call by the header ` + "`Voxagent-Actor`" + ` (UTF-8, at most 128 bytes).

Lists are newest first: ` + "`?limit=`" + ` (50, at most 250) and ` + "`?cursor=`" + ` with the ` + "`next_cursor`" + ` of the page before. A query parameter that can be repeated means "any of these". Times are RFC 3339 in UTC.

Each answer to a key says how many more calls it may make: ` + "`RateLimit-Limit`" + `, ` + "`RateLimit-Remaining`" + `, ` + "`RateLimit-Reset`" + ` (seconds). Beyond that, and while too many of its calls are open, it is 429 with ` + "`Retry-After`" + `.

What is not understood is refused and never left out: unknown properties and parameters, empty filters, one value given twice (422).

Errors are ` + "`application/problem+json`" + ` (RFC 9457); ` + "`errors`" + ` names each wrong field.`

// The resources, in the order of the documentation.
const (
	tagWebhooks   = "Webhooks"
	tagHistory    = "Request history"
	tagEvents     = "Events"
	tagWorkspaces = "Workspaces and keys"
	tagAbout      = "About"
)

var tags = []*huma.Tag{
	{Name: tagWebhooks, Description: "Where events go: addresses, event types, secrets."},
	{Name: tagHistory, Description: "What was sent, what came back, and sending it again."},
	{Name: tagEvents, Description: "What was published, and why a webhook did or did not get it."},
	{Name: tagWorkspaces, Description: "Limits, API keys, who changed what."},
	{Name: tagAbout, Description: "This installation."},
}

// operation is a route as the files of the resources write it down.
type operation struct {
	id      string
	method  string
	path    string
	tag     string
	summary string
	doc     string
	// scope is what the key needs; operator, that it is an operator's.
	scope    auth.Scopes
	operator bool
	// status of a success; 0: 200.
	status int
	// errors are the statuses, beside the usual ones, that it may answer.
	errors []int
}

// accessKey is where an operation's access rule stands in its metadata.
const accessKey = "access"

type access struct {
	scope    auth.Scopes
	operator bool
}

// register puts an operation on the mux and into the document. Errors of the handler go through s.answer.
func register[I, O any](s *server, op operation, handle func(context.Context, *I) (*O, error)) {
	o := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Description: op.doc,
		Tags: []string{op.tag}, DefaultStatus: op.status, MaxBodyBytes: s.cfg.MaxBody + 1,
		// The body was read before. huma's deadline for that would stay on the connection and end calls that take longer.
		BodyReadTimeout: -1,
		Security:        []map[string][]string{{"key": op.roles()}},
		Metadata:        map[string]any{accessKey: access{op.scope, op.operator}},
		Responses:       s.problems(op),
	}
	huma.Register(s.api, o, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return out, nil
	})
}

// roles are what the document says that a key needs: its scope, and whether it is an operator's.
func (op *operation) roles() []string {
	roles := op.scope.Names()
	if op.operator {
		roles = append(roles, "operator")
	}
	return roles
}

// problems documents the errors of an operation.
func (s *server) problems(op operation) map[string]*huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	statuses := append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}, op.errors...)
	if op.method == http.MethodPost || op.method == http.MethodPatch {
		statuses = append(statuses, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	responses := make(map[string]*huma.Response, len(statuses))
	for _, status := range statuses {
		responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return responses
}
