package subscription

import (
	"errors"
	"strings"
)

// Errors of the repository. Everything else is a fault of the database.
var (
	// ErrNotFound: no such thing in this workspace.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the id is taken.
	ErrConflict = errors.New("already exists")
	// ErrVersion: the webhook is not at the version that the caller expected.
	ErrVersion = errors.New("changed in the meantime")
	// ErrLimit: the workspace has as many webhooks as it may.
	ErrLimit = errors.New("limit of webhooks reached")
	// ErrIdempotency: the idempotency key was used for another request, or what it created is gone.
	ErrIdempotency = errors.New("idempotency key was used for another request")
	// ErrKeyShown: the idempotency key made an API key before, whose text was shown then.
	ErrKeyShown = errors.New("the API key was created before, and shown then")
	// ErrKey: not a valid API key: malformed, unknown, revoked or expired.
	ErrKey = errors.New("API key is not valid")
	// ErrSealed: sealed by a key that this program was not given, or tampered with.
	ErrSealed = errors.New("cannot be opened with the given encryption keys")
)

// FieldError is one fault of a request.
type FieldError struct {
	Location string // such as body.url or body.event_types[1]
	Message  string
	Value    any // what was given; nil where it must not be repeated
}

// Error gives place and fault.
func (e *FieldError) Error() string { return e.Location + ": " + e.Message }

// Invalid is all faults of a request; it is found with errors.AsType[Invalid].
//
//nolint:recvcheck // add grows the slice while a request is judged; what callers get is a plain value
type Invalid []*FieldError

// Error gives all faults in one line.
func (e Invalid) Error() string {
	texts := make([]string, len(e))
	for i, f := range e {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "; ")
}

func (e *Invalid) add(location, message string, value any) {
	*e = append(*e, &FieldError{location, message, value})
}

// orNil keeps an empty Invalid from being a non-nil error.
func (e Invalid) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
