package alertbaseline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/controllers/watch"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
)

// pace is how often a Prometheus is asked.
type pace struct {
	// steady is the time between two looks, settling while rules are on their
	// way, which they may be for as long as settled.
	steady, settling, settled time.Duration
	// series is the time between two looks at which series there are.
	series time.Duration
	// patience is how long a Prometheus may be away before that is told: one
	// that is restarted is no news.
	patience time.Duration
}

var usualPace = pace{
	steady: 30 * time.Second, settling: 5 * time.Second, settled: 3 * time.Minute, series: 5 * time.Minute, patience: 75 * time.Second,
}

// observer asks the Prometheus of each baseline that names one what has become
// of its rules. It writes nothing.
type observer struct {
	client  client.Client
	live    client.Reader
	clock   func() time.Time
	noted   *noted
	clients *promclient.Clients
	pace    pace

	mu       sync.Mutex
	memories map[types.NamespacedName]*memory
}

// memory is what the observer keeps of a baseline between looks.
type memory struct {
	generation int64
	// since is when this generation was first looked at, answered when
	// Prometheus last answered, and listed when its series were last listed.
	since, answered, listed time.Time
	facts                   facts
	present                 status.Verdict
}

func (o *observer) setup(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("alertbaseline-observer").
		For(&v1alpha1.AlertBaseline{}, builder.WithPredicates(watch.DeclarationChanged())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(o)
	if err != nil {
		return fmt.Errorf("setting up the observer of AlertBaselines: %w", err)
	}
	return nil
}

// Reconcile looks once, and says when to look again.
func (o *observer) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var baseline v1alpha1.AlertBaseline
	if err := o.client.Get(ctx, request.NamespacedName, &baseline); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	// One that is not found has no Prometheus either.
	if baseline.DeletionTimestamp != nil || baseline.Spec.Prometheus == nil {
		o.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	in, found := o.noted.inPlace(&baseline)
	if !found {
		return ctrl.Result{RequeueAfter: o.pace.settling}, nil // not applied yet, or not at all
	}
	m := o.memory(&baseline)
	seen := observation{uid: baseline.UID, generation: baseline.Generation}
	o.look(ctx, &baseline, in, m, &seen)
	if ctx.Err() != nil {
		return ctrl.Result{}, nil //nolint:nilerr // the manager stops; what failed by that is no news
	}
	o.noted.see(request.NamespacedName, seen)
	return ctrl.Result{RequeueAfter: o.next(request.NamespacedName, m, seen.loaded)}, nil
}

// next is when to look again. Baselines that were made at once are looked at
// apart.
func (o *observer) next(key types.NamespacedName, m *memory, loaded status.Verdict) time.Duration {
	if !loaded.Is() && o.clock().Sub(m.since) < o.pace.settled {
		return o.pace.settling
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(key.String()))
	return o.pace.steady + o.pace.steady/10*time.Duration(sum.Sum32()%100)/100
}

func (o *observer) memory(baseline *v1alpha1.AlertBaseline) *memory {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.memories == nil {
		o.memories = map[types.NamespacedName]*memory{}
	}
	m := o.memories[keyOf(baseline)]
	if m == nil || m.generation != baseline.Generation {
		m = &memory{generation: baseline.Generation, since: o.clock()}
		o.memories[keyOf(baseline)] = m
	}
	return m
}

func (o *observer) forget(key types.NamespacedName) {
	o.mu.Lock()
	delete(o.memories, key)
	o.mu.Unlock()
	o.clients.Forget(key)
	o.noted.forget(key)
}

// look asks, and fills in what was seen. A Prometheus that is away for longer
// than a restart makes everything unknown; until then what was seen last holds.
func (o *observer) look(ctx context.Context, baseline *v1alpha1.AlertBaseline, in applied, m *memory, seen *observation) {
	now := o.clock()
	api, err := o.connect(ctx, baseline)
	if err == nil {
		err = ask(ctx, api, baseline, in.plans, m, now, o.pace.series)
	}
	if err != nil {
		before := o.noted.of(baseline)
		if before != nil && before.standings != nil && now.Sub(m.answered) < o.pace.patience {
			*seen = *before
			return
		}
		seen.loaded = unreachable(baseline.Spec.Prometheus.URL, err)
		seen.present = seen.loaded
		return
	}
	m.answered = now
	c := compare(baseline.Namespace, in.groups, m.facts.rules)
	seen.loaded = loadedVerdict(c, now.Sub(m.since) < o.pace.settled, func() status.Verdict { return whyAbsent(ctx, o.live, baseline) })
	if m.listed.Equal(now) {
		m.present = presentVerdict(baseline, in.plans, &m.facts)
	}
	seen.present = m.present
	all, firing := standings(baseline, in.plans, &m.facts)
	seen.standings, seen.firing = all, &firing
}

// connect makes a client with the credentials as they are now.
func (o *observer) connect(ctx context.Context, baseline *v1alpha1.AlertBaseline) (promv1.API, error) {
	config, err := promclient.Resolve(ctx, baseline.Spec.Prometheus, secretsOf(o.live, baseline.Namespace))
	if err != nil {
		return nil, err
	}
	return o.clients.For(keyOf(baseline), config)
}

// secretsOf reads the Secrets of a namespace, which are never cached.
func secretsOf(live client.Reader, namespace string) promclient.Secrets {
	return func(ctx context.Context, name string) (map[string][]byte, error) {
		var secret corev1.Secret
		if err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		return secret.Data, nil
	}
}

// unreachable is the verdict on what cannot be known.
func unreachable(url string, err error) status.Verdict {
	if problem, ok := errors.AsType[*promclient.SecretError](err); ok {
		reason := v1alpha1.ReasonSecretInvalid
		if problem.Missing() {
			reason = v1alpha1.ReasonSecretNotFound
		}
		return status.Unknown(reason, "Prometheus is not asked: spec.prometheus."+problem.Error())
	}
	if apierrors.ReasonForError(err) != "" {
		return status.Unknown(v1alpha1.ReasonPrometheusUnreachable, "Prometheus is not asked: the API server did not give the secret")
	}
	return status.Unknown(v1alpha1.ReasonPrometheusUnreachable, "Prometheus at "+url+" does not answer: "+promclient.Explain(err)+
		"; the rules and what they tell are not touched by that")
}
