-- Times are Unix milliseconds, 0 for none. What must not be read by whoever reads a dump (URL, secrets, header values)
-- is in webhooks.sealed.

-- +goose Up
CREATE TABLE change_head (
    one                 INTEGER PRIMARY KEY CHECK (one = 1),
    seq                 INTEGER NOT NULL,
    -- Tells this database from another one that has the same numbers, in caches that outlive it.
    incarnation         TEXT    NOT NULL
) STRICT;
INSERT INTO change_head (one, seq, incarnation) VALUES (1, 1, lower(hex(randomblob(16))));

CREATE TABLE changes (
    seq                 INTEGER PRIMARY KEY,
    at                  INTEGER NOT NULL,
    kind                TEXT    NOT NULL,
    workspace_id        TEXT    NOT NULL,
    target_id           TEXT    NOT NULL
) STRICT;
CREATE INDEX changes_at ON changes (at);

CREATE TABLE workspaces (
    id                  TEXT    PRIMARY KEY,
    suspended           INTEGER NOT NULL DEFAULT FALSE,
    max_per_second      REAL    NOT NULL DEFAULT 0,
    max_webhooks        INTEGER NOT NULL DEFAULT 0,
    webhooks            INTEGER NOT NULL DEFAULT 0,
    updated_at          INTEGER NOT NULL
) STRICT;

CREATE TABLE webhooks (
    workspace_id        TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    url                 TEXT    NOT NULL, -- without credentials, which are sealed
    description         TEXT    NOT NULL,
    event_types         TEXT    NOT NULL, -- JSON array
    enabled             INTEGER NOT NULL,
    disabled_reason     TEXT    NOT NULL,
    health              TEXT    NOT NULL,
    failing_since       INTEGER NOT NULL,
    max_per_second      REAL    NOT NULL,
    filter              TEXT    NOT NULL,
    header_names        TEXT    NOT NULL, -- JSON array
    previous_expires_at INTEGER NOT NULL,
    sealed              BLOB    NOT NULL,
    sealed_by           TEXT    NOT NULL, -- id of the encryption key
    epoch               INTEGER NOT NULL,
    version             INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, id)
) STRICT;
CREATE INDEX webhooks_newest ON webhooks (workspace_id, created_at, id);
CREATE INDEX webhooks_sealed_by ON webhooks (sealed_by);

CREATE TABLE idempotency_keys (
    workspace_id        TEXT    NOT NULL,
    key                 TEXT    NOT NULL,
    fingerprint         BLOB    NOT NULL,
    target_id           TEXT    NOT NULL,
    expires_at          INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE overrides (
    delivery_id         TEXT    PRIMARY KEY,
    workspace_id        TEXT    NOT NULL,
    chain               INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX overrides_expiry ON overrides (expires_at);

CREATE TABLE api_keys (
    id                  TEXT    PRIMARY KEY,
    workspace_id        TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    scopes              TEXT    NOT NULL, -- separated by spaces
    hash                BLOB    NOT NULL, -- SHA-256 of the whole key
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    last_used_at        INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_newest ON api_keys (workspace_id, created_at, id);

CREATE TABLE audit_log (
    workspace_id        TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    at                  INTEGER NOT NULL,
    actor_key           TEXT    NOT NULL,
    actor_name          TEXT    NOT NULL,
    actor_addr          TEXT    NOT NULL,
    actor_operator      INTEGER NOT NULL,
    action              TEXT    NOT NULL,
    target_id           TEXT    NOT NULL,
    before              TEXT    NOT NULL, -- JSON object or empty
    after               TEXT    NOT NULL,
    PRIMARY KEY (workspace_id, id)
) STRICT;
CREATE INDEX audit_log_newest ON audit_log (workspace_id, at, id);

-- +goose Down
DROP TABLE audit_log;
DROP TABLE api_keys;
DROP TABLE overrides;
DROP TABLE idempotency_keys;
DROP TABLE webhooks;
DROP TABLE workspaces;
DROP TABLE changes;
DROP TABLE change_head;
