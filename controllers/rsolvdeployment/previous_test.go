package rsolvdeployment

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// TestPreviousAppIsWaitedFor makes an app anew where no garbage collector
// runs, so that the children of the first stay until the test deletes them.
func TestPreviousAppIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.must(f.client.Create(t.Context(), f.flags(`{"flags":{}}`)))
	f.must(f.client.Delete(t.Context(), f.rd()))
	before := f.versions()
	f.create().reconcile()
	f.wantPhase(v1alpha1.PhaseHeld)
	message := f.want(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonAwaitingDeletion)
	if want := `belongs to the RsolvDeployment rsolv that was deleted and is being garbage-collected`; !strings.Contains(message, want) {
		t.Errorf("%q does not say %q", message, want)
	}
	now := f.versions()
	delete(before, "RsolvDeployment rsolv")
	delete(now, "RsolvDeployment rsolv")
	if diff := cmp.Diff(before, now); diff != "" {
		t.Errorf("what is being deleted was written:\n%s", diff)
	}
	old := f.objects()
	for i := range old { // one after the other: each of them is waited for
		if ref := metav1.GetControllerOf(&old[i]); ref != nil && ref.UID != f.rd().UID {
			f.must(f.client.Delete(t.Context(), &old[i], client.PropagationPolicy(metav1.DeletePropagationBackground)))
			f.reconcile()
			f.finishJobs(batchv1.JobComplete, "")
		}
	}
	f.ready()
}
