-- name: CustomersFromVisit :one
-- How far customers came within the window from a visit in the period. Of all
-- visits of one person, the last before the signup leaves most time. Who signed
-- up before the period by a browser of nobody else is counted by its set.
WITH entered AS (
    SELECT j.customer_id, max(v.before_signup) AS entry, j.signup_at, j.api_key_at, j.activation_at, j.retention_at
    FROM funnel_links k
    JOIN funnel_journeys j ON j.customer_id = k.customer_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS visits, max(e.occurred_at) FILTER (WHERE e.occurred_at <= j.signup_at) AS before_signup
        FROM funnel_events e
        WHERE e.visitor_id = k.visitor_id AND e.event_type = 'page_view'
            AND e.occurred_at >= @since::timestamptz AND e.occurred_at < @until::timestamptz
            AND e.id >= lowest_uuid_at(@oldest::timestamptz) AND e.id < lowest_uuid_at(@latest::timestamptz)
            AND e.occurred_at > k.since_at AND e.occurred_at <= k.until_at
    ) v
    WHERE v.visits > 0 AND (j.signup_at IS NULL OR j.signup_at >= @since::timestamptz OR j.customer_id IN (
        SELECT s.customer_id FROM funnel_links s WHERE s.since_at > '-infinity' OR s.until_at < 'infinity'))
    GROUP BY j.customer_id, j.signup_at, j.api_key_at, j.activation_at, j.retention_at
)
SELECT count(*) AS visit,
    count(*) FILTER (WHERE e.signup_at <= e.entry + make_interval(secs => @seconds::float8)) AS signup,
    count(*) FILTER (WHERE e.api_key_at <= e.entry + make_interval(secs => @seconds::float8)) AS api_key,
    count(*) FILTER (WHERE e.activation_at <= e.entry + make_interval(secs => @seconds::float8)) AS activation,
    count(*) FILTER (WHERE e.retention_at <= e.entry + make_interval(secs => @seconds::float8)) AS retention,
    count(*) FILTER (WHERE e.entry IS NULL AND e.signup_at IS NOT NULL) AS returning_customers,
    ((SELECT count(*) FROM funnel_journeys s WHERE s.signup_at >= @since::timestamptz AND s.signup_at < @until::timestamptz)
        - count(*) FILTER (WHERE e.entry IS NOT NULL AND e.signup_at < @until::timestamptz))::bigint AS unseen
FROM entered e;

-- name: CustomersFromStage :one
SELECT count(*) AS entered,
    count(*) FILTER (WHERE p.api_key_at <= p.entry + make_interval(secs => @seconds::float8)) AS api_key,
    count(*) FILTER (WHERE p.activation_at <= p.entry + make_interval(secs => @seconds::float8)) AS activation,
    count(*) FILTER (WHERE p.retention_at <= p.entry + make_interval(secs => @seconds::float8)) AS retention
FROM (SELECT j.*, CASE @stage::text WHEN 'signup' THEN j.signup_at WHEN 'api_key' THEN j.api_key_at
    ELSE j.activation_at END AS entry FROM funnel_journeys j) p
WHERE p.entry >= @since::timestamptz AND p.entry < @until::timestamptz;

-- name: StageTiming :many
SELECT s.step::text AS step, count(*) AS entered, count(s.reached_at) AS reached,
    coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.reached_at - s.since_at)::float8), 0)::float8 AS median,
    coalesce(percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM s.reached_at - s.since_at)::float8), 0)::float8 AS p90
FROM funnel_journeys j CROSS JOIN LATERAL (VALUES
    ('signup', j.first_visit_at, j.signup_at), ('api_key', j.signup_at, j.api_key_at),
    ('activation', j.api_key_at, j.activation_at), ('retention', j.activation_at, j.retention_at)
) s (step, since_at, reached_at)
WHERE s.since_at >= @since::timestamptz AND s.since_at < @until::timestamptz
GROUP BY s.step;

-- name: DropOff :many
SELECT s.stage::text AS stage, count(*) AS reached, count(s.next_at) AS went_on,
    count(*) FILTER (WHERE s.next_at IS NULL AND s.at <= @stalled_before::timestamptz) AS stalled
FROM funnel_journeys j CROSS JOIN LATERAL (VALUES
    ('signup', j.signup_at, j.api_key_at), ('api_key', j.api_key_at, j.activation_at),
    ('activation', j.activation_at, j.retention_at)
) s (stage, at, next_at)
WHERE s.at >= @since::timestamptz AND s.at < @until::timestamptz
GROUP BY s.stage;

-- name: StalledCustomers :many
SELECT c.id, c.name, c.email, s.stage::text AS stage, s.at::timestamptz AS at
FROM funnel_journeys j
JOIN customers c ON c.id = j.customer_id
CROSS JOIN LATERAL (VALUES
    ('signup', j.signup_at, j.api_key_at), ('api_key', j.api_key_at, j.activation_at),
    ('activation', j.activation_at, j.retention_at)
) s (stage, at, next_at)
WHERE s.at >= @since::timestamptz AND s.at < @until::timestamptz AND s.at <= @stalled_before::timestamptz
    AND s.next_at IS NULL AND c.id < @before::bigint
ORDER BY c.id DESC LIMIT sqlc.arg(most)::int;

-- name: Cohorts :many
SELECT w.number::bigint AS number, count(*) AS signups,
    count(*) FILTER (WHERE j.api_key_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS api_keys,
    count(*) FILTER (WHERE j.activation_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS activated,
    count(*) FILTER (WHERE j.retention_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS retained,
    count(j.retention_at) AS ever_retained
FROM (SELECT unnest(@numbers::bigint[]) AS number, unnest(@sinces::timestamptz[]) AS since, unnest(@untils::timestamptz[]) AS until) w
JOIN funnel_journeys j ON j.signup_at >= w.since AND j.signup_at < w.until
GROUP BY w.number;

-- name: SourcesOfCustomers :many
-- By first touch: the first visit that names a campaign, of any of the
-- browsers of the customer and not after the signup, or else what the signup
-- named, which the journey remembers when its event is gone.
WITH touched AS (
    SELECT DISTINCT ON (j.customer_id) j.customer_id, e.utm_source, e.utm_medium, e.utm_campaign
    FROM funnel_journeys j
    JOIN funnel_links k ON k.customer_id = j.customer_id
    JOIN funnel_events e ON e.visitor_id = k.visitor_id AND e.event_type = 'page_view'
        AND e.occurred_at <= j.signup_at AND e.occurred_at > k.since_at AND e.occurred_at <= k.until_at
    WHERE j.signup_at >= @since::timestamptz AND j.signup_at < @until::timestamptz
        AND coalesce(e.utm_source, e.utm_medium, e.utm_campaign) IS NOT NULL
    ORDER BY j.customer_id, e.occurred_at, e.id
)
SELECT coalesce(CASE @kind::text
        WHEN 'source' THEN CASE WHEN t.customer_id IS NOT NULL THEN t.utm_source WHEN s.id IS NOT NULL THEN s.utm_source ELSE j.utm_source END
        WHEN 'medium' THEN CASE WHEN t.customer_id IS NOT NULL THEN t.utm_medium WHEN s.id IS NOT NULL THEN s.utm_medium ELSE j.utm_medium END
        ELSE CASE WHEN t.customer_id IS NOT NULL THEN t.utm_campaign WHEN s.id IS NOT NULL THEN s.utm_campaign ELSE j.utm_campaign END
    END, '')::text AS value,
    count(*) AS signups,
    count(*) FILTER (WHERE j.api_key_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS api_keys,
    count(*) FILTER (WHERE j.activation_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS activated,
    count(*) FILTER (WHERE j.retention_at <= j.signup_at + make_interval(secs => @seconds::float8)) AS retained
FROM funnel_journeys j
LEFT JOIN touched t ON t.customer_id = j.customer_id
LEFT JOIN funnel_milestones m ON m.customer_id = j.customer_id AND m.stage = 'signup'
LEFT JOIN funnel_events s ON s.id = m.event_id
WHERE j.signup_at >= @since::timestamptz AND j.signup_at < @until::timestamptz
GROUP BY 1;

-- name: SourcesOfVisitors :many
SELECT coalesce(CASE @kind::text WHEN 'source' THEN e.utm_source WHEN 'medium' THEN e.utm_medium ELSE e.utm_campaign END, '')::text AS value,
    count(DISTINCT e.visitor_id) AS visitors
FROM funnel_events e
WHERE e.event_type = 'page_view' AND e.occurred_at >= @since::timestamptz AND e.occurred_at < @until::timestamptz
    AND e.id >= lowest_uuid_at(@oldest::timestamptz)
    AND NOT EXISTS (SELECT FROM identity_links l JOIN customers c ON c.id = l.customer_id WHERE l.visitor_id = e.visitor_id AND c.internal)
GROUP BY 1;

-- name: ListJourneys :many
SELECT j.customer_id, c.name, c.email, j.first_visit_at, j.signup_at, j.api_key_created_at, j.first_api_call_at, j.second_api_call_at,
    j.api_calls, coalesce(j.utm_source, '') AS utm_source, coalesce(j.utm_medium, '') AS utm_medium,
    coalesce(j.utm_campaign, '') AS utm_campaign, coalesce(j.utm_term, '') AS utm_term, coalesce(j.utm_content, '') AS utm_content
FROM customer_journeys j JOIN customers c ON c.id = j.customer_id
WHERE NOT c.internal AND j.customer_id < @before::bigint
    AND (sqlc.narg(activated)::bool IS NULL OR j.completed_activation = sqlc.narg(activated)::bool)
    AND (sqlc.narg(retained)::bool IS NULL OR j.completed_retention = sqlc.narg(retained)::bool)
    AND (sqlc.narg(since)::timestamptz IS NULL OR j.signup_at >= sqlc.narg(since)::timestamptz)
    AND (@source::text = '' OR j.utm_source = @source::text)
ORDER BY j.customer_id DESC LIMIT sqlc.arg(most)::int;

-- name: CountSettled :one
SELECT coalesce(sum(accepted), 0)::bigint AS accepted,
    coalesce(sum(least(accepted, stored + deduplicated + dropped)), 0)::bigint AS settled
FROM ingest_sources;
