-- name: BeginOnboarding :one
-- Counts the request against the limit of its address, and finds the answer
-- that was kept for its idempotency key.
WITH hit AS (
    INSERT INTO rate_limits AS r (action, subject, window_start, used)
    VALUES ('customer_onboarding', @subject, @window_start, 1)
    ON CONFLICT (action, subject, window_start) DO UPDATE SET used = r.used + 1
    RETURNING r.used
)
SELECT hit.used, coalesce(i.body_hash, '')::text AS body_hash, coalesce(i.sealed, '')::bytea AS sealed
FROM hit LEFT JOIN idempotency_keys i ON i.key_hash = @key_hash::text AND i.expires_at > now();

-- name: ClaimIdempotencyKey :execrows
-- Waits for another request with the same key, and claims nothing then.
INSERT INTO idempotency_keys (key_hash, body_hash, expires_at)
VALUES (@key_hash, @body_hash, now() + interval '24 hours')
ON CONFLICT (key_hash) DO NOTHING;

-- name: KeepAnswer :exec
UPDATE idempotency_keys SET sealed = @sealed, customer_id = @customer_id::bigint WHERE key_hash = @key_hash;

-- name: ForgetAnswers :exec
DELETE FROM idempotency_keys WHERE expires_at <= now();

-- name: InsertVerification :exec
INSERT INTO email_verifications (token_hash, customer_id, email, expires_at)
SELECT @token_hash, c.id, c.email, now() + interval '24 hours' FROM customers c WHERE c.id = @customer_id;

-- name: TakeVerification :one
DELETE FROM email_verifications WHERE token_hash = @token_hash AND expires_at > now() RETURNING customer_id, email;

-- name: MarkVerified :execrows
UPDATE customers SET email_verified_at = coalesce(email_verified_at, @now::timestamptz), updated_at = @now::timestamptz
WHERE id = @id AND lower(email) = lower(@email);

-- name: ForgetVerifications :exec
DELETE FROM email_verifications WHERE expires_at <= now();

-- name: ListCustomers :many
SELECT * FROM customers
WHERE id > @after AND (@search::text = '' OR position(lower(@search::text) in lower(name || ' ' || email)) > 0)
ORDER BY id LIMIT sqlc.arg(most)::int;

-- name: UpdateCustomer :one
UPDATE customers SET
    name = coalesce(sqlc.narg(name), name),
    email_verified_at = CASE WHEN sqlc.narg(email)::text IS NULL OR lower(sqlc.narg(email)) = lower(email) THEN email_verified_at END,
    email = coalesce(sqlc.narg(email), email),
    active = coalesce(sqlc.narg(active), active),
    subscription_type = coalesce(sqlc.narg(plan), subscription_type),
    monthly_limit = coalesce(sqlc.narg(monthly_limit), monthly_limit),
    approved_at = CASE WHEN sqlc.narg(approved)::bool IS NULL THEN approved_at
        WHEN sqlc.narg(approved)::bool THEN coalesce(approved_at, @now::timestamptz) END,
    updated_at = @now::timestamptz
WHERE id = @id
RETURNING *;

-- name: DeleteBillingEventsOfCustomer :exec
DELETE FROM billing_events b USING customers c
WHERE c.id = @customer_id AND (b.customer_id = c.id
    OR b.payload->'data'->'object'->>'customer' = c.stripe_customer_id
    OR b.payload->'data'->'object'->'customer'->>'id' = c.stripe_customer_id);

-- name: DeleteCustomer :execrows
DELETE FROM customers WHERE id = @id;

-- name: GetAnswer :one
SELECT body_hash, sealed FROM idempotency_keys WHERE key_hash = @key_hash;
