package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// problemType is the media type of every error (RFC 9457).
const problemType = "application/problem+json"

// An answer repeats at most so much of what is wrong: bytes of a value and of a place, and faults.
const (
	maxEcho     = 200
	maxLocation = 200
	maxFaults   = 50
)

// Problem is every error answer (RFC 9457).
type Problem struct {
	Type   string  `json:"type" example:"about:blank" doc:"What kind of problem it is: about:blank, or urn:voxagent:problem: and the code."`
	Title  string  `json:"title" example:"Unprocessable Entity" doc:"The HTTP status in words."`
	Status int     `json:"status" example:"422" doc:"The HTTP status."`
	Detail string  `json:"detail,omitempty" example:"The request is not valid." doc:"What is wrong, for people."`
	Code   string  `json:"code,omitempty" example:"in_progress" doc:"What is wrong, for programs; on 409 and 410."`
	Errors []Fault `json:"errors,omitempty" nullable:"false" doc:"Each wrong part of the request."`
}

// Fault is one wrong part of a request.
type Fault struct {
	Location string `json:"location" example:"body.url" doc:"Where: body., query., path. or header. and the name."`
	Message  string `json:"message" example:"must begin with https://" doc:"What is wrong with it."`
	Value    any    `json:"value,omitempty" doc:"What was given, where it is short and no secret."`
}

// Error and GetStatus make a problem an error that a handler may return.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of every problem.
func (p *Problem) ContentType(string) string { return problemType }

// problem is a new error answer. Detail and errs go to the client: they never hold an internal error's text.
func problem(status int, detail string, errs ...Fault) *Problem {
	if len(errs) > maxFaults {
		errs = errs[:maxFaults]
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: errs}
}

// coded is a problem that programs can tell apart from others of its status.
func coded(status int, code, detail string) *Problem {
	p := problem(status, detail)
	p.Type, p.Code = "urn:voxagent:problem:"+code, code
	return p
}

// writeProblem answers outside of huma: unknown routes, panics, bodies that are too large.
func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

const (
	detailOurs    = "Something failed on our side; nothing that you sent was wrong. Try again."
	detailInvalid = "The request is not valid."
)

// ownProblems is the last hand on every error answer: huma's own become Problems, and what is our fault says nothing of
// its cause.
func ownProblems(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if m.Status >= http.StatusInternalServerError {
		return problem(m.Status, detailOurs), nil
	}
	detail := m.Detail
	if detail == "validation failed" {
		detail = detailInvalid
	}
	faults := make([]Fault, 0, min(len(m.Errors), maxFaults))
	for _, e := range m.Errors[:min(len(m.Errors), maxFaults)] {
		if e != nil {
			faults = append(faults, placed(e))
		}
	}
	return problem(m.Status, detail, faults...), nil
}

// fault is one wrong part of a request; location as `body.url`. The value is repeated only when it is short, plain and
// no secret.
func fault(location, message string, value any) Fault {
	f := Fault{Location: cut(location, maxLocation), Message: message}
	if secretLocation(location) {
		return f
	}
	switch v := value.(type) {
	case string:
		if len(v) <= maxEcho && location != "body" && !strings.Contains(v, "@") {
			f.Value = v
		}
	case bool, int, int64, float64:
		f.Value = v
	}
	return f
}

// cut shortens s to about limit bytes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// secretLocation says whether what stands there must not be repeated in an answer that may be logged on its way.
func secretLocation(location string) bool {
	parts := strings.FieldsFunc(location, func(r rune) bool { return r == '.' || r == '[' })
	return slices.ContainsFunc(parts, func(p string) bool { return p == "secret" || p == "headers" || p == "Authorization" })
}
