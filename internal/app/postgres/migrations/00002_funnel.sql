-- +goose Up
-- Append-only. The id is a UUIDv7 that the server mints, so that replaying an
-- event is harmless and ids sort by time.
CREATE TABLE funnel_events (
    id           uuid        PRIMARY KEY,
    event_type   text        NOT NULL CHECK (event_type IN (
        'page_view', 'signup', 'api_key_created', 'first_api_call', 'api_call')),
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
    occurred_at  timestamptz NOT NULL,
    inserted_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX funnel_events_type_time_idx ON funnel_events (event_type, occurred_at);
CREATE INDEX funnel_events_customer_idx ON funnel_events (customer_id, occurred_at) WHERE customer_id IS NOT NULL;
CREATE INDEX funnel_events_visitor_idx ON funnel_events (visitor_id, occurred_at) WHERE visitor_id IS NOT NULL;

CREATE TABLE customer_journeys (
    customer_id                bigint PRIMARY KEY REFERENCES customers ON DELETE CASCADE,
    visitor_id                 text,
    session_id                 text,
    first_visit_at             timestamptz,
    signup_at                  timestamptz,
    api_key_created_at         timestamptz,
    first_api_call_at          timestamptz,
    second_api_call_at         timestamptz,
    visit_to_signup_seconds    bigint  CHECK (visit_to_signup_seconds >= 0),
    signup_to_api_key_seconds  bigint  CHECK (signup_to_api_key_seconds >= 0),
    api_key_to_first_call_seconds bigint CHECK (api_key_to_first_call_seconds >= 0),
    first_to_second_call_seconds  bigint CHECK (first_to_second_call_seconds >= 0),
    utm_source                 text,
    utm_medium                 text,
    utm_campaign               text,
    utm_term                   text,
    utm_content                text,
    completed_signup           boolean NOT NULL DEFAULT false,
    completed_api_key          boolean NOT NULL DEFAULT false,
    completed_activation       boolean NOT NULL DEFAULT false,
    completed_retention        boolean NOT NULL DEFAULT false,
    inserted_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                 timestamptz NOT NULL DEFAULT now(),
    CHECK (completed_activation = (first_api_call_at IS NOT NULL)),
    CHECK (completed_retention = (second_api_call_at IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX customer_journeys_visitor_idx ON customer_journeys (visitor_id) WHERE visitor_id IS NOT NULL;
CREATE INDEX customer_journeys_first_call_idx ON customer_journeys (first_api_call_at) WHERE completed_activation;
CREATE INDEX customer_journeys_second_call_idx ON customer_journeys (second_api_call_at) WHERE completed_retention;

-- One row per customer and stage, whatever the number of pods and replays.
CREATE TABLE funnel_milestones (
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    stage       text        NOT NULL CHECK (stage IN ('signup', 'api_key', 'activation', 'retention')),
    event_id    uuid        NOT NULL,
    reached_at  timestamptz NOT NULL,
    PRIMARY KEY (customer_id, stage)
);

-- Stored periods, recomputed whole; period_end is the first day after it.
CREATE TABLE funnel_metrics (
    period_start                 date   NOT NULL,
    period_end                   date   NOT NULL,
    period_type                  text   NOT NULL CHECK (period_type IN ('day', 'week', 'month')),
    website_visits               bigint NOT NULL CHECK (website_visits >= 0),
    unique_visitors              bigint NOT NULL CHECK (unique_visitors >= 0),
    signups                      bigint NOT NULL CHECK (signups >= 0),
    api_keys_created             bigint NOT NULL CHECK (api_keys_created >= 0),
    activated_users              bigint NOT NULL CHECK (activated_users >= 0),
    retained_users               bigint NOT NULL CHECK (retained_users >= 0),
    visit_to_signup_rate         numeric(12, 2) NOT NULL,
    signup_to_api_key_rate       numeric(12, 2) NOT NULL,
    api_key_to_activation_rate   numeric(12, 2) NOT NULL,
    activation_to_retention_rate numeric(12, 2) NOT NULL,
    top_utm_sources              jsonb  NOT NULL DEFAULT '{}',
    top_utm_campaigns            jsonb  NOT NULL DEFAULT '{}',
    updated_at                   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (period_type, period_start),
    CHECK (period_end = CASE period_type
        WHEN 'day' THEN period_start + 1
        WHEN 'week' THEN period_start + 7
        ELSE (period_start + interval '1 month')::date END)
);

-- +goose Down
DROP TABLE funnel_metrics;
DROP TABLE funnel_milestones;
DROP TABLE customer_journeys;
DROP TABLE funnel_events;
