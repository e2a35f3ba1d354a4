-- name: InsertCustomer :one
INSERT INTO customers (name, email, internal, subscription_type, credit_balance, monthly_limit, trial_fixes_limit, source, inserted_at, updated_at)
VALUES (@name, @email, @internal, @subscription_type, @credit_balance, @monthly_limit, @trial_fixes_limit, @source, @now, @now)
RETURNING *;

-- name: InsertCredit :exec
INSERT INTO credit_transactions (customer_id, amount, balance_after, source, metadata, inserted_at)
VALUES (@customer_id, @amount, @balance_after, @source, @metadata, @now);

-- name: GetCustomer :one
SELECT sqlc.embed(c), (c.usage_month >= date_trunc('month', now() AT TIME ZONE 'UTC')::date)::bool AS usage_is_current
FROM customers c WHERE c.id = @id;

-- name: GetCustomerByEmail :one
SELECT * FROM customers WHERE lower(email) = lower(@email);
