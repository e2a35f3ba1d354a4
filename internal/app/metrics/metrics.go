// Package metrics holds the app's Prometheus collectors. The registry is
// injected, so that every test has its own.
package metrics

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Metrics are the collectors that the app feeds.
type Metrics struct {
	reg         prometheus.Registerer
	http        *prometheus.HistogramVec
	queries     prometheus.Histogram
	events      map[app.Fate]prometheus.Counter
	onboarded   *prometheus.CounterVec
	onboardErr  *prometheus.CounterVec
	onboardTook *prometheus.HistogramVec
	allowed     *prometheus.CounterVec
	exceeded    *prometheus.CounterVec
	keys        *prometheus.CounterVec
	vends       *prometheus.CounterVec
	billing     *billing
	exports     exports
	rejected    *prometheus.CounterVec
	phases      *phases
}

// New registers every collector. It fails when one of them is registered
// already.
func New(reg prometheus.Registerer, version string) (*Metrics, error) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: contract.MetricFunnelEvents, Help: "Funnel events by type and by what became of them.",
	}, []string{"type", "outcome"})
	m := &Metrics{
		reg: reg,
		http: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricHTTPDuration, Help: "Duration of HTTP requests in milliseconds, by route pattern.",
			Buckets: contract.HTTPBucketsMS,
		}, []string{contract.LabelMethod, contract.LabelPath, contract.LabelController, contract.LabelAction, contract.LabelStatus}),
		queries: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    contract.MetricDBQueryDuration,
			Help:    "Duration of database queries in milliseconds, waiting for a connection included.",
			Buckets: contract.DBBucketsMS,
		}),
		events: map[app.Fate]prometheus.Counter{},
		onboarded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_customer_onboarding_complete_total", Help: "Customers onboarded, by the source they named.",
		}, []string{"status", "source"}),
		onboardErr: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_customer_onboarding_failed_total", Help: "Onboarding requests that failed, by why.",
		}, []string{"source", "reason"}),
		onboardTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rsolv_customer_onboarding_duration_milliseconds", Help: "Duration of onboardings that went well, in milliseconds.",
			Buckets: []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10000},
		}, []string{"source"}),
	}
	m.allowed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsolv_rate_limiter_requests_allowed_total", Help: "Requests within a rate limit, by the action that is limited.",
	}, []string{"action"})
	m.exceeded = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsolv_rate_limiter_limit_exceeded_total", Help: "Requests refused by a rate limit, by the action that is limited.",
	}, []string{"action"})
	m.keys = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsolv_api_key_validations_total",
		Help: "API keys that were presented, or missing, by outcome (valid, missing, invalid, forbidden, unavailable).",
	}, []string{"outcome"})
	m.vends = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsolv_credential_vends_total",
		Help: "Providers that were asked for in exchanges, by mode (mint, static, none) and outcome (vended, refused, unavailable, failed).",
	}, []string{"provider", "mode", "outcome"})
	m.rejected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: contract.MetricEventsRejected, Help: "Events that a collector did not take, by reason.",
	}, []string{contract.LabelReason})
	for _, kind := range app.EventTypes() {
		for _, outcome := range app.Outcomes() {
			m.events[app.Fate{Type: kind, Outcome: outcome}] = events.WithLabelValues(string(kind), string(outcome))
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rsolv_build_info", Help: "Always 1; the labels name the build.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.onboarded.WithLabelValues("success", app.DefaultSource)
	for _, reason := range onboardingFailures {
		m.onboardErr.WithLabelValues(app.DefaultSource, reason)
	}
	m.billing, m.phases, m.exports = newBilling(), newPhases(), newExports()
	for _, c := range append(slices.Concat(m.billing.collectors(), m.phases.collectors(), m.exports.collectors()), []prometheus.Collector{
		m.http, m.queries, events, m.onboarded, m.onboardErr, m.onboardTook, m.rejected, m.allowed, m.exceeded, m.keys, m.vends, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}...) {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering a collector: %w", err)
		}
	}
	return m, nil
}

// Gauges read the state of the app when it is scraped.
type Gauges struct {
	PoolSize, PoolUsed, QueueLength func() int
	// SpooledEvents, SpoolBytes and SpoolMaxBytes are of the spool that this
	// process writes; StrayEvents of the database.
	SpooledEvents, SpoolBytes, SpoolMaxBytes, StrayEvents, MissingEvents func() int
}

// Watch registers the gauges.
func (m *Metrics) Watch(g Gauges) error {
	for _, gauge := range []struct {
		name, help string
		read       func() int
	}{
		{contract.MetricDBPoolSize, "The most database connections this process holds.", g.PoolSize},
		{contract.MetricDBPoolUsed, "Database connections in use.", g.PoolUsed},
		{contract.MetricFunnelQueue, "Funnel events that wait to be made durable.", g.QueueLength},
		{contract.MetricFunnelSpooled, "Durable funnel events that wait to be stored.", g.SpooledEvents},
		{contract.MetricSpoolBytes, "Size of the spool on disk.", g.SpoolBytes},
		{contract.MetricSpoolMaxBytes, "Size at which the spool takes nothing more.", g.SpoolMaxBytes},
		{contract.MetricFunnelStray, "Funnel events in the partition that is to stay empty.", g.StrayEvents},
		{contract.MetricFunnelMissing, "Accepted funnel events that nobody knows anything of.", g.MissingEvents},
	} {
		collector := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: gauge.name, Help: gauge.help},
			func() float64 { return float64(gauge.read()) })
		if err := m.reg.Register(collector); err != nil {
			return fmt.Errorf("registering %s: %w", gauge.name, err)
		}
	}
	return nil
}

// ObserveHTTP counts one answered request. path is a route pattern.
func (m *Metrics) ObserveHTTP(method, path, controller, action string, status int, took time.Duration) {
	m.http.WithLabelValues(method, path, controller, action, strconv.Itoa(status)).Observe(milliseconds(took))
}

// ExpectHTTP has a route among the series before anybody asked for it: traffic
// that stops is then told from metrics that vanish, from the start on.
func (m *Metrics) ExpectHTTP(method, path, controller, action string) {
	m.http.WithLabelValues(method, path, controller, action, "200")
}

// ObserveQuery counts one database query.
func (m *Metrics) ObserveQuery(took time.Duration) { m.queries.Observe(milliseconds(took)) }

// CountEvents counts funnel events. Unknown types and outcomes are ignored.
func (m *Metrics) CountEvents(kind app.EventType, outcome app.Outcome, n int) {
	if c, ok := m.events[app.Fate{Type: kind, Outcome: outcome}]; ok && n > 0 {
		c.Add(float64(n))
	}
}

// CountRejected counts one event that a collector did not take.
func (m *Metrics) CountRejected(reason string) { m.rejected.WithLabelValues(reason).Inc() }

// CountOnboarding counts one onboarding request; failure is why it failed, ""
// when it did not.
func (m *Metrics) CountOnboarding(source, failure string, took time.Duration) {
	source = known(source, app.OnboardingSources())
	if failure != "" {
		m.onboardErr.WithLabelValues(source, known(failure, onboardingFailures)).Inc()
		return
	}
	m.onboarded.WithLabelValues("success", source).Inc()
	m.onboardTook.WithLabelValues(source).Observe(milliseconds(took))
}

// onboardingFailures are the values of the label reason.
var onboardingFailures = []string{
	"disposable_email", "rate_limited", "email_validation", "validation_error", "duplicate_error", "other",
}

// CountLimit counts one request against the limit of an action.
func (m *Metrics) CountLimit(action string, allowed bool) {
	if allowed {
		m.allowed.WithLabelValues(action).Inc()
	} else {
		m.exceeded.WithLabelValues(action).Inc()
	}
}

// CountKeyValidation counts one presented key.
func (m *Metrics) CountKeyValidation(outcome string) { m.keys.WithLabelValues(outcome).Inc() }

// CountVend counts one provider of an exchange.
func (m *Metrics) CountVend(provider, mode, outcome string) {
	m.vends.WithLabelValues(provider, mode, outcome).Inc()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
