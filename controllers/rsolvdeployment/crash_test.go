package rsolvdeployment

import (
	"context"
	"errors"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// errKilled is how a manager dies in the tests.
var errKilled = errors.New("killed")

// dying is a client whose n-th write fails, either before it reaches the API
// server or after; so do all writes after it.
func dying(tb testing.TB, n int, after bool) (client.Client, *int) {
	tb.Helper()
	writes := new(int)
	write := func(do func() error) error {
		*writes++
		if *writes > n || (*writes == n && !after) {
			return errKilled
		}
		err := do()
		if *writes == n {
			return errors.Join(err, errKilled)
		}
		return err
	}
	return interceptor.NewClient(shared(tb), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return write(func() error { return c.Create(ctx, object, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, object, options...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return write(func() error { return c.Apply(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, object, patch, options...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return write(func() error { return c.SubResource(sub).Patch(ctx, object, patch, options...) })
		},
	}), writes
}

// TestManagerKilledAtAnyWrite kills the manager before and after each of its
// writes in the life of an app: made, then moved to another image with other
// secrets and an autoscaler. Whatever the next one finds, migrations run once
// each and the app becomes ready.
func TestManagerKilledAtAnyWrite(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				writes := killedAt(t, n, after)
				if done = writes < n; done && n < 12 {
					t.Fatalf("only %d writes in the life of an app", writes)
				}
			}
		})
	}
}

// killedAt lives through the life of an app with the manager killed at the
// n-th write, and returns how many writes there were up to then.
func killedAt(t *testing.T, n int, after bool) int {
	t.Helper()
	f := newFixture(t).secrets().create(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Replicas = nil })
	c, writes := dying(t, n, after)
	f.restart(c)
	f.live()
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "sk_live_other", "STRIPE_WEBHOOK_SECRET": webhook})
	f.edit(func(rd *v1alpha1.RsolvDeployment) {
		autoscaled(rd)
		rd.Spec.Image, rd.Spec.Ingress = "ghcr.io/rsolv-dev/rsolv:v2", nil
	})
	f.live()
	f.wantReplicas(2)
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 2 {
		t.Fatalf("killed at write %d: %d Jobs, want one for each image", n, len(jobs))
	}
	return *writes
}

// live plays kubelet until the app is ready, and replaces the reconciler when
// it dies.
func (f *fixture) live() {
	f.t.Helper()
	for range 12 {
		_, err := f.try(f.t.Context())
		if errors.Is(err, errKilled) {
			f.restart(f.client)
			continue
		}
		f.must(err)
		f.play()
		rd := f.rd()
		if rd.Status.Phase == v1alpha1.PhaseReady && rd.Status.ObservedGeneration == rd.Generation {
			return
		}
	}
	f.t.Fatalf("not ready: %+v", f.rd().Status)
}

// TestManagerKilledDuringARollback kills the manager before and after each of
// its writes from the declaration of a version that does not come up until the
// last good one is back.
func TestManagerKilledDuringARollback(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				writes := rolledBackThough(t, n, after)
				if done = writes < n; done && n < 7 {
					t.Fatalf("only %d writes in a rollback", writes)
				}
			}
		})
	}
}

// rolledBackThough lives through a rollback with the manager killed at the
// n-th write, and returns how many writes there were up to then.
func rolledBackThough(t *testing.T, n int, after bool) int {
	t.Helper()
	f := newFixture(t).secrets().create()
	f.live()
	f.image(v2)
	c, writes := dying(t, n, after)
	f.restart(c)
	for range 14 {
		_, err := f.try(t.Context())
		if errors.Is(err, errKilled) {
			f.restart(f.client)
			continue
		}
		f.must(err)
		f.play()
		if f.runs() == v2 {
			f.stall(2)
			continue
		}
		if rd := f.rd(); rd.Status.Phase == v1alpha1.PhaseReverted && apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionAvailable) {
			break
		}
	}
	f.wantRolledBack("no further new pod answered")
	f.wantReplicas(2)
	if jobs := f.jobsOf(contract.ComponentMigration); len(jobs) != 2 {
		t.Fatalf("killed at write %d: %d Jobs, want one for each image", n, len(jobs))
	}
	return *writes
}

// TestManagerKilledDuringAGate kills the manager before and after each of its
// writes from the smoke test of a version that breaches its gate until the last
// good one is back.
func TestManagerKilledDuringAGate(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	for name, after := range map[string]bool{"before it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				writes := gatedThough(t, url, n, after)
				if done = writes < n; done && n < 6 {
					t.Fatalf("only %d writes in a gate", writes)
				}
			}
		})
	}
}

// gatedThough lives through a breach with the manager killed at the n-th
// write, and returns how many writes there were up to then.
func gatedThough(t *testing.T, url string, n int, after bool) int {
	t.Helper()
	f := newFixture(t)
	f.baseline(url, jobFailing)
	f.now = time.Now().Truncate(time.Second)
	f.secrets().create(gated(v1alpha1.OnNoDataPause)).ready()
	f.image(v2)
	f.testing()
	f.pods()
	c, writes := dying(t, n, after)
	f.restart(c)
	for range 14 {
		f.play()
		_, err := f.try(t.Context())
		if errors.Is(err, errKilled) {
			f.restart(f.client)
			continue
		}
		f.must(err)
		if rd := f.rd(); f.runs() == v1 && rd.Status.Phase == v1alpha1.PhaseReverted && apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionAvailable) {
			break
		}
	}
	f.wantRolledBack(breached)
	if tests, asked := len(f.jobsOf(contract.ComponentSmokeTest)), len(f.jobsOf(contract.ComponentPreflight)); tests != 2 || asked != 3 {
		t.Fatalf("killed at write %d: %d smoke tests and %d preflights, want one for each image, and one in the gate", n, tests, asked)
	}
	return *writes
}

// TestManagerKilledWhileAGateIsHeld is the same with a secret that is emptied
// when the gate begins, so that the declared revision is held throughout.
func TestManagerKilledWhileAGateIsHeld(t *testing.T) {
	t.Parallel()
	url := prometheus(t).URL
	for name, after := range map[string]bool{"before it": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				writes := heldThough(t, url, n, after)
				if done = writes < n; done && n < 5 {
					t.Fatalf("only %d writes in a gate that is held", writes)
				}
			}
		})
	}
}

// heldThough lives through a breach while a secret is empty with the manager
// killed at the n-th write, and returns how many writes there were up to then.
func heldThough(t *testing.T, url string, n int, after bool) int {
	t.Helper()
	f := newFixture(t)
	f.baseline(url, jobHealthy)
	f.gating(gated(v1alpha1.OnNoDataPause))
	f.behave(jobFailing)
	f.emptySecret()
	c, writes := dying(t, n, after)
	f.restart(c)
	for range 14 {
		_, err := f.try(t.Context())
		if errors.Is(err, errKilled) {
			f.restart(f.client)
			continue
		}
		f.must(err)
		f.play()
		if st := f.rd().Status; st.Image == v1 && apimeta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionAvailable) {
			break
		}
	}
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretKeyEmpty)
	f.want(v1alpha1.ConditionRolledBack, metav1.ConditionTrue, v1alpha1.ReasonRolledBack)
	if st := f.rd().Status; f.runs() != v1 || st.RejectedRevision.Image != v2 || f.witnesses() != 1 {
		t.Fatalf("killed at write %d: the pods run %s after %d witnesses: %+v", n, f.runs(), f.witnesses(), st)
	}
	return *writes
}
