-- name: FreshDay :one
SELECT EXISTS (SELECT FROM funnel_metrics
    WHERE period_type = 'day' AND period_start = @day AND updated_at > now() - make_interval(secs => @seconds::float8));
