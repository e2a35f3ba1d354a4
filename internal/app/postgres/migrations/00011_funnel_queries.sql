-- +goose Up
-- The journeys that figures are made of: customers who are not internal, with
-- the times at which they reached the stages in order. A stage is reached when
-- all before it are. Clocks of pods differ a little: a call that is stamped
-- before the key it was made with counts at the key's time.
CREATE VIEW funnel_journeys AS
SELECT j.customer_id, j.visitor_id, j.first_visit_at, j.signup_at,
    CASE WHEN j.api_key_created_at IS NOT NULL AND j.signup_at IS NOT NULL
        THEN greatest(j.api_key_created_at, j.signup_at) END AS api_key_at,
    CASE WHEN j.first_api_call_at IS NOT NULL AND j.api_key_created_at IS NOT NULL AND j.signup_at IS NOT NULL
        THEN greatest(j.first_api_call_at, j.api_key_created_at, j.signup_at) END AS activation_at,
    CASE WHEN j.second_api_call_at IS NOT NULL AND j.api_key_created_at IS NOT NULL AND j.signup_at IS NOT NULL
        THEN greatest(j.second_api_call_at, j.api_key_created_at, j.signup_at) END AS retention_at,
    j.utm_source, j.utm_medium, j.utm_campaign
FROM customer_journeys j
WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = j.customer_id AND c.internal);

-- Which customer a visit belongs to: of one browser's customers, the first who
-- was linked to it at or after the visit, else the last. Half-open to the left:
-- the visits after since_at up to until_at.
CREATE VIEW funnel_links AS
SELECT l.visitor_id, l.customer_id,
    coalesce(lag(l.linked_at) OVER browser, '-infinity') AS since_at,
    CASE WHEN lead(l.linked_at) OVER browser IS NULL THEN 'infinity' ELSE l.linked_at END AS until_at
FROM identity_links l
WINDOW browser AS (PARTITION BY l.visitor_id ORDER BY l.linked_at, l.customer_id);

CREATE INDEX customers_internal_idx ON customers (id) WHERE internal;
CREATE INDEX customer_journeys_signup_idx ON customer_journeys (signup_at, customer_id) WHERE signup_at IS NOT NULL;
CREATE INDEX customer_journeys_key_idx ON customer_journeys (api_key_created_at, customer_id) WHERE api_key_created_at IS NOT NULL;

-- +goose Down
DROP INDEX customer_journeys_key_idx;
DROP INDEX customer_journeys_signup_idx;
DROP INDEX customers_internal_idx;
DROP VIEW funnel_links;
DROP VIEW funnel_journeys;
