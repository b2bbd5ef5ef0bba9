package store

// Rows as they stand in SQL: times in Unix milliseconds, 0 for none. The tables below name their columns.

// identity is what all rows about an occurrence have in common.
type identity struct {
	workspace, occurrence, eventID, event, session string
}

// origin is where the event came from.
type origin struct {
	timestamp, topic  string
	partition, offset int64
}

type eventRow struct {
	identity
	origin
	recordTime, receivedAt int64
	generation             int64
	bodySize               int64
	bodySHA256             string
	matched, unmatched     int64
	misses                 string
	reason                 string
	erasedAt               int64
	version                int64
}

type deliveryRow struct {
	identity
	origin
	id, webhook string

	baseStatus, baseCause   string
	baseChain, baseAttempts int64
	baseAt, baseNextAt      int64
	epoch, generation       int64
	attempted, revived      int64

	status, cause                      string
	nextAt, createdAt, doneAt, version int64
}

type attemptRow struct {
	identity
	id, webhook, delivery string
	chain, attempt        int64
	trigger               string
	startedAt, duration   int64
	status                string
	httpStatus            int64
	errorCode, errorText  string
	nextAt                int64
	deliveryStatus        string
	detail                string
	responseBody          []byte
	responseSize          int64
}

type payloadRow struct {
	occurrence string
	body       []byte
	erased     int64
}

type erasureRow struct {
	subject string
	at      int64
}

type epochRow struct {
	webhook, workspace string
	epoch              int64
	cause              string
	at                 int64
}

type healthRow struct {
	workspace, webhook                string
	lastSuccess, lastFailure, lastTry int64
	touched                           int64 // when a fold last changed the row
}

// unchanged is the condition that nobody wrote the row since it was loaded: each write makes the version one more.
const unchanged = ".version = excluded.version - 1"

var eventTable = newTable("history_events", overwrite("occurrence", "history_events"+unchanged,
	"event_id", "event", "session_id", "event_timestamp", "record_time", "received_at", "source_topic",
	"source_partition", "source_offset", "generation", "body_size", "body_sha256", "matched", "unmatched", "misses",
	"reason", "erased_at", "version"),
	column[eventRow]{"occurrence", func(r *eventRow) any { return &r.occurrence }},
	column[eventRow]{"workspace_id", func(r *eventRow) any { return &r.workspace }},
	column[eventRow]{"event_id", func(r *eventRow) any { return &r.eventID }},
	column[eventRow]{"event", func(r *eventRow) any { return &r.event }},
	column[eventRow]{"session_id", func(r *eventRow) any { return &r.session }},
	column[eventRow]{"event_timestamp", func(r *eventRow) any { return &r.timestamp }},
	column[eventRow]{"record_time", func(r *eventRow) any { return &r.recordTime }},
	column[eventRow]{"received_at", func(r *eventRow) any { return &r.receivedAt }},
	column[eventRow]{"source_topic", func(r *eventRow) any { return &r.topic }},
	column[eventRow]{"source_partition", func(r *eventRow) any { return &r.partition }},
	column[eventRow]{"source_offset", func(r *eventRow) any { return &r.offset }},
	column[eventRow]{"generation", func(r *eventRow) any { return &r.generation }},
	column[eventRow]{"body_size", func(r *eventRow) any { return &r.bodySize }},
	column[eventRow]{"body_sha256", func(r *eventRow) any { return &r.bodySHA256 }},
	column[eventRow]{"matched", func(r *eventRow) any { return &r.matched }},
	column[eventRow]{"unmatched", func(r *eventRow) any { return &r.unmatched }},
	column[eventRow]{"misses", func(r *eventRow) any { return &r.misses }},
	column[eventRow]{"reason", func(r *eventRow) any { return &r.reason }},
	column[eventRow]{"erased_at", func(r *eventRow) any { return &r.erasedAt }},
	column[eventRow]{"version", func(r *eventRow) any { return &r.version }},
)

var deliveryTable = newTable("history_deliveries", overwrite("id", "history_deliveries"+unchanged,
	"base_status", "base_cause", "base_chain", "base_attempts", "base_at", "base_next_at", "epoch", "generation",
	"attempted", "revived", "status", "cause", "next_attempt_at", "created_at", "completed_at", "version"),
	column[deliveryRow]{"id", func(r *deliveryRow) any { return &r.id }},
	column[deliveryRow]{"workspace_id", func(r *deliveryRow) any { return &r.workspace }},
	column[deliveryRow]{"webhook_id", func(r *deliveryRow) any { return &r.webhook }},
	column[deliveryRow]{"occurrence", func(r *deliveryRow) any { return &r.occurrence }},
	column[deliveryRow]{"event_id", func(r *deliveryRow) any { return &r.eventID }},
	column[deliveryRow]{"event", func(r *deliveryRow) any { return &r.event }},
	column[deliveryRow]{"session_id", func(r *deliveryRow) any { return &r.session }},
	column[deliveryRow]{"event_timestamp", func(r *deliveryRow) any { return &r.timestamp }},
	column[deliveryRow]{"source_topic", func(r *deliveryRow) any { return &r.topic }},
	column[deliveryRow]{"source_partition", func(r *deliveryRow) any { return &r.partition }},
	column[deliveryRow]{"source_offset", func(r *deliveryRow) any { return &r.offset }},
	column[deliveryRow]{"base_status", func(r *deliveryRow) any { return &r.baseStatus }},
	column[deliveryRow]{"base_cause", func(r *deliveryRow) any { return &r.baseCause }},
	column[deliveryRow]{"base_chain", func(r *deliveryRow) any { return &r.baseChain }},
	column[deliveryRow]{"base_attempts", func(r *deliveryRow) any { return &r.baseAttempts }},
	column[deliveryRow]{"base_at", func(r *deliveryRow) any { return &r.baseAt }},
	column[deliveryRow]{"base_next_at", func(r *deliveryRow) any { return &r.baseNextAt }},
	column[deliveryRow]{"epoch", func(r *deliveryRow) any { return &r.epoch }},
	column[deliveryRow]{"generation", func(r *deliveryRow) any { return &r.generation }},
	column[deliveryRow]{"attempted", func(r *deliveryRow) any { return &r.attempted }},
	column[deliveryRow]{"revived", func(r *deliveryRow) any { return &r.revived }},
	column[deliveryRow]{"status", func(r *deliveryRow) any { return &r.status }},
	column[deliveryRow]{"cause", func(r *deliveryRow) any { return &r.cause }},
	column[deliveryRow]{"next_attempt_at", func(r *deliveryRow) any { return &r.nextAt }},
	column[deliveryRow]{"created_at", func(r *deliveryRow) any { return &r.createdAt }},
	column[deliveryRow]{"completed_at", func(r *deliveryRow) any { return &r.doneAt }},
	column[deliveryRow]{"version", func(r *deliveryRow) any { return &r.version }},
)

// attemptTable keeps the one of two requests with one id that event.AttemptRecord.Supersedes prefers: success beats
// failure, then the earlier start.
var attemptTable = newTable("history_attempts", overwrite("id",
	`(excluded.status = 'succeeded' AND history_attempts.status <> 'succeeded') OR (
		(excluded.status = 'succeeded') = (history_attempts.status = 'succeeded')
		AND excluded.started_at < history_attempts.started_at)`,
	"trigger_kind", "started_at", "duration", "status", "http_status", "error", "error_detail", "next_attempt_at",
	"delivery_status", "detail", "response_body", "response_size"),
	column[attemptRow]{"id", func(r *attemptRow) any { return &r.id }},
	column[attemptRow]{"workspace_id", func(r *attemptRow) any { return &r.workspace }},
	column[attemptRow]{"webhook_id", func(r *attemptRow) any { return &r.webhook }},
	column[attemptRow]{"delivery_id", func(r *attemptRow) any { return &r.delivery }},
	column[attemptRow]{"occurrence", func(r *attemptRow) any { return &r.occurrence }},
	column[attemptRow]{"event_id", func(r *attemptRow) any { return &r.eventID }},
	column[attemptRow]{"event", func(r *attemptRow) any { return &r.event }},
	column[attemptRow]{"session_id", func(r *attemptRow) any { return &r.session }},
	column[attemptRow]{"chain", func(r *attemptRow) any { return &r.chain }},
	column[attemptRow]{"attempt", func(r *attemptRow) any { return &r.attempt }},
	column[attemptRow]{"trigger_kind", func(r *attemptRow) any { return &r.trigger }},
	column[attemptRow]{"started_at", func(r *attemptRow) any { return &r.startedAt }},
	column[attemptRow]{"duration", func(r *attemptRow) any { return &r.duration }},
	column[attemptRow]{"status", func(r *attemptRow) any { return &r.status }},
	column[attemptRow]{"http_status", func(r *attemptRow) any { return &r.httpStatus }},
	column[attemptRow]{"error", func(r *attemptRow) any { return &r.errorCode }},
	column[attemptRow]{"error_detail", func(r *attemptRow) any { return &r.errorText }},
	column[attemptRow]{"next_attempt_at", func(r *attemptRow) any { return &r.nextAt }},
	column[attemptRow]{"delivery_status", func(r *attemptRow) any { return &r.deliveryStatus }},
	column[attemptRow]{"response_size", func(r *attemptRow) any { return &r.responseSize }},
	column[attemptRow]{"detail", func(r *attemptRow) any { return &r.detail }},
	column[attemptRow]{"response_body", func(r *attemptRow) any { return &r.responseBody }},
)

// payloadColumns are shared by the two ways of writing payloads.
var payloadColumns = []column[payloadRow]{
	{"occurrence", func(r *payloadRow) any { return &r.occurrence }},
	{"body", func(r *payloadRow) any { return &r.body }},
	{"erased", func(r *payloadRow) any { return &r.erased }},
}

var (
	// payloadTable adds bodies; what is there stays, be it the same body or the mark that it was erased.
	payloadTable = newTable("history_payloads", "ON CONFLICT (occurrence) DO NOTHING", payloadColumns...)
	// eraseTable puts the mark in the body's place.
	eraseTable = newTable("history_payloads",
		overwrite("occurrence", "history_payloads.erased = 0", "body", "erased"), payloadColumns...)
)

var erasureTable = newTable("history_erasures", "ON CONFLICT (subject, at) DO NOTHING",
	column[erasureRow]{"subject", func(r *erasureRow) any { return &r.subject }},
	column[erasureRow]{"at", func(r *erasureRow) any { return &r.at }},
)

// epochTable keeps of two records of one epoch the one that event.WebhookRecord.Supersedes prefers.
var epochTable = newTable("history_epochs", overwrite("webhook_id, workspace_id, epoch",
	`excluded.at < history_epochs.at OR (excluded.at = history_epochs.at AND excluded.cause < history_epochs.cause)`,
	"cause", "at"),
	column[epochRow]{"webhook_id", func(r *epochRow) any { return &r.webhook }},
	column[epochRow]{"workspace_id", func(r *epochRow) any { return &r.workspace }},
	column[epochRow]{"epoch", func(r *epochRow) any { return &r.epoch }},
	column[epochRow]{"cause", func(r *epochRow) any { return &r.cause }},
	column[epochRow]{"at", func(r *epochRow) any { return &r.at }},
)

// healthTable keeps the latest of each time. A row of which nothing would change is left alone.
var healthTable = newTable("history_health", `ON CONFLICT (workspace_id, webhook_id) DO UPDATE SET
	last_success = CASE WHEN excluded.last_success > history_health.last_success THEN excluded.last_success ELSE history_health.last_success END,
	last_failure = CASE WHEN excluded.last_failure > history_health.last_failure THEN excluded.last_failure ELSE history_health.last_failure END,
	last_attempt = CASE WHEN excluded.last_attempt > history_health.last_attempt THEN excluded.last_attempt ELSE history_health.last_attempt END,
	touched_at = excluded.touched_at
	WHERE excluded.last_success > history_health.last_success OR excluded.last_failure > history_health.last_failure
	OR excluded.last_attempt > history_health.last_attempt`,
	column[healthRow]{"workspace_id", func(r *healthRow) any { return &r.workspace }},
	column[healthRow]{"webhook_id", func(r *healthRow) any { return &r.webhook }},
	column[healthRow]{"last_success", func(r *healthRow) any { return &r.lastSuccess }},
	column[healthRow]{"last_failure", func(r *healthRow) any { return &r.lastFailure }},
	column[healthRow]{"last_attempt", func(r *healthRow) any { return &r.lastTry }},
	column[healthRow]{"touched_at", func(r *healthRow) any { return &r.touched }},
)
