-- +goose Up
ALTER TABLE customers
    -- The month that current_usage is of; in any later one usage is 0.
    ADD COLUMN usage_month       date NOT NULL DEFAULT date_trunc('month', now() AT TIME ZONE 'UTC')::date,
    ADD COLUMN email_verified_at timestamptz,
    -- An administrator vouches for the customer.
    ADD COLUMN approved_at       timestamptz;

-- Keys of AI providers that were given out; never the keys themselves.
CREATE TABLE credentials (
    id          text        PRIMARY KEY,
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    -- The API key that was traded.
    api_key_id  bigint      REFERENCES api_keys ON DELETE SET NULL,
    provider    text        NOT NULL CHECK (provider IN ('anthropic', 'openai', 'openrouter', 'ollama')),
    mode        text        NOT NULL CHECK (mode IN ('mint', 'static')),
    secret_hash text        NOT NULL CHECK (secret_hash ~ '^[0-9a-f]{64}$'),
    -- What names a minted key at its provider.
    reference   text        NOT NULL DEFAULT '',
    github_job  text        NOT NULL DEFAULT '',
    github_run  text        NOT NULL DEFAULT '',
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    inserted_at timestamptz NOT NULL
);

CREATE INDEX credentials_customer_id_idx ON credentials (customer_id, inserted_at);

CREATE TABLE usage_reports (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    provider      text        NOT NULL,
    tokens_used   bigint      NOT NULL CHECK (tokens_used >= 0),
    request_count bigint      NOT NULL CHECK (request_count >= 0),
    job_id        text        NOT NULL DEFAULT '',
    inserted_at   timestamptz NOT NULL
);

CREATE INDEX usage_reports_customer_id_idx ON usage_reports (customer_id, inserted_at);

-- +goose Down
DROP TABLE usage_reports;
DROP TABLE credentials;
ALTER TABLE customers DROP COLUMN usage_month, DROP COLUMN email_verified_at, DROP COLUMN approved_at;
