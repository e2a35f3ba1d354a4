-- +goose Up

-- The transaction that stored the event, by which exports read in the order of
-- commits. Events that were there before have none, and are not exported.
ALTER TABLE funnel_events ADD COLUMN stored_xid bigint;
ALTER TABLE funnel_events ALTER COLUMN stored_xid SET DEFAULT (pg_current_xact_id()::text::bigint);
CREATE INDEX funnel_events_stored_idx ON funnel_events (stored_xid, id) WHERE stored_xid IS NOT NULL;

-- How far each export has come. Whoever holds the lease works on it.
CREATE TABLE export_cursors (
    name         text        PRIMARY KEY,
    stored_xid   bigint      NOT NULL,
    event_id     uuid        NOT NULL,
    holder       text        NOT NULL DEFAULT '',
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    sent         bigint      NOT NULL DEFAULT 0,
    skipped      bigint      NOT NULL DEFAULT 0,
    refused      bigint      NOT NULL DEFAULT 0,
    moved_at     timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE export_cursors;
DROP INDEX funnel_events_stored_idx;
ALTER TABLE funnel_events DROP COLUMN stored_xid;
