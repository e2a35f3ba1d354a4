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
-- Stored numbers that were made with this customer, or without it, of the
-- months whose events are still there.
DELETE FROM funnel_metrics m USING customers c LEFT JOIN customer_journeys j ON j.customer_id = c.id
WHERE c.id = @customer_id AND m.period_end > (least(c.inserted_at, j.first_visit_at, (
        SELECT min(e.occurred_at) FROM identity_links l JOIN funnel_events e ON e.visitor_id = l.visitor_id
        WHERE l.customer_id = @customer_id AND e.event_type = 'page_view')) AT TIME ZONE 'UTC')::date
    AND m.period_start >= coalesce(oldest_funnel_month(), '-infinity');
