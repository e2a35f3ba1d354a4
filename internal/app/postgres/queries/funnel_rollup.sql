-- name: NoteEvents :exec
INSERT INTO funnel_notes (day, oldest, newest)
SELECT n.day, n.oldest, n.newest
FROM (SELECT unnest(@days::date[]) AS day, unnest(@oldests::timestamptz[]) AS oldest, unnest(@newests::timestamptz[]) AS newest) n;

-- name: DaysState :many
-- What is stored of each day, and since when there may be more, epoch for never.
SELECT m.period_start, m.website_visits, m.unique_visitors, m.through, m.visitors, coalesce(n.oldest, 'epoch')::timestamptz AS noted
FROM funnel_metrics m
LEFT JOIN LATERAL (SELECT o.oldest FROM funnel_notes o WHERE o.day = m.period_start ORDER BY o.oldest LIMIT 1) n ON true
WHERE m.period_type = 'day' AND m.period_start >= @since::date AND m.period_start < @until::date;

-- name: VisitsBetween :many
-- The visits of a time by browser, whose ids were minted at or after one moment
-- and before another; number is 0 for browsers that have none yet.
SELECT coalesce(md5(e.visitor_id)::uuid, '00000000-0000-0000-0000-000000000000')::uuid AS visitor,
    coalesce(v.number, 0)::bigint AS number, e.visits::bigint AS visits,
    EXISTS (SELECT FROM identity_links l WHERE l.visitor_id = e.visitor_id) AS linked
FROM (
    SELECT o.visitor_id, count(*) AS visits FROM funnel_events o
    WHERE o.event_type = 'page_view' AND o.occurred_at >= @since::timestamptz AND o.occurred_at < @until::timestamptz
        AND o.id >= lowest_uuid_at(@minted::timestamptz) AND o.id < lowest_uuid_at(@through::timestamptz)
    GROUP BY o.visitor_id
) e
LEFT JOIN funnel_visitors v ON v.visitor = md5(e.visitor_id)::uuid
WHERE NOT EXISTS (SELECT FROM identity_links i JOIN customers c ON c.id = i.customer_id WHERE c.internal AND i.visitor_id = e.visitor_id);

-- name: SourcesBetween :many
SELECT k.kind::text AS kind, k.value::text AS value, count(*) AS events
FROM funnel_events e CROSS JOIN LATERAL (VALUES ('source', e.utm_source), ('campaign', e.utm_campaign)) k (kind, value)
WHERE e.event_type IN ('page_view', 'signup') AND e.occurred_at >= @since::timestamptz AND e.occurred_at < @until::timestamptz
    AND e.id >= lowest_uuid_at(@minted::timestamptz) AND e.id < lowest_uuid_at(@through::timestamptz) AND k.value IS NOT NULL
    AND NOT EXISTS (SELECT FROM customers c WHERE c.id = e.customer_id AND c.internal)
    AND NOT (e.event_type = 'page_view' AND EXISTS (
        SELECT FROM identity_links i JOIN customers c ON c.id = i.customer_id WHERE c.internal AND i.visitor_id = e.visitor_id))
GROUP BY 1, 2;

-- name: StoredSources :many
SELECT s.kind, s.value, sum(s.events)::bigint AS events FROM funnel_sources s
WHERE s.day = ANY(@days::date[]) GROUP BY s.kind, s.value;

-- name: StoredSourcesByDay :many
SELECT s.day, s.kind, s.value, s.events FROM funnel_sources s WHERE s.day = ANY(@days::date[]);

-- name: CountStages :many
-- How many customers reached each stage on each day.
SELECT 'signup'::text AS stage, (j.signup_at AT TIME ZONE 'UTC')::date AS day, count(*) AS customers FROM customer_journeys j
WHERE j.signup_at >= @since::timestamptz AND j.signup_at < @until::timestamptz
    AND NOT EXISTS (SELECT FROM customers c WHERE c.id = j.customer_id AND c.internal) GROUP BY 2
UNION ALL
SELECT 'api_key', (j.api_key_created_at AT TIME ZONE 'UTC')::date, count(*) FROM customer_journeys j
WHERE j.api_key_created_at >= @since::timestamptz AND j.api_key_created_at < @until::timestamptz
    AND NOT EXISTS (SELECT FROM customers c WHERE c.id = j.customer_id AND c.internal) GROUP BY 2
UNION ALL
SELECT 'activation', (j.first_api_call_at AT TIME ZONE 'UTC')::date, count(*) FROM customer_journeys j
WHERE j.first_api_call_at >= @since::timestamptz AND j.first_api_call_at < @until::timestamptz
    AND NOT EXISTS (SELECT FROM customers c WHERE c.id = j.customer_id AND c.internal) GROUP BY 2
UNION ALL
SELECT 'retention', (j.second_api_call_at AT TIME ZONE 'UTC')::date, count(*) FROM customer_journeys j
WHERE j.second_api_call_at >= @since::timestamptz AND j.second_api_call_at < @until::timestamptz
    AND NOT EXISTS (SELECT FROM customers c WHERE c.id = j.customer_id AND c.internal) GROUP BY 2;

-- name: Links :many
-- The browsers of customers, and whether all visits of the customer in a period
-- are after the signup, and by browsers of nobody else.
SELECT k.customer_id, md5(k.visitor_id)::uuid AS visitor, coalesce(v.number, 0)::bigint AS number,
    coalesce(j.signup_at < @since::timestamptz AND m.customer_id IS NULL, false)::bool AS early
FROM identity_links k
LEFT JOIN funnel_journeys j ON j.customer_id = k.customer_id
LEFT JOIN (SELECT DISTINCT s.customer_id FROM funnel_links s WHERE s.since_at > '-infinity' OR s.until_at < 'infinity') m
    ON m.customer_id = k.customer_id
LEFT JOIN funnel_visitors v ON v.visitor = md5(k.visitor_id)::uuid;

-- name: DirtyDays :many
-- Days that are to be stored: those with notes, and those of the months that
-- are kept which are not stored as they are now. The newest first.
SELECT d.day::date AS day FROM (
    SELECT @today::date AS day
    UNION
    SELECT n.day FROM funnel_notes n WHERE n.oldest < @through::timestamptz
    UNION
    SELECT y.day FROM (SELECT @yesterday::date AS day) y WHERE NOT EXISTS (
        SELECT FROM funnel_metrics m WHERE m.period_type = 'day' AND m.period_start = y.day AND m.through IS NOT NULL)
    UNION
    SELECT g::date FROM generate_series(oldest_funnel_month(), @today::date, interval '1 day') g
    WHERE NOT EXISTS (SELECT FROM funnel_metrics m WHERE m.period_type = 'day' AND m.period_start = g::date AND m.through IS NOT NULL)
) d WHERE d.day <= @today::date ORDER BY d.day DESC LIMIT sqlc.arg(most)::int;

-- name: NumberVisitors :exec
INSERT INTO funnel_visitors (visitor)
SELECT DISTINCT md5(e.visitor_id)::uuid FROM funnel_events e
WHERE e.event_type = 'page_view' AND e.visitor_id IS NOT NULL AND e.occurred_at >= @since::timestamptz AND e.occurred_at < @until::timestamptz
    AND e.id >= lowest_uuid_at(@minted::timestamptz) AND e.id < lowest_uuid_at(@through::timestamptz)
    AND NOT EXISTS (SELECT FROM funnel_visitors v WHERE v.visitor = md5(e.visitor_id)::uuid);

-- name: ForgetSources :exec
DELETE FROM funnel_sources WHERE day = @day;

-- name: StoreSources :exec
INSERT INTO funnel_sources (day, kind, value, events)
SELECT @day, s.kind, s.value, s.events
FROM (SELECT unnest(@kinds::text[]) AS kind, unnest(@values::text[]) AS value, unnest(@events::bigint[]) AS events) s;

-- name: ForgetNotes :exec
DELETE FROM funnel_notes WHERE day = @day AND newest < @through;

-- name: StoreVisitors :exec
UPDATE funnel_metrics SET through = @through, visitors = @visitors WHERE period_type = @period_type AND period_start = @period_start;
