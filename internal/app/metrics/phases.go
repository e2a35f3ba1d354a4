package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// phases count what the phases of the Action say of themselves when they leave
// their data. They run at the customer's, so that this is how it is learned.
type phases struct {
	testRuns    *prometheus.HistogramVec
	mitigations *prometheus.CounterVec
	mitigation  *prometheus.HistogramVec
	trust       *prometheus.HistogramVec
	pulls       *prometheus.CounterVec
}

func newPhases() *phases {
	p := &phases{
		testRuns: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricTestExecutionDuration, Help: "Duration of running the tests of a validation in milliseconds, as the Action says.",
			Buckets: contract.TestBucketsMS,
		}, []string{"language", contract.LabelStatus}),
		mitigations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: contract.MetricMitigationExecutions, Help: "Mitigations that ended, by status (completed, failed).",
		}, []string{"language", contract.LabelStatus}),
		mitigation: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricMitigationDuration, Help: "Duration of whole mitigations in milliseconds, as the Action says.",
			Buckets: contract.MitigationBucketsMS,
		}, []string{"language", contract.LabelStatus}),
		trust: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricMitigationTrustScore, Help: "Trust scores of mitigations, from 0 to 100.", Buckets: contract.TrustScoreBuckets,
		}, []string{"language"}),
		pulls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: contract.MetricPullRequestsCreated, Help: "Mitigations that ended in a pull request.",
		}, []string{"language"}),
	}
	// Series that are there from the start: a first one is an increase.
	for _, language := range phaseLanguages {
		p.pulls.WithLabelValues(language)
		p.mitigations.WithLabelValues(language, statusOf(true))
		p.mitigations.WithLabelValues(language, statusOf(false))
	}
	return p
}

func (p *phases) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.testRuns, p.mitigations, p.mitigation, p.trust, p.pulls}
}

// phaseLanguages are the values of the label language, beside other.
var phaseLanguages = []string{"javascript", "typescript", "python", "ruby", "php", "java", "go", "elixir", "unknown"}

// ObservePhase counts a phase that has left its data.
func (m *Metrics) ObservePhase(r app.PhaseResult) {
	language := "unknown"
	if r.Language != "" {
		language = known(r.Language, phaseLanguages)
	}
	status := statusOf(r.Completed)
	switch r.Phase {
	case app.PhaseValidation:
		if r.Took > 0 {
			m.phases.testRuns.WithLabelValues(language, status).Observe(milliseconds(r.Took))
		}
	case app.PhaseMitigation:
		m.phases.mitigations.WithLabelValues(language, status).Inc()
		if r.Took > 0 {
			m.phases.mitigation.WithLabelValues(language, status).Observe(milliseconds(r.Took))
		}
		if r.Trust != nil {
			m.phases.trust.WithLabelValues(language).Observe(*r.Trust)
		}
		if r.PullRequest {
			m.phases.pulls.WithLabelValues(language).Inc()
		}
	case app.PhaseScan: // nothing is counted of it
	}
}
