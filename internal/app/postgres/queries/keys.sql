-- name: InsertAPIKey :one
INSERT INTO api_keys (customer_id, name, key_hash, permissions, inserted_at)
VALUES (@customer_id, @name, @key_hash, @permissions, @now)
RETURNING id;

-- name: FindActiveKey :one
SELECT k.id, k.customer_id, k.permissions, c.internal
FROM api_keys k
JOIN customers c ON c.id = k.customer_id
WHERE k.key_hash = @key_hash AND k.active AND c.active;

-- name: GrantPermission :execrows
UPDATE api_keys SET permissions = array_append(permissions, @permission::text)
WHERE customer_id = @customer_id AND active AND NOT permissions @> ARRAY[@permission::text];

-- name: CountActiveKeys :one
SELECT count(*) FROM api_keys WHERE customer_id = @customer_id AND active;

-- name: SetInternal :execrows
UPDATE customers SET internal = @internal, updated_at = now() WHERE id = @customer_id AND internal <> @internal;
