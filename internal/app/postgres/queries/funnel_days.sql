-- name: FreshDay :one
SELECT EXISTS (SELECT FROM funnel_metrics
    WHERE period_type = 'day' AND period_start = @day AND updated_at > now() - make_interval(secs => @seconds::float8));

-- name: StoredDays :many
SELECT period_start, website_visits, unique_visitors, signups, api_keys_created, activated_users, retained_users,
    top_utm_sources, top_utm_campaigns
FROM funnel_metrics
WHERE period_type = 'day' AND period_start >= @since AND period_start < @until;
