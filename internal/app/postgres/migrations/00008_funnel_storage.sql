-- +goose Up

-- The lowest UUIDv7 of a moment: ids are minted when the server takes an event,
-- so that a range of ids is a range of time.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION lowest_uuid_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(greatest(0, floor(extract(epoch FROM moment) * 1000))::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
-- +goose StatementEnd

-- Moves the table aside under the name that its parts keep until they are gone.
LOCK TABLE funnel_events IN ACCESS EXCLUSIVE MODE;
ALTER TABLE funnel_events RENAME TO funnel_events_whole;
ALTER INDEX funnel_events_pkey RENAME TO funnel_events_whole_pkey;
ALTER INDEX funnel_events_type_time_idx RENAME TO funnel_events_whole_type_time_idx;
ALTER INDEX funnel_events_customer_idx RENAME TO funnel_events_whole_customer_idx;
ALTER INDEX funnel_events_visitor_idx RENAME TO funnel_events_whole_visitor_idx;

-- Append-only, and partitioned by the id, which is a UUIDv7 that the server
-- mints: so the id alone is unique over all partitions, storing an event again
-- is harmless, and old months leave as whole tables.
CREATE TABLE funnel_events (
    id           uuid        PRIMARY KEY,
    event_type   text        NOT NULL CHECK (event_type IN (
        'page_view', 'signup', 'api_key_created', 'first_api_call', 'api_call', 'engagement', 'custom')),
    customer_id  bigint      REFERENCES customers ON DELETE CASCADE,
    visitor_id   text        CHECK (char_length(visitor_id) <= 255),
    session_id   text        CHECK (char_length(session_id) <= 255),
    page_path    text        CHECK (char_length(page_path) <= 2048),
    referrer     text        CHECK (char_length(referrer) <= 2048),
    user_agent   text        CHECK (char_length(user_agent) <= 1024),
    -- Truncated before it gets here: /24 for IPv4, /48 for IPv6.
    ip_network   cidr,
    utm_source   text        CHECK (char_length(utm_source) <= 100),
    utm_medium   text        CHECK (char_length(utm_medium) <= 100),
    utm_campaign text        CHECK (char_length(utm_campaign) <= 100),
    utm_term     text        CHECK (char_length(utm_term) <= 100),
    utm_content  text        CHECK (char_length(utm_content) <= 100),
    metadata     jsonb       NOT NULL DEFAULT '{}',
    -- When it happened. When the server took it is in the id.
    occurred_at  timestamptz NOT NULL,
    -- When it was stored.
    inserted_at  timestamptz NOT NULL DEFAULT now(),
    -- The site that a collector was told, and the name of a custom event.
    site         text        CHECK (char_length(site) <= 255),
    name         text        CHECK (char_length(name) <= 255)
) PARTITION BY RANGE (id);

CREATE INDEX funnel_events_visitor_idx ON funnel_events (visitor_id, id) WHERE visitor_id IS NOT NULL;
CREATE INDEX funnel_events_customer_idx ON funnel_events (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX funnel_events_time_idx ON funnel_events USING brin (occurred_at);

-- Takes what belongs to no month that exists, so that nothing is lost; it is to
-- stay empty, and a metric tells when it is not.
CREATE TABLE funnel_events_default PARTITION OF funnel_events DEFAULT;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION create_funnel_partition_if_not_exists(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', day);
    part  text := 'funnel_events_' || to_char(month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('funnel_events partitions'));
    IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'funnel_events'::regclass AND c.relname = part) THEN
        RETURN false;
    END IF;
    -- Attaching locks out nobody who reads or writes other months; creating in
    -- place would lock the whole table.
    EXECUTE format('CREATE TABLE %I (LIKE funnel_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format('ALTER TABLE funnel_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
        lowest_uuid_at(month::timestamp AT TIME ZONE 'UTC'),
        lowest_uuid_at((month + interval '1 month')::timestamp AT TIME ZONE 'UTC'));
    RETURN true;
END $$;
-- +goose StatementEnd

-- Months of what is there already, the last one, this one and the next three.
-- +goose StatementBegin
DO $$
DECLARE month date;
BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)
            AT TIME ZONE 'UTC')::date
        FROM funnel_events_whole WHERE substr(id::text, 15, 1) = '7'
        UNION
        SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date FROM generate_series(-1, 3) n
    LOOP
        PERFORM create_funnel_partition_if_not_exists(month);
    END LOOP;
END $$;
-- +goose StatementEnd

INSERT INTO funnel_events (id, event_type, customer_id, visitor_id, session_id, page_path, referrer, user_agent,
    ip_network, utm_source, utm_medium, utm_campaign, utm_term, utm_content, metadata, occurred_at, inserted_at)
SELECT id, event_type, customer_id, visitor_id, session_id, page_path, referrer, user_agent,
    ip_network, utm_source, utm_medium, utm_campaign, utm_term, utm_content, metadata, occurred_at, inserted_at
FROM funnel_events_whole;

DROP TABLE funnel_events_whole;

-- All calls, those included that were counted and not kept one by one.
ALTER TABLE customer_journeys ADD COLUMN api_calls bigint NOT NULL DEFAULT 0 CHECK (api_calls >= 0);

UPDATE customer_journeys j SET api_calls = e.calls
FROM (SELECT customer_id, count(*) AS calls FROM funnel_events
      WHERE event_type IN ('first_api_call', 'api_call') GROUP BY customer_id) e
WHERE e.customer_id = j.customer_id;

-- Calls of one customer that a process counted. A process numbers what it
-- counts, so that counting the same twice is refused by the key.
CREATE TABLE funnel_call_deltas (
    boot        uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    calls       bigint      NOT NULL CHECK (calls > 0),
    first_at    timestamptz NOT NULL,
    second_at   timestamptz,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (boot, sequence)
);

CREATE INDEX funnel_call_deltas_customer_idx ON funnel_call_deltas (customer_id, last_at);

-- Ids that clients gave their events, for as long as they may send them again.
CREATE TABLE event_keys (
    site     text        NOT NULL,
    key      text        NOT NULL,
    event_id uuid        NOT NULL,
    seen_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site, key)
);

CREATE INDEX event_keys_seen_idx ON event_keys (seen_at);

-- Append-only: which browsers turned out to be which customers'. Events are
-- never rewritten; whoever counts persons resolves them here.
CREATE TABLE identity_links (
    visitor_id  text        NOT NULL CHECK (char_length(visitor_id) BETWEEN 1 AND 255),
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    linked_at   timestamptz NOT NULL,
    PRIMARY KEY (visitor_id, customer_id)
);

CREATE INDEX identity_links_customer_idx ON identity_links (customer_id);

INSERT INTO identity_links (visitor_id, customer_id, linked_at)
SELECT visitor_id, customer_id, signup_at FROM customer_journeys
WHERE visitor_id <> '' AND char_length(visitor_id) <= 255 AND signup_at IS NOT NULL;

-- What browsers report to /api/track, month by month.
CREATE TABLE analytics_events (
    id           uuid        NOT NULL,
    event_type   text        NOT NULL CHECK (char_length(event_type) <= 50),
    visitor_id   text        CHECK (char_length(visitor_id) <= 255),
    session_id   text        CHECK (char_length(session_id) <= 255),
    page_path    text        CHECK (char_length(page_path) <= 500),
    referrer     text        CHECK (char_length(referrer) <= 500),
    user_agent   text,
    ip_network   cidr,
    utm_source   text        CHECK (char_length(utm_source) <= 100),
    utm_medium   text        CHECK (char_length(utm_medium) <= 100),
    utm_campaign text        CHECK (char_length(utm_campaign) <= 100),
    utm_term     text        CHECK (char_length(utm_term) <= 100),
    utm_content  text        CHECK (char_length(utm_content) <= 100),
    metadata     jsonb       NOT NULL DEFAULT '{}',
    inserted_at  timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (id, inserted_at)
) PARTITION BY RANGE (inserted_at);

CREATE INDEX analytics_events_type_idx ON analytics_events (event_type, inserted_at);
CREATE INDEX analytics_events_visitor_idx ON analytics_events (visitor_id) WHERE visitor_id IS NOT NULL;

CREATE TABLE analytics_events_default PARTITION OF analytics_events DEFAULT;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION create_analytics_partition_if_not_exists(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', day);
    part  text := 'analytics_events_' || to_char(month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('analytics_events partitions'));
    IF EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'analytics_events'::regclass AND c.relname = part) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE analytics_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format('ALTER TABLE analytics_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
        month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END $$;
-- +goose StatementEnd

SELECT create_analytics_partition_if_not_exists((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date)
FROM generate_series(-1, 3) n;

-- Who took events: one row for each start of a process. What a source accepted
-- is stored, deduplicated, dropped, or still in a spool.
CREATE TABLE ingest_sources (
    source       uuid        PRIMARY KEY,
    -- The pod, or the host where there is none.
    host         text        NOT NULL DEFAULT '',
    -- A cluster's spool outlives its pods; an embedded one is a pod's own.
    spool        text        NOT NULL DEFAULT 'embedded' CHECK (spool IN ('embedded', 'cluster')),
    accepted     bigint      NOT NULL DEFAULT 0 CHECK (accepted >= 0),
    stored       bigint      NOT NULL DEFAULT 0 CHECK (stored >= 0),
    deduplicated bigint      NOT NULL DEFAULT 0 CHECK (deduplicated >= 0),
    dropped      bigint      NOT NULL DEFAULT 0 CHECK (dropped >= 0),
    -- How many of its events somebody still had in a spool, and when that was said.
    spooled      bigint      NOT NULL DEFAULT 0 CHECK (spooled >= 0),
    spooled_at   timestamptz,
    inserted_at  timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- The dropped by reason.
CREATE TABLE ingest_drops (
    source uuid   NOT NULL REFERENCES ingest_sources ON DELETE CASCADE,
    reason text   NOT NULL,
    events bigint NOT NULL CHECK (events > 0),
    PRIMARY KEY (source, reason)
);

-- Batches whose outcome is committed; delivering one again changes nothing.
CREATE TABLE ingest_batches (
    source     uuid        NOT NULL,
    number     bigint      NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, number)
);

CREATE INDEX ingest_batches_settled_idx ON ingest_batches USING brin (settled_at);

-- Events that the database refuses, kept for whoever wants to know why.
CREATE TABLE funnel_dead_letters (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      uuid,
    event_id    uuid,
    event_type  text        NOT NULL,
    reason      text        NOT NULL,
    -- JSON as bytes: what is wrong with it may be that no text column takes it.
    payload     bytea       NOT NULL,
    inserted_at timestamptz NOT NULL DEFAULT now()
);

-- What the nightly comparison of milestones with accounts found.
CREATE TABLE funnel_reconciliations (
    at        timestamptz PRIMARY KEY,
    customers bigint NOT NULL,
    signups   bigint NOT NULL,
    keyed     bigint NOT NULL,
    keys      bigint NOT NULL,
    strange   bigint NOT NULL
);

-- +goose Down
DROP TABLE funnel_reconciliations;
DROP TABLE funnel_dead_letters;
DROP TABLE ingest_batches;
DROP TABLE ingest_drops;
DROP TABLE ingest_sources;
DROP TABLE analytics_events;
DROP FUNCTION create_analytics_partition_if_not_exists;
DROP TABLE identity_links;
DROP TABLE event_keys;
DROP TABLE funnel_call_deltas;
ALTER TABLE customer_journeys DROP COLUMN api_calls;
ALTER TABLE funnel_events RENAME TO funnel_events_parted;
ALTER INDEX funnel_events_pkey RENAME TO funnel_events_parted_pkey;
ALTER INDEX funnel_events_customer_idx RENAME TO funnel_events_parted_customer_idx;
ALTER INDEX funnel_events_visitor_idx RENAME TO funnel_events_parted_visitor_idx;
CREATE TABLE funnel_events (LIKE funnel_events_parted INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE funnel_events DROP COLUMN site, DROP COLUMN name;
ALTER TABLE funnel_events ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE;
CREATE INDEX funnel_events_type_time_idx ON funnel_events (event_type, occurred_at);
CREATE INDEX funnel_events_customer_idx ON funnel_events (customer_id, occurred_at) WHERE customer_id IS NOT NULL;
CREATE INDEX funnel_events_visitor_idx ON funnel_events (visitor_id, occurred_at) WHERE visitor_id IS NOT NULL;
INSERT INTO funnel_events SELECT id, event_type, customer_id, visitor_id, session_id, page_path, referrer, user_agent,
    ip_network, utm_source, utm_medium, utm_campaign, utm_term, utm_content, metadata, occurred_at, inserted_at
FROM funnel_events_parted WHERE event_type NOT IN ('engagement', 'custom');
DROP TABLE funnel_events_parted;
DROP FUNCTION create_funnel_partition_if_not_exists;
DROP FUNCTION lowest_uuid_at;
