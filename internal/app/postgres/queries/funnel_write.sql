-- name: InsertEvents :many
-- Answers how many were new, by type.
WITH added AS (
    INSERT INTO funnel_events (
        id, event_type, customer_id, visitor_id, session_id, page_path, referrer, user_agent, ip_network,
        utm_source, utm_medium, utm_campaign, utm_term, utm_content, occurred_at, site, name, metadata, referrer_class)
    SELECT e.id, e.event_type, nullif(e.customer_id, 0), nullif(e.visitor_id, ''), nullif(e.session_id, ''),
        nullif(e.page_path, ''), nullif(e.referrer, ''), nullif(e.user_agent, ''), nullif(e.ip_network, '')::cidr,
        nullif(e.utm_source, ''), nullif(e.utm_medium, ''), nullif(e.utm_campaign, ''), nullif(e.utm_term, ''),
        nullif(e.utm_content, ''), e.occurred_at, nullif(e.site, ''), nullif(e.name, ''), coalesce(nullif(e.metadata, ''), '{}')::jsonb,
        nullif(e.referrer_class, '')
    FROM (
        SELECT unnest(@ids::uuid[]) AS id, unnest(@event_types::text[]) AS event_type,
            unnest(@customer_ids::bigint[]) AS customer_id, unnest(@visitor_ids::text[]) AS visitor_id,
            unnest(@session_ids::text[]) AS session_id, unnest(@page_paths::text[]) AS page_path,
            unnest(@referrers::text[]) AS referrer, unnest(@user_agents::text[]) AS user_agent,
            unnest(@ip_networks::text[]) AS ip_network, unnest(@utm_sources::text[]) AS utm_source,
            unnest(@utm_mediums::text[]) AS utm_medium, unnest(@utm_campaigns::text[]) AS utm_campaign,
            unnest(@utm_terms::text[]) AS utm_term, unnest(@utm_contents::text[]) AS utm_content,
            unnest(@occurred_ats::timestamptz[]) AS occurred_at, unnest(@sites::text[]) AS site,
            unnest(@names::text[]) AS name, unnest(@metadatas::text[]) AS metadata,
            unnest(@referrer_classes::text[]) AS referrer_class
    ) e
    ON CONFLICT (id) DO NOTHING
    RETURNING event_type
)
SELECT event_type, count(*) AS added FROM added GROUP BY event_type;

-- name: InsertAnalytics :execrows
INSERT INTO analytics_events (
    id, event_type, visitor_id, session_id, page_path, referrer, user_agent, ip_network,
    utm_source, utm_medium, utm_campaign, utm_term, utm_content, metadata, inserted_at, updated_at)
VALUES (@id, left(@event_type::text, 50), nullif(@visitor_id::text, ''), nullif(@session_id::text, ''),
    nullif(left(@page_path::text, 500), ''), nullif(left(@referrer::text, 500), ''), nullif(@user_agent::text, ''),
    nullif(@ip_network::text, '')::cidr, nullif(@utm_source::text, ''), nullif(@utm_medium::text, ''),
    nullif(@utm_campaign::text, ''), nullif(@utm_term::text, ''), nullif(@utm_content::text, ''),
    coalesce(nullif(@metadata::text, ''), '{}')::jsonb, @occurred_at, @occurred_at)
ON CONFLICT (id, inserted_at) DO NOTHING;

-- name: ClaimKeys :many
-- Answers the events whose keys were not used within the given time; those alone
-- are new. Keys are sorted, so that two batches never deadlock on them.
INSERT INTO event_keys (site, key, event_id)
SELECT k.site, k.key, k.event_id
FROM (SELECT unnest(@sites::text[]) AS site, unnest(@keys::text[]) AS key, unnest(@event_ids::uuid[]) AS event_id) k
ORDER BY k.site, k.key
ON CONFLICT (site, key) DO UPDATE SET event_id = excluded.event_id, seen_at = now()
    WHERE event_keys.seen_at < now() - make_interval(secs => @seconds::float8)
RETURNING event_id;

-- name: InsertCallDeltas :many
INSERT INTO funnel_call_deltas (boot, sequence, customer_id, calls, first_at, second_at, last_at)
SELECT d.boot, d.sequence, d.customer_id, d.calls, d.first_at, nullif(d.second_at, 'epoch'), d.last_at
FROM (SELECT unnest(@boots::uuid[]) AS boot, unnest(@sequences::bigint[]) AS sequence, unnest(@customer_ids::bigint[]) AS customer_id,
    unnest(@calls::bigint[]) AS calls, unnest(@first_ats::timestamptz[]) AS first_at,
    unnest(@second_ats::timestamptz[]) AS second_at, unnest(@last_ats::timestamptz[]) AS last_at) d
ON CONFLICT (boot, sequence) DO NOTHING
RETURNING boot, sequence;

-- name: KnownEvents :many
SELECT id FROM funnel_events WHERE id = ANY(@ids::uuid[]);

-- name: EnsureJourneys :exec
INSERT INTO customer_journeys (customer_id)
SELECT c.id FROM customers c WHERE c.id = ANY(@customer_ids::bigint[]) ORDER BY c.id
ON CONFLICT (customer_id) DO NOTHING;

-- name: LockJourneys :many
SELECT * FROM customer_journeys WHERE customer_id = ANY(@customer_ids::bigint[])
ORDER BY customer_id FOR UPDATE;

-- name: UpdateJourneyCalls :exec
UPDATE customer_journeys j SET
    first_api_call_at = nullif(n.first_at, 'epoch'),
    second_api_call_at = nullif(n.second_at, 'epoch'),
    api_key_to_first_call_seconds = nullif(n.to_first, -1),
    first_to_second_call_seconds = nullif(n.to_second, -1),
    completed_activation = n.first_at <> 'epoch',
    completed_retention = n.second_at <> 'epoch',
    api_calls = n.calls,
    updated_at = now()
FROM (SELECT unnest(@customer_ids::bigint[]) AS customer_id, unnest(@first_ats::timestamptz[]) AS first_at,
    unnest(@second_ats::timestamptz[]) AS second_at, unnest(@to_firsts::bigint[]) AS to_first,
    unnest(@to_seconds::bigint[]) AS to_second, unnest(@api_calls::bigint[]) AS calls) n
WHERE j.customer_id = n.customer_id;

-- name: InsertMilestone :execrows
INSERT INTO funnel_milestones (customer_id, stage, event_id, reached_at)
VALUES (@customer_id, @stage, @event_id, @reached_at)
ON CONFLICT (customer_id, stage) DO NOTHING;

-- name: InsertSignupJourney :exec
INSERT INTO customer_journeys (
    customer_id, visitor_id, session_id, first_visit_at, signup_at, api_key_created_at,
    visit_to_signup_seconds, signup_to_api_key_seconds,
    utm_source, utm_medium, utm_campaign, utm_term, utm_content, completed_signup, completed_api_key)
VALUES (
    @customer_id, nullif(@visitor_id::text, ''), nullif(@session_id::text, ''), @first_visit_at, @signup_at, @api_key_created_at,
    @visit_to_signup_seconds, @signup_to_api_key_seconds,
    nullif(@utm_source::text, ''), nullif(@utm_medium::text, ''), nullif(@utm_campaign::text, ''),
    nullif(@utm_term::text, ''), nullif(@utm_content::text, ''), true, true);

-- name: FirstKeyJourney :exec
INSERT INTO customer_journeys (customer_id, api_key_created_at, completed_api_key) VALUES (@customer_id, @at, true)
ON CONFLICT (customer_id) DO UPDATE SET
    api_key_created_at = coalesce(customer_journeys.api_key_created_at, excluded.api_key_created_at),
    signup_to_api_key_seconds = coalesce(customer_journeys.signup_to_api_key_seconds,
        greatest(0, floor(extract(epoch FROM excluded.api_key_created_at - customer_journeys.signup_at))::bigint)),
    completed_api_key = true, updated_at = now();

-- name: LinkIdentity :exec
INSERT INTO identity_links (visitor_id, customer_id, linked_at) VALUES (@visitor_id, @customer_id, @linked_at)
ON CONFLICT (visitor_id, customer_id) DO NOTHING;

-- name: FirstVisit :many
SELECT occurred_at FROM funnel_events
WHERE visitor_id = @visitor_id::text AND event_type = 'page_view' AND occurred_at <= @until
ORDER BY occurred_at LIMIT 1;

-- name: FirstCampaign :many
SELECT coalesce(utm_source, '') AS utm_source, coalesce(utm_medium, '') AS utm_medium,
    coalesce(utm_campaign, '') AS utm_campaign, coalesce(utm_term, '') AS utm_term,
    coalesce(utm_content, '') AS utm_content
FROM funnel_events
WHERE visitor_id = @visitor_id::text AND event_type = 'page_view' AND occurred_at <= @until
    AND coalesce(utm_source, utm_medium, utm_campaign, utm_term, utm_content) IS NOT NULL
ORDER BY occurred_at, id
LIMIT 1;

-- name: LinkedVisitors :many
SELECT DISTINCT visitor_id::text FROM customer_journeys WHERE visitor_id = ANY(@visitor_ids::text[]);

-- name: LateVisits :execrows
-- A visit stored after the signup it led to only ever lowers the first visit.
UPDATE customer_journeys j SET
    first_visit_at = v.visited_at,
    visit_to_signup_seconds = floor(extract(epoch FROM j.signup_at - v.visited_at))::bigint,
    updated_at = now()
FROM (
    SELECT k.customer_id, min(e.visited_at) AS visited_at
    FROM (SELECT unnest(@visitor_ids::text[]) AS visitor_id, unnest(@visited_ats::timestamptz[]) AS visited_at) e
    JOIN customer_journeys k ON k.visitor_id = e.visitor_id AND e.visited_at <= k.signup_at
    GROUP BY k.customer_id
) v
WHERE j.customer_id = v.customer_id AND (j.first_visit_at IS NULL OR v.visited_at < j.first_visit_at);

-- name: LateCampaigns :execrows
-- The first campaign of such visits is the journey's when it has none.
UPDATE customer_journeys j SET
    utm_source = v.utm_source, utm_medium = v.utm_medium, utm_campaign = v.utm_campaign,
    utm_term = v.utm_term, utm_content = v.utm_content, updated_at = now()
FROM (
    SELECT DISTINCT ON (k.customer_id) k.customer_id, e.utm_source, e.utm_medium, e.utm_campaign, e.utm_term, e.utm_content
    FROM customer_journeys k
    JOIN funnel_events e ON e.visitor_id = k.visitor_id AND e.event_type = 'page_view' AND e.occurred_at <= k.signup_at
    WHERE k.visitor_id = ANY(@visitor_ids::text[])
        AND coalesce(e.utm_source, e.utm_medium, e.utm_campaign, e.utm_term, e.utm_content) IS NOT NULL
    ORDER BY k.customer_id, e.occurred_at, e.id
) v
WHERE j.customer_id = v.customer_id
    AND coalesce(j.utm_source, j.utm_medium, j.utm_campaign, j.utm_term, j.utm_content) IS NULL;

-- name: LockLinks :exec
SELECT pg_advisory_xact_lock(@key::bigint);

-- name: LockLinksShared :exec
SELECT pg_advisory_xact_lock_shared(@key::bigint);
