-- name: TryLock :one
SELECT pg_try_advisory_xact_lock(@key::bigint) AS locked;

-- name: UntrackedSignups :many
-- Milestones are never pruned, so a customer who has both is tracked.
SELECT c.id, c.inserted_at AS signup_at, (k.key_at IS NOT NULL)::bool AS has_key,
    coalesce(k.key_at, c.inserted_at)::timestamptz AS key_at
FROM customers c
LEFT JOIN (SELECT customer_id, min(inserted_at)::timestamptz AS key_at FROM api_keys GROUP BY customer_id) k ON k.customer_id = c.id
WHERE NOT c.internal AND (
    NOT EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = c.id AND m.stage = 'signup')
    OR k.key_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = c.id AND m.stage = 'api_key')
    OR NOT EXISTS (SELECT FROM customer_journeys j WHERE j.customer_id = c.id AND j.completed_signup
        AND (j.completed_api_key OR k.key_at IS NULL)))
ORDER BY c.id LIMIT @most;

-- name: RepairJourney :exec
INSERT INTO customer_journeys (
    customer_id, signup_at, api_key_created_at, signup_to_api_key_seconds, completed_signup, completed_api_key)
VALUES (@customer_id, @signup_at, @api_key_created_at, @signup_to_api_key_seconds, true, @completed_api_key)
ON CONFLICT (customer_id) DO UPDATE SET
    signup_at = coalesce(customer_journeys.signup_at, excluded.signup_at),
    api_key_created_at = coalesce(customer_journeys.api_key_created_at, excluded.api_key_created_at),
    signup_to_api_key_seconds = coalesce(customer_journeys.signup_to_api_key_seconds, excluded.signup_to_api_key_seconds),
    api_key_to_first_call_seconds = coalesce(customer_journeys.api_key_to_first_call_seconds, CASE
        WHEN customer_journeys.first_api_call_at IS NOT NULL AND excluded.api_key_created_at IS NOT NULL
        THEN greatest(0, floor(extract(epoch FROM customer_journeys.first_api_call_at - excluded.api_key_created_at))::bigint)
    END),
    completed_signup = true,
    completed_api_key = customer_journeys.completed_api_key OR excluded.completed_api_key,
    updated_at = now();

-- name: UnlinkedVisits :many
-- The first visits of recent signups that know a later one or none, or no campaign.
SELECT j.visitor_id::text AS visitor_id, min(e.occurred_at)::timestamptz AS visited_at
FROM customer_journeys j
JOIN funnel_events e ON e.visitor_id = j.visitor_id AND e.event_type = 'page_view' AND e.occurred_at <= j.signup_at
WHERE j.signup_at >= @since
GROUP BY j.customer_id
HAVING j.first_visit_at IS NULL OR min(e.occurred_at) < j.first_visit_at
    OR coalesce(j.utm_source, j.utm_medium, j.utm_campaign, j.utm_term, j.utm_content) IS NULL;

-- name: ForgetDay :exec
DELETE FROM funnel_metrics WHERE period_start <= @day AND period_end > @day;
