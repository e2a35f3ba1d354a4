package alertbaseline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/backtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

const (
	// calibrateEvery is how long an answer about the past holds.
	calibrateEvery = 24 * time.Hour
	// calibrateRetry is when a Prometheus that did not answer is asked again.
	calibrateRetry = 5 * time.Minute
)

// calibrator asks about the past, one baseline at a time: such questions are
// the dearest that a Prometheus is asked. It writes nothing; what it finds goes
// into the status by the reconciler.
type calibrator struct {
	client client.Client
	live   client.Reader
	clock  func() time.Time
	noted  *noted

	mu sync.Mutex
	// asked is the value of the annotation for which it last looked.
	asked map[types.NamespacedName]string
}

func (c *calibrator) setup(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("alertbaseline-calibrator").
		For(&v1alpha1.AlertBaseline{}, builder.WithPredicates(watch.DeclarationChanged())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(c)
	if err != nil {
		return fmt.Errorf("setting up the calibrator of AlertBaselines: %w", err)
	}
	return nil
}

// Reconcile looks back if an answer is due.
func (c *calibrator) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var baseline v1alpha1.AlertBaseline
	if err := c.client.Get(ctx, request.NamespacedName, &baseline); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	// One that is not found asks for nothing either.
	if baseline.DeletionTimestamp != nil || baseline.Spec.Calibrate == nil || baseline.Spec.Prometheus == nil {
		c.noted.calibrate(request.NamespacedName, nil)
		return ctrl.Result{}, nil
	}
	if due := c.due(&baseline); due > 0 {
		return ctrl.Result{RequeueAfter: due}, nil
	}
	found, err := c.lookBack(ctx, &baseline)
	if ctx.Err() != nil {
		return ctrl.Result{}, nil //nolint:nilerr // the manager stops; what failed by that is no news
	}
	if err != nil {
		found = &v1alpha1.CalibrationStatus{
			ObservedGeneration: baseline.Generation, Window: baseline.Spec.Calibrate.Window,
			Problems: []string{unreachable(baseline.Spec.Prometheus.URL, err).Message},
		}
		if before := baseline.Status.Calibration; before != nil && before.ObservedGeneration == baseline.Generation {
			// What was found once is worth more than that it cannot be found now.
			found.Until, found.Alerts = before.Until, before.Alerts
		}
		c.noted.calibrate(request.NamespacedName, found)
		return ctrl.Result{RequeueAfter: calibrateRetry}, nil
	}
	c.noted.calibrate(request.NamespacedName, found)
	return ctrl.Result{RequeueAfter: calibrateEvery}, nil
}

// due is how long an answer still holds; not at all after a change, and when
// somebody asks to look now.
func (c *calibrator) due(baseline *v1alpha1.AlertBaseline) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[types.NamespacedName]string{}
	}
	now := baseline.Annotations[contract.AnnotationReconcile]
	before, known := c.asked[keyOf(baseline)]
	c.asked[keyOf(baseline)] = now
	last := c.noted.calibrated(baseline)
	if last == nil {
		last = baseline.Status.Calibration
	}
	if last == nil || last.ObservedGeneration != baseline.Generation || last.Until == nil || known && before != now {
		return 0
	}
	return last.Until.Add(calibrateEvery).Sub(c.clock())
}

func (c *calibrator) lookBack(ctx context.Context, baseline *v1alpha1.AlertBaseline) (*v1alpha1.CalibrationStatus, error) {
	config, err := promclient.Resolve(ctx, baseline.Spec.Prometheus, secretsOf(c.live, baseline.Namespace))
	if err != nil {
		return nil, err
	}
	api, err := promclient.New(config)
	if err != nil {
		return nil, err
	}
	window, ok := alerts.ParseDuration(baseline.Spec.Calibrate.Window)
	if !ok {
		return nil, fmt.Errorf("spec.calibrate.window: %q is no duration", baseline.Spec.Calibrate.Window)
	}
	now := c.clock()
	reports, err := backtest.Run(ctx, api, baseline, window, now, promclient.OfTheQuery)
	if err != nil {
		return nil, err
	}
	return calibrationOf(baseline, reports, now), nil
}

// calibrationOf puts reports into the form of the status.
func calibrationOf(baseline *v1alpha1.AlertBaseline, reports []backtest.Report, now time.Time) *v1alpha1.CalibrationStatus {
	until := metav1.NewTime(now.Truncate(time.Second))
	found := &v1alpha1.CalibrationStatus{ObservedGeneration: baseline.Generation, Window: baseline.Spec.Calibrate.Window, Until: &until}
	for i := range reports {
		r := &reports[i]
		if r.Problem != "" {
			found.Problems = append(found.Problems, fmt.Sprintf("%q: %s", r.Threshold, r.Problem))
		}
		for j := range r.Levels {
			l := &r.Levels[j]
			alert := v1alpha1.AlertCalibration{
				Alert: l.Bound.Alert, Threshold: r.Threshold, WouldHaveFired: int32(min(len(l.Episodes), 1<<20)),
			}
			if len(l.Episodes) > 0 {
				alert.Longest, alert.InAll = backtest.Short(l.Longest()), backtest.Short(l.Total())
			}
			if l.Suggestion != nil {
				alert.Suggested, alert.SuggestedFires = l.Suggestion.Text, fmt.Sprintf("%.2g a week", l.Suggestion.PerWeek)
			}
			found.Alerts = append(found.Alerts, alert)
		}
	}
	slices.Sort(found.Problems)
	return found
}
