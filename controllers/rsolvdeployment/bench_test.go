package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// crowd is how many apps are brought up at once.
const crowd = 100

// timed measures what a reconciler takes.
type timed struct {
	*Reconciler
	mu    sync.Mutex
	taken []time.Duration
}

func (r *timed) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	begun := time.Now()
	result, err := r.Reconciler.Reconcile(ctx, request)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, time.Since(begun))
	return result, err
}

func (r *timed) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.taken)
}

// BenchmarkHundredApps brings apps from nothing to Ready, all at the same time,
// beside an API server and a simulated kubelet, and then watches an idle
// minute, in which nothing may be written. Beside what a reconcile takes it
// reports how often each app was reconciled on its way: a hot loop would show.
func BenchmarkHundredApps(b *testing.B) {
	for b.Loop() {
		c, writes := shared(b), &testenv.Writes{}
		namespace := testenv.Namespace(b)
		var r *timed
		testenv.StartManager(b, namespace, func(m ctrl.Manager) error {
			counted := writes.Count(m.GetClient())
			r = &timed{Reconciler: &Reconciler{
				Client: counted, Live: m.GetAPIReader(), Applier: child.NewApplier(counted, m.GetAPIReader()),
				Recorder: m.GetEventRecorder("rsolv-operator"), Random: counting, Logs: testenv.NewLogs(c), Clock: time.Now,
				Prometheus: noPrometheus,
			}}
			return r.setUp(m, r)
		})
		testenv.SimulateKubelet(b, namespace)
		gather(b, c, namespace)
		onTheWay := r.count()
		r.mu.Lock()
		slices.Sort(r.taken)
		b.ReportMetric(milliseconds(r.taken[len(r.taken)/2]), "p50-ms")
		b.ReportMetric(milliseconds(r.taken[len(r.taken)*99/100]), "p99-ms")
		r.mu.Unlock()
		b.ReportMetric(float64(onTheWay)/crowd, "reconciles/app")

		settle := len(writes.List())
		for { // until the last events have been dealt with
			time.Sleep(2 * time.Second)
			if sent := len(writes.List()); sent == settle {
				break
			} else {
				settle = sent
			}
		}
		reconciled := r.count()
		time.Sleep(time.Minute)
		idle := writes.List()[settle:]
		if len(idle) > 0 {
			b.Errorf("in an idle minute: %v", idle)
		}
		b.ReportMetric(float64(len(idle)), "writes/idle-minute")
		b.ReportMetric(float64(r.count()-reconciled), "reconciles/idle-minute")
	}
}

// gather declares the crowd and waits until every app is ready.
func gather(b *testing.B, c client.Client, namespace string) {
	b.Helper()
	for name, values := range map[string]map[string]string{
		"rsolv-db": {"database-url": goodURL}, "rsolv-stripe": {"STRIPE_API_KEY": stripeKey, "STRIPE_WEBHOOK_SECRET": webhook},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: values}
		if err := c.Create(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
	for i := range crowd {
		rd := &v1alpha1.RsolvDeployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("app-%d", i)},
			Spec: v1alpha1.RsolvDeploymentSpec{
				Image:    "ghcr.io/rsolv-dev/rsolv:v1",
				Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}},
				Secrets:  []v1alpha1.SecretSource{{Name: "rsolv-stripe", RequiredKeys: []string{"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"}}},
				Ingress:  &v1alpha1.Ingress{Hosts: []string{"rsolv.dev"}},
			},
		}
		platform(rd)
		if err := c.Create(b.Context(), rd); err != nil {
			b.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * time.Minute)
	for {
		var apps v1alpha1.RsolvDeploymentList
		if err := c.List(b.Context(), &apps, client.InNamespace(namespace)); err != nil {
			b.Fatal(err)
		}
		ready := 0
		for i := range apps.Items {
			if apimeta.IsStatusConditionTrue(apps.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
		}
		if ready == crowd {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d apps are ready", ready, crowd)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// BenchmarkOneRead is the measure beside it: one object read from the same API
// server.
func BenchmarkOneRead(b *testing.B) {
	c, namespace := shared(b), testenv.Namespace(b)
	var taken []time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := c.Get(b.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}); err != nil {
			b.Fatal(err)
		}
		taken = append(taken, time.Since(begun))
	}
	slices.Sort(taken)
	b.ReportMetric(milliseconds(taken[len(taken)/2]), "p50-ms")
	b.ReportMetric(milliseconds(taken[len(taken)*99/100]), "p99-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// noPrometheus is for apps without a gate.
func noPrometheus(types.NamespacedName, promclient.Config) (Querier, error) {
	return nil, errors.New("no app of the benchmark has a gate")
}
