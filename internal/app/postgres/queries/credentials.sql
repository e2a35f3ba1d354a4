-- name: CountExchange :one
WITH hit AS (
    INSERT INTO rate_limits AS r (action, subject, window_start, used)
    VALUES ('credential_exchange', @subject, @window_start, 1)
    ON CONFLICT (action, subject, window_start) DO UPDATE SET used = r.used + 1
    RETURNING r.used
)
SELECT hit.used, c.monthly_limit, c.subscription_type,
    (CASE WHEN c.usage_month < @month::date THEN 0 ELSE c.current_usage END)::int AS usage,
    (c.email_verified_at IS NOT NULL OR c.approved_at IS NOT NULL)::bool AS trusted
FROM customers c, hit
WHERE c.id = @customer_id::bigint;

-- name: InsertCredentials :exec
INSERT INTO credentials (id, customer_id, api_key_id, provider, mode, secret_hash, reference, github_job, github_run, expires_at, inserted_at)
SELECT unnest(@ids::text[]) AS id, @customer_id::bigint AS customer_id, @api_key_id::bigint AS api_key_id,
    unnest(@providers::text[]) AS provider, unnest(@modes::text[]) AS mode, unnest(@hashes::text[]) AS secret_hash,
    unnest(@refs::text[]) AS reference, @github_job::text AS github_job, @github_run::text AS github_run,
    unnest(@expires::timestamptz[]) AS expires_at, @now::timestamptz AS inserted_at;

-- name: GetCredential :one
SELECT * FROM credentials WHERE id = @id;

-- name: RevokeCredential :execrows
UPDATE credentials SET revoked_at = @now::timestamptz WHERE id = @id AND revoked_at IS NULL;

-- name: AddUsage :execrows
UPDATE customers SET
    current_usage = least(2000000000::bigint,
        (CASE WHEN usage_month < @month::date THEN 0 ELSE current_usage END)::bigint + @fixes::bigint)::int,
    usage_month = greatest(usage_month, @month::date), updated_at = @now::timestamptz
WHERE id = @customer_id;

-- name: InsertUsageReport :exec
INSERT INTO usage_reports (customer_id, provider, tokens_used, request_count, job_id, inserted_at)
VALUES (@customer_id, @provider, @tokens_used, @request_count, @job_id, @now);
