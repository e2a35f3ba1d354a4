package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exports are the metrics of exports.
type exports struct {
	events, failures *prometheus.CounterVec
	last             *prometheus.GaugeVec
}

func newExports() exports {
	return exports{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_export_events_total", Help: "Events that exports dealt with, by destination and outcome (sent, skipped, refused).",
		}, []string{"destination", "outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_export_failures_total", Help: "Attempts to export that failed and are repeated, by destination.",
		}, []string{"destination"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rsolv_export_last_event_timestamp_seconds", Help: "When the last event that this process exported happened.",
		}, []string{"destination"}),
	}
}

func (e exports) collectors() []prometheus.Collector {
	return []prometheus.Collector{e.events, e.failures, e.last}
}

// CountExport counts events that an export dealt with.
func (m *Metrics) CountExport(destination, outcome string, n int) {
	m.exports.events.WithLabelValues(destination, outcome).Add(float64(n))
}

// CountExportFailure counts an attempt that failed.
func (m *Metrics) CountExportFailure(destination string) {
	m.exports.failures.WithLabelValues(destination).Inc()
}

// SetExported tells when the last event that was exported happened.
func (m *Metrics) SetExported(destination string, at time.Time) {
	m.exports.last.WithLabelValues(destination).Set(float64(at.UnixMilli()) / 1000)
}
