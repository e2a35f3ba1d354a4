-- name: InsertBillingEvent :execrows
INSERT INTO billing_events (id, event_type, created_at, received_at, payload)
VALUES (@id, @event_type, @created_at, @received_at, @payload)
ON CONFLICT (id) DO NOTHING;

-- name: GetBillingEvent :one
SELECT * FROM billing_events WHERE id = @id;

-- name: LockBillingEvent :one
SELECT status FROM billing_events WHERE id = @id FOR UPDATE;

-- name: FinishBillingEvent :exec
UPDATE billing_events SET status = @status, finished_at = @now::timestamptz, customer_id = sqlc.narg(customer_id),
    amount_cents = @amount_cents, problem = ''
WHERE id = @id;

-- name: FailBillingEvent :exec
UPDATE billing_events SET status = @status, problem = @problem, finished_at = sqlc.narg(finished_at)
WHERE id = @id AND status IN ('received', 'parked');

-- name: ListBillingEvents :many
SELECT id, event_type, created_at, received_at, finished_at, status, customer_id, amount_cents, problem
FROM billing_events WHERE status = @status ORDER BY received_at DESC LIMIT 200;

-- name: CountParkedEvents :one
SELECT count(*) FROM billing_events WHERE status = 'parked';

-- name: CountSubscriptions :many
SELECT subscription_type, count(*) FROM customers
WHERE subscription_state IN ('active', 'trialing', 'past_due') AND NOT internal
GROUP BY subscription_type;

-- name: ReopenBillingEvent :execrows
UPDATE billing_events SET status = 'received', finished_at = NULL WHERE id = @id AND status = 'parked';

-- name: InsertEffect :execrows
INSERT INTO billing_effects (effect, reference, customer_id, inserted_at)
VALUES (@effect, @reference, @customer_id, @now)
ON CONFLICT (effect, reference) DO NOTHING;

-- name: LockAccountByStripe :one
SELECT * FROM customers WHERE stripe_customer_id = @stripe_customer_id::text FOR UPDATE;

-- name: LockAccount :one
SELECT * FROM customers WHERE id = @id FOR UPDATE;

-- name: ChangeCredits :one
-- One statement, so that no update is lost; no row when the balance would go
-- below zero.
UPDATE customers SET credit_balance = credit_balance + @amount::int, updated_at = @now::timestamptz
WHERE id = @id AND credit_balance + @amount::int >= 0
RETURNING credit_balance;

-- name: ListCredits :many
SELECT id, amount, balance_after, source, metadata, inserted_at
FROM credit_transactions WHERE customer_id = @customer_id ORDER BY id DESC LIMIT 100;

-- name: SetSubscription :exec
UPDATE customers SET stripe_subscription_id = sqlc.narg(stripe_subscription_id), subscription_type = @subscription_type,
    subscription_state = sqlc.narg(subscription_state), cancel_at_period_end = @cancel_at_period_end,
    subscription_event_at = greatest(subscription_event_at, @event_at::timestamptz), updated_at = @now::timestamptz
WHERE id = @id;

-- name: SetPaymentMethod :exec
UPDATE customers SET stripe_payment_method_id = @payment_method::text,
    payment_method_added_at = coalesce(payment_method_added_at, @now::timestamptz),
    subscription_type = @subscription_type, updated_at = @now::timestamptz
WHERE id = @id;

-- name: SetConsent :exec
UPDATE customers SET billing_consent_at = coalesce(billing_consent_at, @now::timestamptz), updated_at = @now::timestamptz
WHERE id = @id;

-- name: SetStripeCustomer :execrows
UPDATE customers SET stripe_customer_id = @stripe_customer_id::text, updated_at = @now::timestamptz
WHERE id = @id AND stripe_customer_id IS NULL;

