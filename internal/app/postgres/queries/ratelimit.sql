-- name: LeaseSlices :many
-- Near the end of a window slices shrink, so that several processes share the
-- rest. granted is what this statement added to used.
INSERT INTO rate_limits AS r (action, subject, window_start, used, granted)
SELECT a.action, a.subject, a.window_start,
    least(a.want, greatest(1, sqlc.arg(most)::int / 2)) AS used, least(a.want, greatest(1, sqlc.arg(most)::int / 2)) AS granted
FROM (
    SELECT unnest(@actions::text[]) AS action, unnest(@subjects::text[]) AS subject,
        unnest(@windows::timestamptz[]) AS window_start, unnest(@wants::int[]) AS want
) a
ORDER BY a.action, a.subject
ON CONFLICT (action, subject, window_start) DO UPDATE SET
    used = r.used + CASE WHEN r.used >= sqlc.arg(most)::int THEN 0
        ELSE least(excluded.used, greatest(1, (sqlc.arg(most)::int - r.used) / 2)) END,
    granted = CASE WHEN r.used >= sqlc.arg(most)::int THEN 0
        ELSE least(excluded.used, greatest(1, (sqlc.arg(most)::int - r.used) / 2)) END
RETURNING r.action, r.subject, r.granted, r.used;

-- name: CountHit :one
-- One request against a limit that is exact; used goes on counting past it.
INSERT INTO rate_limits AS r (action, subject, window_start, used)
VALUES (@action, @subject, @window_start, 1)
ON CONFLICT (action, subject, window_start) DO UPDATE SET used = r.used + 1
RETURNING r.used;

-- name: ForgetWindows :exec
DELETE FROM rate_limits WHERE window_start < @before;
