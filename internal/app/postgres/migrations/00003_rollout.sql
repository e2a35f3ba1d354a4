-- +goose Up
-- The oldest schema version whose program still works with this schema. Steps
-- only expand, until one takes away what an older program needs: that step
-- raises min_version in the same transaction,
--     UPDATE schema_compatibility SET min_version = <oldest version that works>;
-- and a program that was built for less refuses to start on the result.
CREATE TABLE schema_compatibility (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    min_version bigint  NOT NULL CHECK (min_version > 0)
);

INSERT INTO schema_compatibility (min_version) VALUES (1);

-- Permits to sign up one internal customer. Only somebody who may write to the
-- database can issue one; onboarding takes it away again as it uses it.
CREATE TABLE smoke_test_tokens (
    -- Lower-case hexadecimal SHA-256 of the token, which is never stored.
    token_hash text        PRIMARY KEY CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    expires_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE smoke_test_tokens;
DROP TABLE schema_compatibility;
