package rsolvdeployment

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// gateBreached records what went wrong. It is decided about in the next
// reconcile, when that is written, and from the record alone: a bound that is
// crossed in one look and not in the next was crossed all the same.
func (r *Reconciler) gateBreached(ctx context.Context, s *scope, breach *v1alpha1.BreachRecord) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
	s.gate.Breach = breach
	return s.awaitWitness(staleRetry)
}

// decideBreach decides about a revision of which a breach is recorded. A
// database that is away makes any revision fail: the image is asked whether it
// is. Without an error the watch goes on.
func (r *Reconciler) decideBreach(ctx context.Context, s *scope, now time.Time) error {
	good, err := r.otherGood(ctx, s)
	if err != nil {
		return err
	}
	breach := s.gate.Breach
	if (failure{good: good, wanted: autoRollback(s.rd)}).decide() == leave {
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
	said, err := r.askWitness(ctx, s)
	if err != nil {
		return err
	}
	if said.running {
		return s.awaitWitness(0)
	}
	back := s.gate.Failures > 0 && s.gate.JudgeFrom == nil
	switch (failure{good: good, wanted: true, othersDown: said.away, recovering: back}).decide() {
	case wait:
		if said.away {
			return s.dependencyAway(said.message, now)
		}
		// Back it is: wait until the metrics no longer tell that it was away.
		s.gate.JudgeFrom, s.gate.RetryAt = new(metav1.NewTime(now.Add(breach.Window.Duration).Truncate(time.Second))), nil
		s.gate.Breach = nil
		return nil
	default:
		return r.gateFailed(ctx, s, breach.Reason, breach.Message)
	}
}

// awaitWitness waits for the Job, which is watched, or for the record of what
// it is asked about.
func (s *scope) awaitWitness(after time.Duration) error {
	verdict := status.False(s.gate.Breach.Reason, fmt.Sprintf("%s; Job %s asks whether the database is to blame",
		s.gate.Breach.Subject, s.witnessJob()))
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working, after: after}
}

// dependencyAway waits for a database that is away.
func (s *scope) dependencyAway(message string, now time.Time) error {
	wait := backoff(s.gate.Failures)
	message = fmt.Sprintf("%s. So %s is not to blame (%s); the gate begins anew when it is back",
		message, s.target.Spec.Image, s.gate.Breach.Subject)
	s.gate.Failures, s.gate.JudgeFrom, s.gate.Breach = s.gate.Failures+1, nil, nil
	s.gate.RetryAt = new(metav1.NewTime(now.Add(wait).Truncate(time.Second)))
	return s.holdDependency(message, wait)
}

func (s *scope) holdDependency(message string, wait time.Duration) error {
	verdict := status.False(v1alpha1.ReasonDependencyDown, message)
	s.verdicts[v1alpha1.ConditionGatePassed] = verdict
	return &held{phase: v1alpha1.PhaseGating, verdict: verdict, progress: status.Working, after: wait}
}

// previousGate is the message with which the failure was recorded.
func (s *scope) previousGate() string {
	condition := apimeta.FindStatusCondition(s.rd.Status.Conditions, v1alpha1.ConditionGatePassed)
	if condition != nil && condition.Reason == v1alpha1.ReasonDependencyDown {
		return condition.Message
	}
	return "the database was away; the next look says whether it still is"
}

// witness is what a preflight says in the middle of a gate.
type witness struct {
	// running tells that it has not ended.
	running bool
	// away tells that the database is, and message says so.
	away    bool
	message string
}

// witnessHash tells the preflights that gates ask for apart: each breach has
// its own, so that none is judged by what was true at another.
func (s *scope) witnessHash() string {
	return workload.AttemptHash(s.gate.Revision, fmt.Sprintf("gate/%d/%d/%d", s.gate.StartedAt.Unix(), s.gate.Failures, s.gate.Breach.At.Unix()))
}

// witnessJob is the preflight that a breach is waiting for; empty without one.
func (s *scope) witnessJob() string {
	if s.gate == nil || s.gate.Breach == nil {
		return ""
	}
	return workload.PreflightJobName(s.rd.Name, s.witnessHash())
}

// askWitness runs the preflight of the image once more for each breach. One
// that finds nothing amiss but the database speaks for the revision.
func (r *Reconciler) askWitness(ctx context.Context, s *scope) (witness, error) {
	name := s.witnessJob()
	for _, reader := range []client.Reader{r.Client, r.Live} {
		jobs, err := ownJobs(ctx, reader, s.rd, contract.ComponentPreflight)
		if err != nil {
			return witness{}, err
		}
		job, _ := pick(jobs, name)
		switch {
		case job != nil && finished(job, batchv1.JobFailed) != nil:
			return r.testimony(ctx, s, job)
		case job != nil && finished(job, batchv1.JobComplete) != nil:
			return witness{}, nil
		case job != nil:
			return witness{running: true}, nil
		}
	}
	return witness{running: true}, r.Applier.Create(ctx, s.rd, workload.PreflightJob(s.target, s.environment, s.witnessHash()))
}

// testimony is what a failed preflight said.
func (r *Reconciler) testimony(ctx context.Context, s *scope, job *batchv1.Job) (witness, error) {
	e, err := r.end(ctx, job)
	if err != nil || e == nil || !only(parseReport(strings.TrimSpace(e.message)), contract.CheckDatabase) {
		return witness{}, err
	}
	return witness{away: true, message: said(e, "", s.env)}, nil
}
