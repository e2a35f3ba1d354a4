-- name: SettleBatches :many
-- Answers the batches that were not settled before.
INSERT INTO ingest_batches (source, number)
SELECT b.source, b.number
FROM (SELECT unnest(@sources::uuid[]) AS source, unnest(@numbers::bigint[]) AS number) b
ORDER BY b.source, b.number
ON CONFLICT (source, number) DO NOTHING
RETURNING source, number;

-- name: SettleSource :exec
INSERT INTO ingest_sources (source, host, spool, accepted, stored, deduplicated, dropped)
VALUES (@source, @host, @spool, @accepted, @stored, @deduplicated, @dropped)
ON CONFLICT (source) DO UPDATE SET
    accepted = greatest(ingest_sources.accepted, excluded.accepted),
    stored = ingest_sources.stored + excluded.stored,
    deduplicated = ingest_sources.deduplicated + excluded.deduplicated,
    dropped = ingest_sources.dropped + excluded.dropped,
    updated_at = now();

-- name: AddDrop :exec
INSERT INTO ingest_drops (source, reason, events) VALUES (@source, @reason, @events)
ON CONFLICT (source, reason) DO UPDATE SET events = ingest_drops.events + excluded.events;

-- name: ReportSpooled :exec
INSERT INTO ingest_sources (source, host, spool, accepted, spooled, spooled_at)
SELECT r.source, @host::text, @spool::text, r.accepted, r.spooled, now()
FROM (SELECT unnest(@sources::uuid[]) AS source, unnest(@accepted::bigint[]) AS accepted,
    unnest(@spooled::bigint[]) AS spooled) r
ORDER BY r.source
ON CONFLICT (source) DO UPDATE SET
    accepted = greatest(ingest_sources.accepted, excluded.accepted),
    spooled = excluded.spooled, spooled_at = excluded.spooled_at;

-- name: OpenSources :many
-- Sources that are not settled whole, the newest first.
SELECT source, host, spool, accepted, stored, deduplicated, dropped, spooled,
    (greatest(spooled_at, updated_at) > now() - make_interval(secs => @fresh::float8))::bool AS fresh,
    (spooled_at IS NULL OR updated_at > spooled_at)::bool AS unreported, inserted_at
FROM ingest_sources
WHERE accepted > stored + deduplicated + dropped
ORDER BY source DESC;

-- name: SourceTotals :one
SELECT count(*) AS sources, coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(stored), 0)::bigint AS stored,
    coalesce(sum(deduplicated), 0)::bigint AS deduplicated, coalesce(sum(dropped), 0)::bigint AS dropped
FROM ingest_sources;

-- name: DropTotals :many
SELECT reason, sum(events)::bigint AS events FROM ingest_drops GROUP BY reason ORDER BY reason;

-- name: InsertDeadLetter :exec
INSERT INTO funnel_dead_letters (source, event_id, event_type, reason, payload, customer_id, visitor_id)
VALUES (@source, @event_id, @event_type, @reason, @payload, nullif(@customer_id::bigint, 0), nullif(@visitor_id::text, ''));

-- name: CountDeadLetters :one
SELECT count(*) FROM funnel_dead_letters;

-- name: ForgetBatches :execrows
DELETE FROM ingest_batches WHERE settled_at < now() - make_interval(secs => @seconds::float8);

-- name: ForgetKeys :execrows
DELETE FROM event_keys WHERE (site, key) IN (
    SELECT k.site, k.key FROM event_keys k WHERE k.seen_at < now() - make_interval(secs => @seconds::float8) LIMIT @most);

-- name: CountStray :one
SELECT count(*) FROM funnel_events_default;

-- name: ReconciledSince :one
SELECT EXISTS (SELECT FROM funnel_reconciliations WHERE at > now() - make_interval(secs => @seconds::float8));

-- name: Reconcile :exec
INSERT INTO funnel_reconciliations (at, customers, signups, keyed, keys, strange)
SELECT now(), count(*),
    count(*) FILTER (WHERE EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = c.id AND m.stage = 'signup')),
    count(*) FILTER (WHERE EXISTS (SELECT FROM api_keys k WHERE k.customer_id = c.id)),
    count(*) FILTER (WHERE EXISTS (SELECT FROM api_keys k WHERE k.customer_id = c.id)
        AND EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = c.id AND m.stage = 'api_key')),
    (SELECT count(*) FROM customer_journeys j JOIN customers i ON i.id = j.customer_id
     WHERE NOT i.internal AND (
        j.completed_activation <> EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = j.customer_id AND m.stage = 'activation')
        OR j.completed_retention <> EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = j.customer_id AND m.stage = 'retention')
        OR j.completed_signup <> EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = j.customer_id AND m.stage = 'signup')
        OR j.completed_api_key <> EXISTS (SELECT FROM funnel_milestones m WHERE m.customer_id = j.customer_id AND m.stage = 'api_key')))
FROM customers c WHERE NOT c.internal;

-- name: LastReconciliation :many
SELECT at, customers, signups, keyed, keys, strange FROM funnel_reconciliations ORDER BY at DESC LIMIT 1;
