-- Times are Unix milliseconds, 0 for none. What must not be read by whoever reads a dump (URL, secrets, header values)
-- is in webhooks.sealed.

-- +goose Up
CREATE TABLE change_head (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    seq         BIGINT  NOT NULL,
    -- Tells this database from another one that has the same numbers, in caches that outlive it.
    incarnation TEXT    NOT NULL
);
INSERT INTO change_head (one, seq, incarnation) VALUES (1, 1, replace(gen_random_uuid()::text, '-', ''));

CREATE TABLE changes (
    seq          BIGINT PRIMARY KEY,
    at           BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    workspace_id TEXT   NOT NULL,
    target_id    TEXT   NOT NULL
);
CREATE INDEX changes_at ON changes (at);

CREATE TABLE workspaces (
    id             TEXT             PRIMARY KEY,
    suspended      BOOLEAN          NOT NULL DEFAULT FALSE,
    max_per_second DOUBLE PRECISION NOT NULL DEFAULT 0,
    max_webhooks   INTEGER          NOT NULL DEFAULT 0,
    webhooks       INTEGER          NOT NULL DEFAULT 0,
    updated_at     BIGINT           NOT NULL
);

CREATE TABLE webhooks (
    workspace_id        TEXT             NOT NULL,
    id                  TEXT             NOT NULL,
    url                 TEXT             NOT NULL, -- without credentials, which are sealed
    description         TEXT             NOT NULL,
    event_types         TEXT             NOT NULL, -- JSON array
    enabled             BOOLEAN          NOT NULL,
    disabled_reason     TEXT             NOT NULL,
    health              TEXT             NOT NULL,
    failing_since       BIGINT           NOT NULL,
    max_per_second      DOUBLE PRECISION NOT NULL,
    filter              TEXT             NOT NULL,
    header_names        TEXT             NOT NULL, -- JSON array
    previous_expires_at BIGINT           NOT NULL,
    sealed              BYTEA            NOT NULL,
    sealed_by           TEXT             NOT NULL, -- id of the encryption key
    epoch               BIGINT           NOT NULL,
    version             BIGINT           NOT NULL,
    created_at          BIGINT           NOT NULL,
    updated_at          BIGINT           NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX webhooks_newest ON webhooks (workspace_id, created_at, id);
CREATE INDEX webhooks_sealed_by ON webhooks (sealed_by);

CREATE TABLE idempotency_keys (
    workspace_id TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    fingerprint  BYTEA  NOT NULL,
    target_id    TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE overrides (
    delivery_id  TEXT    PRIMARY KEY,
    workspace_id TEXT    NOT NULL,
    chain        INTEGER NOT NULL,
    expires_at   BIGINT  NOT NULL
);
CREATE INDEX overrides_expiry ON overrides (expires_at);

CREATE TABLE api_keys (
    id           TEXT   PRIMARY KEY,
    workspace_id TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    scopes       TEXT   NOT NULL, -- separated by spaces
    hash         BYTEA  NOT NULL, -- SHA-256 of the whole key
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX api_keys_newest ON api_keys (workspace_id, created_at, id);

CREATE TABLE audit_log (
    workspace_id   TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    at             BIGINT  NOT NULL,
    actor_key      TEXT    NOT NULL,
    actor_name     TEXT    NOT NULL,
    actor_addr     TEXT    NOT NULL,
    actor_operator BOOLEAN NOT NULL,
    action         TEXT    NOT NULL,
    target_id      TEXT    NOT NULL,
    before         TEXT    NOT NULL, -- JSON object or empty
    after          TEXT    NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX audit_log_newest ON audit_log (workspace_id, at, id);

-- +goose Down
DROP TABLE audit_log, api_keys, overrides, idempotency_keys, webhooks, workspaces, changes, change_head;
