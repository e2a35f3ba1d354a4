-- +goose Up
-- Answers of onboarding that are kept for a day, so that a request that is sent
-- again gets the same one. They hold an API key, and are encrypted with a key
-- that only the client has: the idempotency key itself is not stored.
CREATE TABLE idempotency_keys (
    key_hash    text        PRIMARY KEY CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    body_hash   text        NOT NULL CHECK (body_hash ~ '^[0-9a-f]{64}$'),
    customer_id bigint      REFERENCES customers ON DELETE CASCADE,
    sealed      bytea       NOT NULL DEFAULT '',
    expires_at  timestamptz NOT NULL
);

CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_customer_id_idx ON idempotency_keys (customer_id);

-- Links that confirm an address.
CREATE TABLE email_verifications (
    -- SHA-256 of the token in the link.
    token_hash  text        PRIMARY KEY CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    -- The address that the link went to; the customer may have another by now.
    email       text        NOT NULL,
    expires_at  timestamptz NOT NULL
);

CREATE INDEX email_verifications_customer_id_idx ON email_verifications (customer_id);

-- +goose Down
DROP TABLE email_verifications;
DROP TABLE idempotency_keys;
