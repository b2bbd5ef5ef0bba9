-- +goose Up

-- touched_at is when a fold last changed the row: whoever judges streaks reads only those that changed since it last looked.
ALTER TABLE history_health ADD COLUMN touched_at INTEGER NOT NULL DEFAULT 0;
DROP INDEX history_health_failing;
CREATE INDEX history_health_failing ON history_health (touched_at, workspace_id, webhook_id) WHERE last_failure > last_success;

-- +goose Down

DROP INDEX history_health_failing;
ALTER TABLE history_health DROP COLUMN touched_at;
CREATE INDEX history_health_failing ON history_health (workspace_id, webhook_id) WHERE last_failure > last_success;
