-- name: CreateFunnelPartition :one
SELECT create_funnel_partition_if_not_exists(@day::date)::boolean AS created;

-- name: CreateAnalyticsPartition :one
SELECT create_analytics_partition_if_not_exists(@day::date)::boolean AS created;
