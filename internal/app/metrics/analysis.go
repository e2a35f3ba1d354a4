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
	}
	for _, c := range []prometheus.Collector{a.executions, a.duration} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering a collector of the analysis: %w", err)
		}
	}
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

func statusOf(completed bool) string {
	if completed {
		return "completed"
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
