package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// begin takes one call from the key's quota and tells the client how it stands; false: there is none left. end ends the call.
func (s *server) begin(p *auth.Principal, h http.Header) (end func(), ok bool) {
	stands, end, ok := s.Quotas.Begin(p, time.Now())
	if stands.Limit == 0 {
		return end, ok
	}
	// The names and meanings of draft-ietf-httpapi-ratelimit-headers before it had one structured field: clients know them.
	h.Set("RateLimit-Limit", strconv.Itoa(stands.Limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(stands.Left))
	h.Set("RateLimit-Reset", strconv.Itoa(stands.Reset))
	if !ok {
		h.Set("Retry-After", strconv.Itoa(stands.RetryAfter))
	}
	return end, ok
}

// documentQuotas writes the headers into the document: they are on every answer to a good key.
func documentQuotas(doc *huma.OpenAPI) {
	header := func(what string) *huma.Param {
		return &huma.Param{Description: what, Schema: &huma.Schema{Type: huma.TypeInteger}}
	}
	for _, o := range operations(doc) {
		for status, response := range o.Responses {
			if status == strconv.Itoa(http.StatusUnauthorized) {
				continue
			}
			if response.Headers == nil {
				response.Headers = map[string]*huma.Param{}
			}
			response.Headers["RateLimit-Limit"] = header("How many calls the key may make at once.")
			response.Headers["RateLimit-Remaining"] = header("How many of them are left.")
			response.Headers["RateLimit-Reset"] = header("Seconds until all of them are left again.")
			if status == strconv.Itoa(http.StatusTooManyRequests) {
				response.Headers["Retry-After"] = header("Seconds until the next call may be made.")
			}
		}
	}
}
