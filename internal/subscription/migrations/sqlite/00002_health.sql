-- +goose Up
-- From when on a webhook's attempts are judged: its making, its last enabling, its last change of URL.
ALTER TABLE webhooks ADD COLUMN judged_from INTEGER NOT NULL DEFAULT 0;
UPDATE webhooks SET judged_from = updated_at;
CREATE INDEX webhooks_failing ON webhooks (workspace_id, id) WHERE health = 'failing' AND enabled;

-- Records that changes owe to Kafka, written in the change's transaction and removed once Kafka has them.
CREATE TABLE owed (
    id            TEXT    PRIMARY KEY,
    at            INTEGER NOT NULL,
    kind          TEXT    NOT NULL, -- notice or webhook
    value         TEXT    NOT NULL, -- the record's JSON
    claimed_until INTEGER NOT NULL  -- whoever writes it has it until then
) STRICT;
CREATE INDEX owed_oldest ON owed (at, id);

-- +goose Down
DROP TABLE owed;
DROP INDEX webhooks_failing;
ALTER TABLE webhooks DROP COLUMN judged_from;
