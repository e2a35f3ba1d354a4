-- name: InsertSmokeTestToken :exec
-- Times are the database's own: the clocks of the pods may differ.
INSERT INTO smoke_test_tokens (token_hash, expires_at)
VALUES (@token_hash, now() + make_interval(secs => @seconds::float8));

-- name: TakeSmokeTestToken :execrows
DELETE FROM smoke_test_tokens WHERE token_hash = @token_hash AND expires_at > now();

-- name: DeleteSmokeTestTokens :exec
DELETE FROM smoke_test_tokens WHERE token_hash = ANY(@token_hashes::text[]) OR expires_at <= now();

-- name: DeleteSmokeTestCustomers :execrows
-- Addresses that this run made up, and whoever an earlier run left behind.
DELETE FROM customers
WHERE lower(email) = ANY(@emails::text[])
    OR (internal AND source = @source AND updated_at < now() - interval '1 hour');

-- name: GetSmokeTestProgress :one
SELECT c.internal,
    coalesce(j.completed_signup, false)::bool AS signed_up,
    coalesce(j.completed_api_key, false)::bool AS has_key,
    coalesce(j.completed_activation, false)::bool AS activated,
    coalesce(j.completed_retention, false)::bool AS retained
FROM customers c
LEFT JOIN customer_journeys j ON j.customer_id = c.id
WHERE lower(c.email) = lower(@email);
