package rsolvdeployment

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// TestHealthOverALife follows an app from its creation to its end, and asks at
// each step what a GitOps pipeline asks: is it done, will it be, or is somebody
// needed?
func TestHealthOverALife(t *testing.T) {
	t.Parallel()
	const (
		waiting = status.InProgressStatus
		done    = status.CurrentStatus
		failed  = status.FailedStatus
	)
	f := newFixture(t)
	for _, step := range []struct {
		name string
		do   func()
		want status.Status
		argo string
		says string
	}{
		{"declared", func() { f.create(platform) }, waiting, "Progressing", "waiting for the operator"},
		{"without its secrets", f.reconcile, waiting, "Progressing", "does not exist"},
		{"with a placeholder", func() {
			f.secret("rsolv-db", map[string]string{"database-url": "changeme"})
			f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": stripeKey, "STRIPE_WEBHOOK_SECRET": webhook})
			f.reconcile()
		}, failed, "Degraded", "is a placeholder"},
		{"checking", func() { f.secrets().reconcile() }, waiting, "Progressing", "rsolv-preflight-"},
		{"migrating", f.migrating, waiting, "Progressing", "rsolv-migrate-"},
		{"rolling out", func() { f.finishJobs(batchv1.JobComplete, ""); f.reconcile() }, waiting, "Progressing", ""},
		{"testing", func() { f.rollOut(); f.reconcile() }, waiting, "Progressing", "rsolv-smoke-"},
		{"ready", func() { f.ready() }, done, "Healthy", "pods answer"},
		{"idle", f.reconcile, done, "Healthy", "pods answer"},
		{"changed", func() { f.image(v2) }, waiting, "Progressing", "take up the change"},
		{"the change refused by its secrets", func() {
			f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": webhook})
			f.reconcile()
		}, failed, "Degraded", "the pods that run keep the values they have"},
		{"going on", func() { f.secrets().rolling() }, waiting, "Progressing", ""},
		{"rolled back", func() {
			f.stall(2)
			f.reconcile()
			f.reconcile()
			f.rollOut()
			f.reconcile()
		}, failed, "Degraded", "was rejected"},
		{"declared as it runs", func() { f.image("ghcr.io/rsolv-dev/rsolv:v1"); f.ready() }, done, "Healthy", "pods answer"},
		{"a pod lost", func() { f.lose(1); f.reconcile() }, waiting, "Degraded", "pods answer; see why"},
		{"back again", func() { f.rollOut(); f.reconcile() }, done, "Healthy", "pods answer"},
		{"scaled", func() { f.scaleDeployment(5); f.reconcile() }, done, "Healthy", "scaling to 5"},
		{"suspended with a change", func() {
			f.edit(func(rd *v1alpha1.RsolvDeployment) {
				rd.Spec.Suspend, rd.Spec.Image = true, "ghcr.io/rsolv-dev/rsolv:v3"
			})
			f.reconcile()
		}, failed, "Suspended", "spec.suspend"},
		{"suspended, and nothing to do", func() { f.image(v1); f.reconcile() }, done, "Healthy", "spec.suspend"},
		{"a migration failed", func() {
			f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Suspend = false })
			f.image("ghcr.io/rsolv-dev/rsolv:v3")
			f.migrating()
			f.finishJobs(batchv1.JobFailed, "no")
			f.reconcile()
		}, failed, "Degraded", "the migrations of"},
		{"deleted, and waited for by somebody else", func() {
			rd := f.rd()
			rd.Finalizers = []string{"example.com/theirs"}
			f.must(f.client.Update(t.Context(), rd))
			f.must(f.client.Delete(t.Context(), rd))
			f.reconcile()
		}, status.TerminatingStatus, "Progressing", "take up the change"},
	} {
		step.do()
		got := testenv.HealthOf(t, f.rd())
		if got.Kstatus != step.want || got.Argo != step.argo || !strings.Contains(got.Message, step.says) {
			t.Errorf("%s: kstatus %s, Argo CD %s %q; want %s, %s …%s…", step.name, got.Kstatus, got.Argo, got.Message, step.want, step.argo, step.says)
		}
	}
}

// lose lets pods of the Deployment stop answering.
func (f *fixture) lose(pods int32) {
	f.t.Helper()
	deployment := f.deployment()
	deployment.Status.AvailableReplicas -= pods
	deployment.Status.ReadyReplicas -= pods
	f.must(f.client.Status().Update(f.t.Context(), deployment))
}

// TestEverythingGoesWithTheApp: each child has the app as its owner, so that
// the garbage collector takes it, and nothing waits for the operator. Data and
// what is not ours stay.
func TestEverythingGoesWithTheApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(platform, withCluster)
	f.secret("rsolv-db-app", map[string]string{"uri": clusterURL})
	f.ready()
	rd := f.rd()
	if len(rd.Finalizers) != 0 {
		t.Errorf("the app has finalizers, so it could not go without the operator: %v", rd.Finalizers)
	}
	kept := map[string]bool{
		"Cluster rsolv-db": true, "Secret rsolv-db": true, "Secret rsolv-stripe": true, "Secret rsolv-db-app": true,
		"RsolvDeployment rsolv": true, "ConfigMap kube-root-ca.crt": true, "ServiceAccount default": true,
	}
	for _, object := range f.objects() {
		name := object.GetKind() + " " + object.GetName()
		if owned := metav1.IsControlledBy(&object, rd); owned == kept[name] {
			t.Errorf("%s goes with the app: %t", name, owned)
		}
		if len(object.GetFinalizers()) != 0 && object.GetKind() != workload.JobKind.Kind {
			t.Errorf("%s has finalizers: %v", name, object.GetFinalizers())
		}
	}

	// The operator writes nothing more once it is deleted.
	f.must(f.client.Delete(t.Context(), rd))
	sent := len(f.writes.List())
	f.reconcile()
	if requests := f.writes.List()[sent:]; len(requests) != 0 {
		t.Errorf("a deleted app made requests: %v", requests)
	}
	f.collectGarbage(rd.UID)
	for _, object := range f.objects() {
		if name := object.GetKind() + " " + object.GetName(); !kept[name] {
			t.Errorf("%s is left", name)
		}
	}
	f.must(f.client.Get(t.Context(), client.ObjectKey{Namespace: f.key.Namespace, Name: "rsolv-db"}, f.object(workload.ClusterKind, "rsolv-db")))
}
