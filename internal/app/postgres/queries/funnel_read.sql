-- name: CountEvents :one
-- Numbers leave out internal customers, and the visits of the browsers that they signed up with.
SELECT
    count(*) FILTER (WHERE e.event_type = 'page_view') AS website_visits,
    count(DISTINCT e.visitor_id) FILTER (WHERE e.event_type = 'page_view') AS unique_visitors,
    count(*) FILTER (WHERE e.event_type = 'signup') AS signups,
    count(*) FILTER (WHERE e.event_type = 'api_key_created') AS api_keys_created
FROM funnel_events e
LEFT JOIN customers c ON c.id = e.customer_id
WHERE e.event_type IN ('page_view', 'signup', 'api_key_created')
    AND e.occurred_at >= @since AND e.occurred_at < @until
    AND NOT coalesce(c.internal, false)
    AND NOT (e.event_type = 'page_view' AND coalesce(e.visitor_id, '') IN (
        SELECT j.visitor_id FROM customer_journeys j JOIN customers i ON i.id = j.customer_id
        WHERE i.internal AND j.visitor_id IS NOT NULL));

-- name: CountCalls :one
SELECT
    (SELECT count(*) FROM customer_journeys j JOIN customers c ON c.id = j.customer_id
     WHERE j.completed_activation AND NOT c.internal
         AND j.first_api_call_at >= @since AND j.first_api_call_at < @until) AS activated_users,
    (SELECT count(*) FROM customer_journeys j JOIN customers c ON c.id = j.customer_id
     WHERE j.completed_retention AND NOT c.internal
         AND j.second_api_call_at >= @since AND j.second_api_call_at < @until) AS retained_users;

-- name: TopSources :many
SELECT e.utm_source::text AS value, count(*) AS events
FROM funnel_events e
LEFT JOIN customers c ON c.id = e.customer_id
WHERE e.event_type IN ('page_view', 'signup') AND e.occurred_at >= @since AND e.occurred_at < @until
    AND e.utm_source IS NOT NULL AND NOT coalesce(c.internal, false)
    AND NOT (e.event_type = 'page_view' AND coalesce(e.visitor_id, '') IN (
        SELECT j.visitor_id FROM customer_journeys j JOIN customers i ON i.id = j.customer_id
        WHERE i.internal AND j.visitor_id IS NOT NULL))
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;

-- name: TopCampaigns :many
SELECT e.utm_campaign::text AS value, count(*) AS events
FROM funnel_events e
LEFT JOIN customers c ON c.id = e.customer_id
WHERE e.event_type IN ('page_view', 'signup') AND e.occurred_at >= @since AND e.occurred_at < @until
    AND e.utm_campaign IS NOT NULL AND NOT coalesce(c.internal, false)
    AND NOT (e.event_type = 'page_view' AND coalesce(e.visitor_id, '') IN (
        SELECT j.visitor_id FROM customer_journeys j JOIN customers i ON i.id = j.customer_id
        WHERE i.internal AND j.visitor_id IS NOT NULL))
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;

-- name: UpsertMetrics :exec
INSERT INTO funnel_metrics (
    period_start, period_end, period_type, website_visits, unique_visitors, signups, api_keys_created,
    activated_users, retained_users, visit_to_signup_rate, signup_to_api_key_rate,
    api_key_to_activation_rate, activation_to_retention_rate, top_utm_sources, top_utm_campaigns)
VALUES (
    @period_start, @period_end, @period_type, @website_visits, @unique_visitors, @signups, @api_keys_created,
    @activated_users, @retained_users, @visit_to_signup_rate::numeric, @signup_to_api_key_rate::numeric,
    @api_key_to_activation_rate::numeric, @activation_to_retention_rate::numeric,
    @top_utm_sources, @top_utm_campaigns)
ON CONFLICT (period_type, period_start) DO UPDATE SET
    website_visits = excluded.website_visits, unique_visitors = excluded.unique_visitors,
    signups = excluded.signups, api_keys_created = excluded.api_keys_created,
    activated_users = excluded.activated_users, retained_users = excluded.retained_users,
    visit_to_signup_rate = excluded.visit_to_signup_rate,
    signup_to_api_key_rate = excluded.signup_to_api_key_rate,
    api_key_to_activation_rate = excluded.api_key_to_activation_rate,
    activation_to_retention_rate = excluded.activation_to_retention_rate,
    top_utm_sources = excluded.top_utm_sources, top_utm_campaigns = excluded.top_utm_campaigns,
    updated_at = now();

-- name: ForgetDaysOfCustomer :exec
-- Stored numbers that were made with this customer, or without it.
DELETE FROM funnel_metrics m USING customers c LEFT JOIN customer_journeys j ON j.customer_id = c.id
WHERE c.id = @customer_id AND m.period_end > (least(c.inserted_at, j.first_visit_at) AT TIME ZONE 'UTC')::date;
