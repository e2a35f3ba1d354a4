-- +goose Up
ALTER TABLE api_keys
    ADD COLUMN expires_at   timestamptz,
    -- A revoked key is not active, and never becomes so again.
    ADD COLUMN revoked_at   timestamptz,
    -- Written now and then, for many keys at once: a minute late, or so.
    ADD COLUMN last_used_at timestamptz,
    ADD CONSTRAINT api_keys_revoked_check CHECK (revoked_at IS NULL OR NOT active);

-- Requests that were counted against limits, by windows of a minute. Losing
-- them in a crash loses nothing: the next minute begins anew.
CREATE UNLOGGED TABLE rate_limits (
    action       text        NOT NULL,
    subject      text        NOT NULL,
    window_start timestamptz NOT NULL,
    used         integer     NOT NULL CHECK (used >= 0),
    -- What the latest statement added to used.
    granted      integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (action, subject, window_start)
);

CREATE INDEX rate_limits_window_idx ON rate_limits (window_start);

-- Every process remembers keys for a while. Whoever changes one, by whatever
-- program, makes them all forget it.
-- +goose StatementBegin
CREATE FUNCTION tell_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rsolv_keys', OLD.key_hash);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tell_keys_of_customer_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rsolv_keys', key_hash) FROM api_keys WHERE customer_id = OLD.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER api_keys_changed
    AFTER UPDATE OF active, permissions, expires_at, key_hash OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION tell_key_changed();

CREATE TRIGGER customers_changed
    AFTER UPDATE OF active ON customers
    FOR EACH ROW WHEN (OLD.active IS DISTINCT FROM NEW.active)
    EXECUTE FUNCTION tell_keys_of_customer_changed();

-- +goose Down
DROP TRIGGER customers_changed ON customers;
DROP TRIGGER api_keys_changed ON api_keys;
DROP FUNCTION tell_keys_of_customer_changed();
DROP FUNCTION tell_key_changed();
DROP TABLE rate_limits;
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_revoked_check,
    DROP COLUMN expires_at, DROP COLUMN revoked_at, DROP COLUMN last_used_at;
