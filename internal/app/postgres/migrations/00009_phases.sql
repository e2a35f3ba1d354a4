-- +goose Up
-- What the phases of the Action leave for the next. A customer sees its own.
CREATE TABLE phase_data (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id  bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    phase        text        NOT NULL CHECK (phase IN ('scan', 'validation', 'mitigation')),
    repo         text        NOT NULL,
    commit_sha   text        NOT NULL,
    branch       text        NOT NULL DEFAULT '',
    issue_number integer     NOT NULL DEFAULT 0,
    data         jsonb       NOT NULL,
    inserted_at  timestamptz NOT NULL
);

CREATE INDEX phase_data_latest_idx ON phase_data (customer_id, repo, phase, issue_number, id DESC);

-- +goose Down
DROP TABLE phase_data;
