package api

import (
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// placed is a fault as huma tells it, in our words and at its place where huma's are not good enough.
func placed(e *huma.ErrorDetail) Fault {
	if e.Location == "body" {
		return bodyFault(e)
	}
	switch {
	case strings.HasPrefix(e.Message, "invalid date/time"): // it goes on with Go's notation of the format
		return fault(e.Location, "want a time such as 2026-11-23T08:00:00Z; write + as %2B", e.Value)
	case e.Message == "unknown query parameter":
		return fault(e.Location, e.Message, nil)
	}
	return fault(e.Location, plainNumber(e.Message), e.Value)
}

// bodyFault finds the place of what huma says of a body as a whole.
func bodyFault(e *huma.ErrorDetail) Fault {
	if name, ok := strings.CutPrefix(e.Message, "expected required property "); ok {
		return fault("body."+strings.TrimSuffix(name, " to be present"), "is required", nil)
	}
	if kind, ok := strings.CutPrefix(e.Message, "unknown content type: "); ok {
		return fault("header.Content-Type", "want application/json", kind)
	}
	text, ok := e.Value.(string)
	if !ok {
		return fault(e.Location, e.Message, e.Value)
	}
	// Of our own errors huma keeps the words and not the place, so the body, which it hands over, is looked at once more.
	if f := checkTokens([]byte(text)); f != nil && f.message == e.Message {
		at := "body"
		if f.path != "" && f.path[0] != '[' {
			at += "."
		}
		return fault(at+f.path, f.message, nil)
	}
	if rest, ok := strings.CutPrefix(e.Message, unknownName); ok {
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			name, _ := strconv.Unquote(quoted) // it was just found to be quoted
			return fault("body."+name, "unexpected property"+rest[len(quoted):], nil)
		}
	}
	return fault(e.Location, e.Message, nil)
}

// plainNumber writes a number at the end of a message in digits: huma writes 2592000 as 2.592e+06.
func plainNumber(message string) string {
	at := strings.LastIndexByte(message, ' ') + 1
	if !strings.Contains(message[at:], "e+") {
		return message
	}
	n, err := strconv.ParseFloat(message[at:], 64)
	if err != nil {
		return message
	}
	return message[:at] + strconv.FormatFloat(n, 'f', -1, 64)
}
