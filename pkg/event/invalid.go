package event

// Reason says why a record is not an event. Its text is the dead-letter topic's `reason` header.
//
// Like all closed sets of the wire formats here it is a string, not a number: an older reader
// passes on a value that it does not know instead of losing it.
type Reason string

// The reasons, in the order in which they are judged: a record that has several faults is given
// the first of them.
const (
	// TooLarge: the value is longer than the limit. Nothing else was looked at.
	TooLarge Reason = "too_large"
	// BadJSON: not one JSON object in valid UTF-8 from the first byte to the last.
	BadJSON Reason = "bad_json"
	// DuplicateKey: a reserved key stands twice, or is spelled in another case, so that two
	// parsers could read two different events.
	DuplicateKey Reason = "duplicate_key"
	// MissingField: `event`, `workspace_id` or `data` is absent.
	MissingField Reason = "missing_field"
	// BadField: a reserved field has a value that its rules do not allow.
	BadField Reason = "bad_field"
)

// Invalid is the error of [Parse]: the record can never become an event, however often it is read.
type Invalid struct {
	Reason Reason
	// Detail says where and what, for example `workspace_id: longer than 64 bytes` or
	// `byte 17: expected a colon`. Offsets count from the start of the record's value. It never
	// repeats content of the record, so it may be logged.
	Detail string
}

func (e *Invalid) Error() string {
	return "invalid event: " + string(e.Reason) + ": " + e.Detail
}
