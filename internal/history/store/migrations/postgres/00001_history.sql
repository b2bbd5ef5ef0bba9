-- +goose Up

-- Times are Unix milliseconds, 0 for none; durations are microseconds. Ids sort as bytes do, hence COLLATE "C".

CREATE TABLE history_events (
    occurrence       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id     TEXT COLLATE "C" NOT NULL,
    event_id         TEXT COLLATE "C" NOT NULL,
    event            TEXT NOT NULL,
    session_id       TEXT COLLATE "C" NOT NULL,
    event_timestamp  TEXT NOT NULL,
    record_time      BIGINT NOT NULL,
    received_at      BIGINT NOT NULL,
    source_topic     TEXT NOT NULL,
    source_partition BIGINT NOT NULL,
    source_offset    BIGINT NOT NULL,
    generation       BIGINT NOT NULL,
    body_size        BIGINT NOT NULL,
    body_sha256      TEXT NOT NULL,
    matched          BIGINT NOT NULL,
    unmatched        BIGINT NOT NULL,
    misses           TEXT NOT NULL, -- JSON, each as {"webhook_id":"…","reason":"…"}
    reason           TEXT NOT NULL,
    erased_at        BIGINT NOT NULL,
    version          BIGINT NOT NULL -- rises with each write, so that a writer notices another one
);
CREATE INDEX history_events_newest ON history_events (workspace_id, occurrence);
CREATE INDEX history_events_id ON history_events (workspace_id, event_id);
CREATE INDEX history_events_session ON history_events (workspace_id, session_id, occurrence);

CREATE TABLE history_deliveries (
    id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id       TEXT COLLATE "C" NOT NULL,
    webhook_id         TEXT COLLATE "C" NOT NULL,
    occurrence         TEXT COLLATE "C" NOT NULL,
    event_id           TEXT NOT NULL,
    event              TEXT NOT NULL,
    session_id         TEXT NOT NULL,
    event_timestamp    TEXT NOT NULL,
    source_topic       TEXT NOT NULL,
    source_partition   BIGINT NOT NULL,
    source_offset      BIGINT NOT NULL,
    -- What records said about the delivery: the base, from which the state below follows.
    base_status        TEXT NOT NULL, -- pending when only the event's record is known
    base_cause         TEXT NOT NULL,
    base_chain         BIGINT NOT NULL, -- 0: no record but the event's is known
    base_attempts      BIGINT NOT NULL,
    base_at            BIGINT NOT NULL,
    base_next_at       BIGINT NOT NULL,
    epoch              BIGINT NOT NULL,
    generation         BIGINT NOT NULL, -- greatest of the event records that matched it; 0: none
    attempted          BIGINT NOT NULL, -- 1: a request was made
    revived            BIGINT NOT NULL, -- 1: a resend or a recovery made it, whatever the event's record says
    -- The state, from the base, the event and the webhook's epochs.
    status             TEXT NOT NULL,
    cause              TEXT NOT NULL,
    next_attempt_at    BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    completed_at       BIGINT NOT NULL,
    version            BIGINT NOT NULL
);
CREATE INDEX history_deliveries_occurrence ON history_deliveries (occurrence);
CREATE INDEX history_deliveries_newest ON history_deliveries (workspace_id, id);
CREATE INDEX history_deliveries_webhook ON history_deliveries (workspace_id, webhook_id, id);
CREATE INDEX history_deliveries_open ON history_deliveries (workspace_id, webhook_id, id) WHERE base_status = 'pending';
CREATE INDEX history_deliveries_missed ON history_deliveries (workspace_id, webhook_id, occurrence) WHERE status IN ('failed', 'cancelled');

CREATE TABLE history_attempts (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id    TEXT COLLATE "C" NOT NULL,
    webhook_id      TEXT COLLATE "C" NOT NULL,
    delivery_id     TEXT COLLATE "C" NOT NULL,
    occurrence      TEXT COLLATE "C" NOT NULL,
    event_id        TEXT NOT NULL,
    event           TEXT NOT NULL,
    session_id      TEXT NOT NULL,
    chain           BIGINT NOT NULL,
    attempt         BIGINT NOT NULL,
    trigger_kind    TEXT NOT NULL,
    started_at      BIGINT NOT NULL,
    duration        BIGINT NOT NULL,
    status          TEXT NOT NULL,
    http_status     BIGINT NOT NULL,
    error           TEXT NOT NULL,
    error_detail    TEXT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    delivery_status TEXT NOT NULL,
    detail          TEXT NOT NULL, -- JSON: source, request, response headers, timing
    response_body   BYTEA NOT NULL,
    response_size   BIGINT NOT NULL
);
CREATE INDEX history_attempts_newest ON history_attempts (workspace_id, started_at, id);
CREATE INDEX history_attempts_webhook ON history_attempts (workspace_id, webhook_id, started_at, id);
CREATE INDEX history_attempts_failed ON history_attempts (workspace_id, webhook_id, started_at, id) WHERE status = 'failed';
CREATE INDEX history_attempts_delivery ON history_attempts (delivery_id);

CREATE TABLE history_payloads (
    occurrence TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body       BYTEA NOT NULL,
    erased     BIGINT NOT NULL -- 1: on request; the row stays so that the body cannot come back
);

-- subject: workspace, a slash, e or s, a slash, event or session id.
CREATE TABLE history_erasures (
    subject TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (subject, at)
);

CREATE TABLE history_epochs (
    webhook_id   TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    epoch        BIGINT NOT NULL,
    cause        TEXT NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, workspace_id, epoch)
);

CREATE TABLE history_health (
    workspace_id TEXT COLLATE "C" NOT NULL,
    webhook_id   TEXT COLLATE "C" NOT NULL,
    last_success BIGINT NOT NULL,
    last_failure BIGINT NOT NULL,
    last_attempt BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, webhook_id)
);
CREATE INDEX history_health_failing ON history_health (workspace_id, webhook_id) WHERE last_failure > last_success;

-- +goose Down

DROP TABLE history_health;
DROP TABLE history_epochs;
DROP TABLE history_erasures;
DROP TABLE history_payloads;
DROP TABLE history_attempts;
DROP TABLE history_deliveries;
DROP TABLE history_events;
