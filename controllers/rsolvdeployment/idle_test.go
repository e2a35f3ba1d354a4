package rsolvdeployment

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestSecondReconcileWritesNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*fixture){
		"ready":      func(f *fixture) { f.secrets().create().ready() },
		"everything": func(f *fixture) { f.secrets().create(platform).ready() },
		"autoscaled": func(f *fixture) { f.secrets().create(autoscaled).ready() },
		"held":       func(f *fixture) { f.create().reconcile() },
		"checking":   func(f *fixture) { f.secrets().create().reconcile() },
		"check failed": func(f *fixture) {
			f.secrets().create().reconcile()
			f.finishJobs(batchv1.JobFailed, "no")
		},
		"check failed, the Job gone": func(f *fixture) {
			f.secrets().create().reconcile()
			f.finishJobs(batchv1.JobFailed, "no")
			f.reconcile()
			f.deleteJobs()
		},
		"flags missing": func(f *fixture) {
			f.needs("blog")
			f.secrets().create().migrating()
		},
		"migrating": func(f *fixture) { f.secrets().create().migrating() },
		"failed": func(f *fixture) {
			f.secrets().create().migrating()
			f.finishJobs(batchv1.JobFailed, "no")
			f.reconcile()
		},
		"failed, the Job gone": func(f *fixture) {
			f.secrets().create().migrating()
			f.finishJobs(batchv1.JobFailed, "no")
			f.reconcile()
			f.deleteJobs()
		},
		"testing": func(f *fixture) { f.secrets().create().testing() },
		"test failed, the Job gone": func(f *fixture) {
			f.secrets().create().testing()
			f.finishJobs(batchv1.JobFailed, "no")
			f.reconcile()
			f.deleteJobs()
		},
		"rolled back": func(f *fixture) {
			f.secrets().create().ready().image(v2)
			f.rolling()
			f.stall(2)
			f.reconcile()
			f.reconcile()
			f.rollOut()
		},
		"dependency down": func(f *fixture) {
			f.secrets().create().ready().image(v2)
			f.rolling()
			f.stall(1)
		},
		"ready, the Job gone": func(f *fixture) { f.secrets().create().ready().deleteJobs() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			prepare(f)
			// The API server sorts a Deployment's two field managers by the
			// second of their last apply. The first apply of a new process in
			// a later second may swap them, once, and changes nothing else.
			time.Sleep(1100 * time.Millisecond)
			f.restart(f.client)
			f.reconcile()
			before, told := f.versions(), len(f.notes.all())
			f.reconcile()
			f.restart(f.client) // nor does one that remembers nothing
			f.reconcile()
			f.reconcile()
			if diff := cmp.Diff(before, f.versions()); diff != "" {
				t.Errorf("resource versions changed:\n%s", diff)
			}
			if len(f.notes.all()) != told {
				t.Errorf("events without a transition: %v", f.notes.all()[told:])
			}
		})
	}
}

// TestStaleCacheFreezesNoStatus: the cache still has the status in which the
// app was ready, the API server has one in which it was not, and now it is
// ready again.
func TestStaleCacheFreezesNoStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	stale := f.rd()
	deployment := f.deployment()
	deployment.Status.AvailableReplicas = 1
	f.must(f.client.Status().Update(t.Context(), deployment))
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseDegraded)
	f.rollOut()
	f.r.Client = interceptor.NewClient(shared(t), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			if rd, ok := into.(*v1alpha1.RsolvDeployment); ok {
				stale.DeepCopyInto(rd)
				return nil
			}
			return c.Get(ctx, key, into, options...)
		},
	})
	f.reconcile()
	f.wantPhase(v1alpha1.PhaseReady)
}
