-- +goose Up

-- Keys of visitor ids, a day each, shared by all pods. Two days after it was
-- made a salt is gone, and no id of its day leads back to anybody.
CREATE TABLE visitor_salts (
    day     date        PRIMARY KEY,
    secret  bytea       NOT NULL CHECK (octet_length(secret) >= 16),
    made_at timestamptz NOT NULL DEFAULT now()
);

-- What kind of place a visit came from.
ALTER TABLE funnel_events ADD COLUMN referrer_class text CHECK (char_length(referrer_class) <= 20);

-- +goose Down
ALTER TABLE funnel_events DROP COLUMN referrer_class;
DROP TABLE visitor_salts;
