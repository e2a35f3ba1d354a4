-- +goose Up
CREATE TABLE customers (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name               text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    email              text        NOT NULL CHECK (char_length(email) <= 255 AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    active             boolean     NOT NULL DEFAULT true,
    -- Internal customers (smoke tests) are never counted in the funnel.
    internal           boolean     NOT NULL DEFAULT false,
    subscription_type  text        NOT NULL DEFAULT 'trial',
    subscription_state text,
    credit_balance     integer     NOT NULL DEFAULT 0 CHECK (credit_balance >= 0),
    monthly_limit      integer     NOT NULL DEFAULT 100 CHECK (monthly_limit >= 0),
    current_usage      integer     NOT NULL DEFAULT 0 CHECK (current_usage >= 0),
    trial_fixes_limit  integer     NOT NULL DEFAULT 5 CHECK (trial_fixes_limit >= 0),
    trial_fixes_used   integer     NOT NULL DEFAULT 0 CHECK (trial_fixes_used >= 0),
    source             text        NOT NULL DEFAULT 'direct',
    inserted_at        timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL
);

-- Mail providers treat addresses without regard to case, so one person cannot
-- sign up twice by capitalising.
CREATE UNIQUE INDEX customers_email_key ON customers (lower(email));

CREATE TABLE api_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    name        text        NOT NULL,
    -- Lower-case hexadecimal SHA-256 of the whole key. The key itself is never stored.
    key_hash    text        NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    permissions text[]      NOT NULL DEFAULT '{}',
    active      boolean     NOT NULL DEFAULT true,
    inserted_at timestamptz NOT NULL
);

CREATE INDEX api_keys_customer_id_idx ON api_keys (customer_id);

CREATE TABLE credit_transactions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    amount        integer     NOT NULL CHECK (amount <> 0),
    balance_after integer     NOT NULL CHECK (balance_after >= 0),
    source        text        NOT NULL CHECK (source IN (
        'trial_signup', 'trial_billing_added', 'pro_subscription_payment',
        'purchased', 'consumed', 'fix_deployed', 'adjustment')),
    metadata      jsonb       NOT NULL DEFAULT '{}',
    inserted_at   timestamptz NOT NULL
);

CREATE INDEX credit_transactions_customer_id_idx ON credit_transactions (customer_id, id);

-- +goose Down
DROP TABLE credit_transactions;
DROP TABLE api_keys;
DROP TABLE customers;
