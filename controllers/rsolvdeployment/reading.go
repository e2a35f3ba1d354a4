package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// readingTimeout bounds one look at all the bounds of a baseline.
const readingTimeout = 20 * time.Second

// reading is what one look at a gate's baseline told.
type reading struct {
	baseline string
	// pods is the ReplicaSet of the revision's pods, made at made.
	pods string
	made time.Time
	// unknown is set while nothing is known.
	unknown *unknown
	// asked are the thresholds that were, breached those of them that crossed
	// their bound, and quiet those without a value to judge.
	asked, quiet []string
	breached     []breach
	unchecked    []alerts.Unchecked
	// window is how far back the bounds look.
	window time.Duration
}

// unknown is why nothing is known.
type unknown struct {
	reason, message string
	// watched tells that an event will come when it changes.
	watched bool
}

// breach is a bound that was crossed.
type breach struct{ threshold, says string }

// askGate looks at all critical bounds of the gate's baseline once.
func (r *Reconciler) askGate(ctx context.Context, s *scope, now time.Time) (*reading, error) {
	name := gateOf(s.rd).BaselineRef.Name
	seen := &reading{baseline: name}
	baseline := &v1alpha1.AlertBaseline{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.rd.Namespace, Name: name}, baseline)
	if apierrors.IsNotFound(err) {
		return seen.without(v1alpha1.ReasonBaselineMissing, true, "the AlertBaseline %q of rollout.gate does not exist in this namespace: create it", name), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading AlertBaseline %s: %w", name, err)
	}
	if baseline.Spec.Prometheus == nil {
		return seen.without(v1alpha1.ReasonNoPrometheus, true, "the AlertBaseline %q says of no Prometheus: set its spec.prometheus", name), nil
	}
	set, _, err := r.replicaSets(ctx, s)
	if err != nil {
		return nil, err
	}
	if set == nil {
		return seen.without(v1alpha1.ReasonGateNoData, false, "the Deployment's newest ReplicaSet is not known yet"), nil
	}
	seen.pods, seen.made = set.Name, set.CreationTimestamp.Time
	server, err := r.connect(ctx, baseline)
	if problem, ok := errors.AsType[*promclient.SecretError](err); ok {
		return seen.without(v1alpha1.ReasonPrometheusAway, false, "the Prometheus of AlertBaseline %q cannot be asked: spec.prometheus.%v", name, problem), nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readingTimeout)
	defer cancel()
	if err := r.look(ctx, s, seen, server, baseline, now); err != nil {
		if unasked, ok := errors.AsType[*unaskable](err); ok {
			return seen.without(v1alpha1.ReasonPrometheusAway, false, "the Prometheus of AlertBaseline %q cannot be asked at %s: %s",
				name, baseline.Spec.Prometheus.URL, promclient.Explain(unasked.err)), nil
		}
		return nil, err
	}
	return seen, nil
}

func (seen *reading) without(reason string, watched bool, format string, args ...any) *reading {
	seen.unknown = &unknown{reason: reason, message: fmt.Sprintf(format, args...), watched: watched}
	return seen
}

// unaskable wraps that a server does not answer.
type unaskable struct{ err error }

// Error is not for people: see promclient.Explain.
func (u *unaskable) Error() string { return u.err.Error() }

// connect makes a client of the baseline's Prometheus.
func (r *Reconciler) connect(ctx context.Context, baseline *v1alpha1.AlertBaseline) (Querier, error) {
	config, err := promclient.Resolve(ctx, baseline.Spec.Prometheus, func(ctx context.Context, name string) (map[string][]byte, error) {
		secret, err := r.secret(ctx, baseline.Namespace, name)
		if err != nil || secret == nil {
			return nil, err
		}
		if secret.Data == nil {
			return map[string][]byte{}, nil
		}
		return secret.Data, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Prometheus(client.ObjectKeyFromObject(baseline), config)
}

// look asks about each bound.
func (r *Reconciler) look(ctx context.Context, s *scope, seen *reading, server Querier, baseline *v1alpha1.AlertBaseline, now time.Time) error {
	if !s.gate.Compared {
		if err := r.compare(ctx, s, seen, server, baseline); err != nil {
			return err
		}
	}
	checks, unchecked := alerts.Checks(baseline, now, alerts.PodsOf(seen.pods))
	seen.unchecked = unchecked
	present, refused := false, false
	for i := range checks {
		check := &checks[i]
		seen.window = max(seen.window, check.Window)
		if slices.Contains(s.gate.Excluded, check.Threshold) {
			continue
		}
		if now.Sub(s.gate.StartedAt.Time) < check.Settles {
			seen.quiet = append(seen.quiet, check.Threshold)
			continue
		}
		found, err := s.askGated(ctx, server, check, now)
		if promclient.Refused(err) {
			refused = true
			seen.unchecked = append(seen.unchecked, alerts.Unchecked{Threshold: check.Threshold, Why: "Prometheus refuses its query: " + promclient.Explain(err)})
			continue
		}
		if err != nil {
			return &unaskable{err}
		}
		present = present || found.present
		seen.asked = append(seen.asked, check.Threshold)
		if found.crossed != "" {
			seen.breached = append(seen.breached, breach{check.Threshold, found.crossed})
		} else if !found.judged {
			seen.quiet = append(seen.quiet, check.Threshold)
		}
	}
	switch {
	case len(checks) == 0:
		seen.without(v1alpha1.ReasonGateNoData, true, "the AlertBaseline %q has no critical bound that can be asked about the new pods", baseline.Name)
	case len(seen.asked) == 0 && refused:
		seen.without(v1alpha1.ReasonGateNoData, false, "Prometheus refuses every query that AlertBaseline %q becomes%s", baseline.Name, seen.notes(s))
	case len(seen.asked) > 0 && !present:
		seen.without(v1alpha1.ReasonGateNoData, false, "Prometheus has no metrics of the pods %s-*, by the label pod, that AlertBaseline %q speaks of: see that they are scraped",
			seen.pods, baseline.Name)
	}
	return nil
}

// askGated asks about one bound now and, when the gate is over, about all of its
// time: nobody may have looked for a while, for the manager was away, the
// rollout suspended, or between two looks.
func (s *scope) askGated(ctx context.Context, server Querier, check *alerts.Check, now time.Time) (answer, error) {
	found, err := ask(ctx, server, check, now)
	if err == nil && found.crossed == "" && s.gateIsOver(now) {
		found.crossed, err = askPeriod(ctx, server, check, s.judgedFrom().Add(check.Settles), now)
	}
	return found, err
}

// compare records which bounds were breached before the revision's first pod
// was made: those are not its doing. Its own pods of an earlier attempt, and
// those of revisions that were rejected right before, are no excuse: what they
// did would let them, and all that fail like them, pass the next time.
func (r *Reconciler) compare(ctx context.Context, s *scope, seen *reading, server Querier, baseline *v1alpha1.AlertBaseline) error {
	began, err := r.firstPod(ctx, s, seen.pods)
	if err != nil {
		return err
	}
	if began.IsZero() {
		began = s.gate.StartedAt.Time
	}
	own := []string{seen.pods}
	if s.rejected != nil {
		own = append(own, s.rejected.Pods...)
	}
	checks, _ := alerts.Checks(baseline, began, alerts.PodsBut(own))
	var before []string
	var window time.Duration
	for i := range checks {
		window = max(window, checks[i].Window)
		found, err := ask(ctx, server, &checks[i], began)
		if err != nil && !promclient.Refused(err) {
			return &unaskable{err}
		}
		if found.crossed != "" {
			before = append(before, checks[i].Threshold)
		}
	}
	s.gate.Compared, s.gate.Excluded = true, before
	if from := forgotten(seen.made, began, window); from.After(s.gate.StartedAt.Time) {
		s.gate.JudgeFrom = new(metav1.NewTime(from))
	}
	return nil
}

// reuse is how much younger than their ReplicaSet pods are that another attempt
// made. The Deployment controller makes the first ones at once.
const reuse = 30 * time.Second

// forgotten is when metrics tell nothing any more of pods that a ReplicaSet had
// before those that it has: what an earlier attempt did is not held against
// this one. It is zero for a ReplicaSet that had none.
func forgotten(made, began time.Time, window time.Duration) time.Time {
	if began.Sub(made) < reuse {
		return time.Time{}
	}
	return began.Add(window)
}

// watched says what the gate is doing.
func (seen *reading) watched(s *scope) string {
	if from := s.gate.JudgeFrom; from != nil {
		return fmt.Sprintf("the pods %s-* must keep the critical bounds of AlertBaseline %q from %s", seen.pods, seen.baseline, from.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the pods %s-* must keep the critical bounds of AlertBaseline %q", seen.pods, seen.baseline)
}

// notes are what the gate leaves out.
func (seen *reading) notes(s *scope) string {
	var notes strings.Builder
	if len(s.gate.Excluded) > 0 {
		notes.WriteString("; breached before this version, and left out: " + strings.Join(s.gate.Excluded, ", "))
	}
	for _, each := range seen.unchecked {
		notes.WriteString("; not asked about: " + each.Threshold + ", for " + each.Why)
	}
	return notes.String()
}

// conclusion is what a gate that was passed has seen.
func (seen *reading) conclusion(s *scope) string {
	text := fmt.Sprintf("the pods %s-* kept the critical bounds of AlertBaseline %q from %s to %s", seen.pods, seen.baseline,
		s.judgedFrom().UTC().Format(time.RFC3339), s.gateEnds().UTC().Format(time.RFC3339))
	if len(seen.quiet) > 0 {
		text += "; too little happened in the end to judge " + strings.Join(seen.quiet, ", ")
	}
	return text + seen.notes(s)
}

// breach is the record of the bounds that were crossed, and by how much.
func (seen *reading) breach(s *scope, now time.Time) *v1alpha1.BreachRecord {
	names, says := make([]string, len(seen.breached)), make([]string, len(seen.breached))
	for i := range seen.breached {
		names[i], says[i] = seen.breached[i].threshold, seen.breached[i].says
	}
	return &v1alpha1.BreachRecord{
		At: metav1.NewTime(now.Truncate(time.Second)), Reason: v1alpha1.ReasonGateBreached,
		Subject: strings.Join(names, ", ") + " crossed", Message: strings.Join(says, "; ") + seen.notes(s),
		Window: metav1.Duration{Duration: seen.window},
	}
}
