package rsolvdeployment

import (
	appsv1 "k8s.io/api/apps/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// deadlineExceeded is why a Deployment progresses no more.
const deadlineExceeded = "ProgressDeadlineExceeded"

// wantedPods is the number of pods that a Deployment is to have.
func wantedPods(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// complete tells whether a Deployment has exactly the pods that it is to have,
// all of its newest template, and all answer.
func complete(d *appsv1.Deployment) bool {
	st, wanted := &d.Status, wantedPods(d)
	return st.ObservedGeneration >= d.Generation && st.Replicas == wanted && st.UpdatedReplicas == wanted && st.AvailableReplicas >= wanted
}

// onlyScaled tells whether a Deployment is on its way from what it settled at
// to nothing but another number of pods. From no pods, there is none to go on
// answering, and it starts like a new one.
func onlyScaled(d *appsv1.Deployment, settled *v1alpha1.SettledRecord) bool {
	return settled != nil && settled.Replicas > 0 && !complete(d) &&
		settled.Template == workload.TemplateHash(&d.Spec.Template) &&
		d.Status.Replicas == d.Status.UpdatedReplicas && progressReason(d) != deadlineExceeded
}

// scaledAvailability: the pods that answered go on answering, so that the app
// is no less available than it was until fewer than before do, or fewer than
// there are to be.
func scaledAvailability(d *appsv1.Deployment, settled *v1alpha1.SettledRecord) (status.Verdict, status.Progress, string) {
	wanted, answer := wantedPods(d), d.Status.AvailableReplicas
	switch {
	case answer < min(settled.Replicas, wanted):
		return unavailable(d)
	case wanted == settled.Replicas: // something else about it changed, or a pod was replaced
		return available("%d of %d pods answer", answer, wanted)
	default:
		return available("scaling to %d, %d answer", wanted, answer)
	}
}

// settle is what a Deployment settled at: now, or before as long as its pods
// are still made from that template.
func settle(d *appsv1.Deployment, before *v1alpha1.SettledRecord) *v1alpha1.SettledRecord {
	if d == nil {
		return nil
	}
	template := workload.TemplateHash(&d.Spec.Template)
	switch {
	case complete(d):
		return &v1alpha1.SettledRecord{Template: template, Replicas: wantedPods(d)}
	case before != nil && before.Template == template:
		return before
	default:
		return nil
	}
}
