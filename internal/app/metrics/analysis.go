package metrics

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Analysis counts what the analysis of source code does. Durations are in
// milliseconds. Customers are in no label: there is no bound to how many there
// are.
type Analysis struct {
	executions *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	analyze    *prometheus.CounterVec
	analyzeMS  *prometheus.HistogramVec
	generate   *prometheus.CounterVec
	generateMS *prometheus.HistogramVec
	lines      *prometheus.HistogramVec
	// Tests that were generated, as the validation alerts and dashboards have it.
	generated   *prometheus.CounterVec
	generatedMS *prometheus.HistogramVec

	mu    sync.Mutex
	repos map[string]bool
}

// NewAnalysis registers the collectors of the analysis.
func NewAnalysis(reg prometheus.Registerer) (*Analysis, error) {
	a := &Analysis{
		repos: map[string]bool{},
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: contract.MetricValidationExecutions, Help: "Batches of findings that were judged, or failed to be.",
		}, []string{"repo", "language", "framework", contract.LabelStatus}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricValidationDuration, Help: "Duration of judging a batch of findings in milliseconds.",
			Buckets: contract.ValidationBucketsMS,
		}, []string{"repo", "language", "framework"}),
		analyze: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_test_integration_analyze_total", Help: "Requests to rank test files.",
		}, []string{"language", "framework", contract.LabelStatus}),
		analyzeMS: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rsolv_test_integration_analyze_duration_milliseconds", Help: "Duration of ranking test files in milliseconds.",
			Buckets: contract.TestIntegrationBucketsMS,
		}, []string{"language", "framework"}),
		generate: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_test_integration_generate_total", Help: "Requests to insert tests in a file.",
		}, []string{"language", "framework", "method", contract.LabelStatus}),
		generateMS: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rsolv_test_integration_generate_duration_milliseconds", Help: "Duration of inserting tests in milliseconds.",
			Buckets: contract.TestIntegrationBucketsMS,
		}, []string{"language", "framework", "method"}),
		lines: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rsolv_test_integration_generate_lines_integrated", Help: "Lines that were inserted.",
			Buckets: []float64{5, 10, 20, 50, 100, 200},
		}, []string{"language", "framework"}),
		generated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rsolv_validation_test_generated_total", Help: "Test files that tests were inserted in.",
		}, []string{"language", "framework"}),
		generatedMS: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: contract.MetricTestGenerationDuration, Help: "Duration of generating tests in milliseconds.",
			Buckets: contract.TestBucketsMS,
		}, []string{"language", contract.LabelStatus}),
	}
	for _, c := range []prometheus.Collector{a.executions, a.duration, a.analyze, a.analyzeMS, a.generate, a.generateMS, a.lines, a.generated, a.generatedMS} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering a collector of the analysis: %w", err)
		}
	}
	// A series from the start, so that a quiet hour after a restart is not taken
	// for metrics that vanished.
	a.executions.WithLabelValues(a.repo(""), "other", noFramework, statusOf(true))
	return a, nil
}

// noFramework labels validations, which are about no test framework.
const noFramework = "none"

// ObserveValidation counts one batch of findings.
func (a *Analysis) ObserveValidation(repo, language string, completed bool, took time.Duration) {
	repo = a.repo(repo)
	a.executions.WithLabelValues(repo, language, noFramework, statusOf(completed)).Inc()
	a.duration.WithLabelValues(repo, language, noFramework).Observe(milliseconds(took))
}

// StatusCompleted is the status of requests that were answered.
const StatusCompleted = "completed"

// ObserveAnalyze counts one request to rank test files.
func (a *Analysis) ObserveAnalyze(language, framework, status string, took time.Duration) {
	a.analyze.WithLabelValues(language, framework, status).Inc()
	if status == StatusCompleted {
		a.analyzeMS.WithLabelValues(language, framework).Observe(milliseconds(took))
	}
}

// ObserveGenerate counts one request to insert tests.
func (a *Analysis) ObserveGenerate(language, framework, method, status string, lines int, took time.Duration) {
	a.generate.WithLabelValues(language, framework, method, status).Inc()
	a.generatedMS.WithLabelValues(language, statusOf(status == StatusCompleted)).Observe(milliseconds(took))
	if status == StatusCompleted {
		a.generateMS.WithLabelValues(language, framework, method).Observe(milliseconds(took))
		a.lines.WithLabelValues(language, framework).Observe(float64(lines))
		a.generated.WithLabelValues(language, framework).Inc()
	}
}

func statusOf(completed bool) string {
	if completed {
		return StatusCompleted
	}
	return "failed"
}

var repoPattern = regexp.MustCompile(`^[\w.-]{1,60}/[\w.-]{1,100}$`)

// repo bounds the label: the first repositories of a process are told apart.
func (a *Analysis) repo(name string) string {
	if name == "" {
		return "unknown/repo"
	}
	if !repoPattern.MatchString(name) {
		return "other"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.repos[name] {
		if len(a.repos) >= contract.RepoLabelLimit {
			return "other"
		}
		a.repos[name] = true
	}
	return name
}
