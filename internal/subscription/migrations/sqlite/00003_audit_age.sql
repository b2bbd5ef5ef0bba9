-- +goose Up
CREATE INDEX audit_log_oldest ON audit_log (at);

-- +goose Down
DROP INDEX audit_log_oldest;
