-- +goose Up
-- Numbers for browsers, so that those of a day are a compressed set of numbers,
-- and sets of days are joined without counting anybody twice. The key is the
-- MD5 of the visitor id.
CREATE TABLE funnel_visitors (
    visitor uuid    PRIMARY KEY,
    number  integer NOT NULL GENERATED ALWAYS AS IDENTITY
);

-- A stored day holds the visits whose ids are of a moment before "through"; the
-- browsers are a portable Roaring bitmap of their numbers.
ALTER TABLE funnel_metrics ADD COLUMN through timestamptz, ADD COLUMN visitors bytea;
ALTER TABLE funnel_metrics ALTER COLUMN visitors SET STORAGE EXTERNAL;

-- The events of each day by where they came from: the largest values, and the
-- rest together as (other).
CREATE TABLE funnel_sources (
    day    date   NOT NULL,
    kind   text   NOT NULL CHECK (kind IN ('source', 'campaign')),
    value  text   NOT NULL,
    events bigint NOT NULL CHECK (events > 0),
    PRIMARY KEY (day, kind, value)
);

-- Whoever stores visits or signups notes, in the same transaction, of which day
-- they are and from when to when their ids were minted. Appended to, so that
-- nobody waits for anybody; whoever stores a day again takes its notes away.
CREATE TABLE funnel_notes (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day    date        NOT NULL,
    oldest timestamptz NOT NULL,
    newest timestamptz NOT NULL
);

CREATE INDEX funnel_notes_day_idx ON funnel_notes (day, oldest);

-- The first of the months whose events are kept.
-- +goose StatementBegin
CREATE FUNCTION oldest_funnel_month() RETURNS date LANGUAGE sql STABLE AS $$
    SELECT min(to_date(right(c.relname, 7), 'YYYY_MM')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'funnel_events'::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
$$;
-- +goose StatementEnd

DROP INDEX customer_journeys_first_call_idx;
DROP INDEX customer_journeys_second_call_idx;
CREATE INDEX customer_journeys_activation_idx ON customer_journeys (first_api_call_at, customer_id) WHERE first_api_call_at IS NOT NULL;
CREATE INDEX customer_journeys_retention_idx ON customer_journeys (second_api_call_at, customer_id) WHERE second_api_call_at IS NOT NULL;

-- +goose Down
DROP INDEX customer_journeys_retention_idx;
DROP INDEX customer_journeys_activation_idx;
CREATE INDEX customer_journeys_first_call_idx ON customer_journeys (first_api_call_at) WHERE completed_activation;
CREATE INDEX customer_journeys_second_call_idx ON customer_journeys (second_api_call_at) WHERE completed_retention;
DROP FUNCTION oldest_funnel_month;
DROP TABLE funnel_notes;
DROP TABLE funnel_sources;
ALTER TABLE funnel_metrics DROP COLUMN visitors, DROP COLUMN through;
DROP TABLE funnel_visitors;
