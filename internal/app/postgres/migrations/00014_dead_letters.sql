-- +goose Up

-- Whose a dead letter is, so that it goes when they are erased. The customer may
-- be one that does not exist: no foreign key.
ALTER TABLE funnel_dead_letters ADD COLUMN customer_id bigint;
ALTER TABLE funnel_dead_letters ADD COLUMN visitor_id text;
CREATE INDEX funnel_dead_letters_customer_idx ON funnel_dead_letters (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX funnel_dead_letters_visitor_idx ON funnel_dead_letters (visitor_id) WHERE visitor_id IS NOT NULL;

-- Visitors of erased customers, as hashes, for as long as a spool may still hold
-- visits of theirs: what happened before the erasure is not stored any more.
CREATE TABLE erased_visitors (
    visitor_hash bytea       PRIMARY KEY,
    erased_at    timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE erased_visitors;
ALTER TABLE funnel_dead_letters DROP COLUMN visitor_id;
ALTER TABLE funnel_dead_letters DROP COLUMN customer_id;
