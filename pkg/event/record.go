package event

import (
	"encoding/hex"
	"errors"
	"time"
)

// SchemaVersion is the value of the `schema-version` header. Fields are only ever added, so it
// changes only if that promise is broken; readers ignore fields that they do not know.
const SchemaVersion = "1"

// Names of the Kafka headers of a history record.
const (
	HeaderRecordType    = "record-type"
	HeaderSchemaVersion = "schema-version"
	HeaderWorkspaceID   = "workspace-id"
	HeaderRecordID      = "record-id"
)

// RecordType is the value of the `record-type` header.
type RecordType string

// The kinds of history records.
const (
	TypeEvent    RecordType = "event"
	TypeAttempt  RecordType = "attempt"
	TypeDelivery RecordType = "delivery"
	TypeErasure  RecordType = "erasure"
	TypeWebhook  RecordType = "webhook"
)

// Record is a record of the history topic: [*EventRecord], [*AttemptRecord], [*DeliveryRecord],
// [*ErasureRecord] or [*WebhookRecord].
type Record interface {
	// RecordType is the `record-type` header.
	RecordType() RecordType
	// RecordID is the `record-id` header. Two records with one id say the same; keep one.
	RecordID() string
	// Workspace is the `workspace-id` header.
	Workspace() string
	// Key is the record's Kafka key: the event id, so that all that is said about an event
	// shares a partition. An erasure by session has the session id, a webhook record the webhook's.
	Key() string
	// AppendJSON appends the record's value to dst. It is always valid JSON in valid UTF-8.
	AppendJSON(dst []byte) []byte
}

// ErrUnknownRecord is returned by DecodeRecord for a record type of a later version. Readers skip
// such a record.
var ErrUnknownRecord = errors.New("unknown history record type")

// Source is where a record stands in Kafka.
type Source struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Status is the state of a delivery or the outcome of an attempt.
type Status string

// An attempt is Succeeded or Failed; a delivery may be any.
const (
	Pending   Status = "pending"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Trigger is what caused an attempt.
type Trigger string

// The triggers.
const (
	TriggerEvent    Trigger = "event"
	TriggerRetry    Trigger = "retry"
	TriggerResend   Trigger = "resend"
	TriggerRecovery Trigger = "recovery"
	TriggerReplay   Trigger = "replay"
	TriggerTest     Trigger = "test"
)

// ErrorCode says why an attempt got no HTTP answer.
type ErrorCode string

// The codes.
const (
	ErrTimeout           ErrorCode = "timeout"
	ErrDNS               ErrorCode = "dns_error"
	ErrConnectionRefused ErrorCode = "connection_refused"
	ErrConnectionReset   ErrorCode = "connection_reset"
	ErrUnreachable       ErrorCode = "unreachable"
	ErrTLS               ErrorCode = "tls_error"
	ErrBlocked           ErrorCode = "blocked"
	ErrProtocol          ErrorCode = "protocol_error"
	ErrExpired           ErrorCode = "expired"
)

// Digest is a SHA-256 sum, in JSON lower-case hex. The zero Digest means "not computed".
type Digest [32]byte

// IsZero tells whether the digest was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns 64 characters of lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return errors.New("not a SHA-256 sum: want 64 characters of hex")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Header is one HTTP header: name and value.
type Header [2]string

// Millis is a duration that JSON shows as milliseconds with microsecond precision: 182.041.
type Millis time.Duration

// Duration converts back.
func (m Millis) Duration() time.Duration { return time.Duration(m) }
