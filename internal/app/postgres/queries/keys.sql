-- name: InsertAPIKey :one
INSERT INTO api_keys (customer_id, name, key_hash, permissions, expires_at, inserted_at)
VALUES (@customer_id, @name, @key_hash, @permissions, sqlc.narg(expires_at), @now)
RETURNING id;

-- name: FindActiveKey :one
SELECT k.id, k.customer_id, k.permissions, k.expires_at, c.internal
FROM api_keys k
JOIN customers c ON c.id = k.customer_id
WHERE k.key_hash = @key_hash AND k.active AND c.active AND (k.expires_at IS NULL OR k.expires_at > now());

-- name: TouchKeys :exec
UPDATE api_keys k SET last_used_at = u.at
FROM (SELECT unnest(@ids::bigint[]) AS id, unnest(@times::timestamptz[]) AS at) u
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at);

-- name: ListKeys :many
SELECT id, name, permissions, active, inserted_at, expires_at, revoked_at, last_used_at
FROM api_keys WHERE customer_id = @customer_id ORDER BY id DESC LIMIT 200;

-- name: GetKeyForUpdate :one
SELECT id, name, permissions, active, inserted_at, expires_at, revoked_at, last_used_at
FROM api_keys WHERE customer_id = @customer_id AND id = @id FOR UPDATE;

-- name: LockCustomer :one
SELECT active FROM customers WHERE id = @id FOR UPDATE;

-- name: CountUsableKeys :one
SELECT count(*) FROM api_keys
WHERE customer_id = @customer_id AND active AND (expires_at IS NULL OR expires_at > now());

-- name: RevokeKey :execrows
UPDATE api_keys SET active = false, revoked_at = @now WHERE customer_id = @customer_id AND id = @id AND active;

-- name: ExpireKey :exec
UPDATE api_keys SET expires_at = @expires_at::timestamptz
WHERE id = @id AND (expires_at IS NULL OR expires_at > @expires_at::timestamptz);

-- name: GrantPermission :execrows
UPDATE api_keys SET permissions = array_append(permissions, @permission::text)
WHERE customer_id = @customer_id AND active AND NOT permissions @> ARRAY[@permission::text];

-- name: CountActiveKeys :one
SELECT count(*) FROM api_keys WHERE customer_id = @customer_id AND active;

-- name: SetInternal :execrows
UPDATE customers SET internal = @internal, updated_at = now() WHERE id = @customer_id AND internal <> @internal;
