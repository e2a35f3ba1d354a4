-- +goose Up
ALTER TABLE customers
    ADD COLUMN stripe_customer_id        text UNIQUE,
    ADD COLUMN stripe_subscription_id    text,
    ADD COLUMN stripe_payment_method_id  text,
    ADD COLUMN payment_method_added_at   timestamptz,
    ADD COLUMN billing_consent_at        timestamptz,
    ADD COLUMN cancel_at_period_end      boolean NOT NULL DEFAULT false,
    -- When Stripe made the newest event that the subscription's state is of.
    ADD COLUMN subscription_event_at     timestamptz;

-- Webhooks of Stripe, stored before they are answered.
CREATE TABLE billing_events (
    -- Stripe's own id of the event.
    id           text        PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
    event_type   text        NOT NULL,
    -- When Stripe made it, when we received it, when its effects were stored or
    -- it was given up.
    created_at   timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    finished_at  timestamptz,
    status       text        NOT NULL DEFAULT 'received' CHECK (status IN ('received', 'processed', 'ignored', 'parked')),
    customer_id  bigint      REFERENCES customers ON DELETE SET NULL,
    amount_cents bigint      NOT NULL DEFAULT 0,
    payload      jsonb       NOT NULL,
    -- Why it was not processed, when it was last tried.
    problem      text        NOT NULL DEFAULT ''
);

CREATE INDEX billing_events_parked_idx ON billing_events (received_at) WHERE status = 'parked';
CREATE INDEX billing_events_customer_id_idx ON billing_events (customer_id) WHERE customer_id IS NOT NULL;

-- What has had its effect, by its own name and not the event's: Stripe tells of
-- one invoice in several events.
CREATE TABLE billing_effects (
    effect      text        NOT NULL,
    reference   text        NOT NULL,
    customer_id bigint      NOT NULL REFERENCES customers ON DELETE CASCADE,
    inserted_at timestamptz NOT NULL,
    PRIMARY KEY (effect, reference)
);

CREATE INDEX billing_effects_customer_id_idx ON billing_effects (customer_id);

-- Jobs lie in tables of River's own, which it migrates itself.
CREATE SCHEMA IF NOT EXISTS river;

-- +goose Down
DROP SCHEMA river CASCADE;
DROP TABLE billing_effects;
DROP TABLE billing_events;
ALTER TABLE customers
    DROP COLUMN stripe_customer_id, DROP COLUMN stripe_subscription_id, DROP COLUMN stripe_payment_method_id,
    DROP COLUMN payment_method_added_at, DROP COLUMN billing_consent_at, DROP COLUMN cancel_at_period_end,
    DROP COLUMN subscription_event_at;
