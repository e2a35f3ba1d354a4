package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// FlagCounts calls each with the evaluations so far by flag, variant and
// reason, and returns how many asked for flags that do not exist. It bounds
// what it calls each with.
type FlagCounts func(each func(flag, variant, reason string, count uint64)) (unknown uint64)

// WatchFlags registers a gauge for each flag of type Boolean, and counters of
// evaluations. read calls each with the flags and their values at the moment.
func (m *Metrics) WatchFlags(read func(each func(key string, value bool)), counts FlagCounts) error {
	if err := m.reg.Register(flagCollector{read, counts}); err != nil {
		return fmt.Errorf("registering the metrics of flags: %w", err)
	}
	return nil
}

// flagCollector reads the flags when it is scraped.
type flagCollector struct {
	values func(each func(key string, value bool))
	counts FlagCounts
}

var (
	flagDesc = prometheus.NewDesc(contract.MetricFlagEnabled,
		"Whether this process takes a feature flag for true.", []string{contract.LabelFlag}, nil)
	flagEvaluationsDesc = prometheus.NewDesc(contract.MetricFlagEvaluations,
		"Evaluations of feature flags by variant and reason; variant is empty where the default in the code applied.",
		[]string{contract.LabelFlag, contract.LabelVariant, contract.LabelReason}, nil)
	flagUnknownDesc = prometheus.NewDesc(contract.MetricFlagUnknown,
		"Evaluations of feature flags that do not exist.", nil, nil)
)

// Describe implements prometheus.Collector.
func (flagCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- flagDesc
	descriptions <- flagEvaluationsDesc
	descriptions <- flagUnknownDesc
}

// Collect implements prometheus.Collector.
func (c flagCollector) Collect(metrics chan<- prometheus.Metric) {
	c.values(func(key string, value bool) {
		number := 0.0
		if value {
			number = 1
		}
		metrics <- prometheus.MustNewConstMetric(flagDesc, prometheus.GaugeValue, number, key)
	})
	unknown := c.counts(func(flag, variant, reason string, count uint64) {
		metrics <- prometheus.MustNewConstMetric(flagEvaluationsDesc, prometheus.CounterValue, float64(count), flag, variant, reason)
	})
	metrics <- prometheus.MustNewConstMetric(flagUnknownDesc, prometheus.CounterValue, float64(unknown))
}
