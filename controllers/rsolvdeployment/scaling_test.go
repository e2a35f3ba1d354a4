package rsolvdeployment

import (
	"math"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

func TestAutoscalerHandOverDropsNoPod(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]*int32{"to no number": nil, "to a number": ptr.To[int32](4)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create().ready()
			fewest := f.watchReplicas()
			f.edit(autoscaled)
			f.reconcile()
			f.wantReplicas(2)
			if got := f.names(workload.HorizontalPodAutoscalerKind); len(got) != 1 {
				t.Fatalf("autoscalers: %v", got)
			}

			f.scaleDeployment(5)
			f.image("ghcr.io/rsolv-dev/rsolv:v2") // a rollout in between leaves the number alone
			f.ready()
			f.wantReplicas(5)
			if got := f.rd().Status.Desired; got != 5 {
				t.Errorf("status.desired is %d", got)
			}

			f.scaleDeployment(6) // the autoscaler's last word, not reconciled before it goes
			f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Autoscaling, rd.Spec.Replicas = nil, after })
			f.reconcile()
			want := int32(6)
			if after != nil {
				want = *after
			}
			f.wantReplicas(want)
			if got := f.names(workload.HorizontalPodAutoscalerKind); got != nil {
				t.Errorf("autoscalers left: %v", got)
			}
			if got := fewest(); got != 2 {
				t.Errorf("on the way there and back the Deployment once had %d pods", got)
			}
			f.scaleDeployment(1) // nobody's number now
			f.restart(f.client)
			f.reconcile()
			f.wantReplicas(want)
		})
	}
}

// watchReplicas returns the fewest pods that any version of the Deployment had
// from now until it is asked: a drop would not show in the last one.
func (f *fixture) watchReplicas() (fewest func() int32) {
	f.t.Helper()
	watcher, err := f.client.(client.WithWatch).Watch(f.t.Context(), &appsv1.DeploymentList{}, client.InNamespace(f.key.Namespace))
	f.must(err)
	return func() int32 {
		f.t.Helper()
		last, least := f.deployment().ResourceVersion, int32(math.MaxInt32)
		for event := range watcher.ResultChan() {
			deployment, ok := event.Object.(*appsv1.Deployment)
			if !ok || deployment.Spec.Replicas == nil {
				f.t.Fatalf("watching the Deployment: %+v", event.Object)
			}
			least = min(least, *deployment.Spec.Replicas)
			if deployment.ResourceVersion == last {
				watcher.Stop()
				return least
			}
		}
		f.t.Fatal("the watch ended early")
		return 0
	}
}

// TestScalingUpStaysReady goes as an autoscaler's 5 to 6 does, a status at a
// time.
func TestScalingUpStaysReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(autoscaled).ready()
	f.scaleDeployment(5)
	f.rollOut()
	f.reconcile()
	told := len(f.notes.all())
	f.scaleDeployment(6)
	for _, status := range []struct{ pods, answer int32 }{{0, 0}, {5, 5}, {6, 5}} {
		if status.pods > 0 { // else the Deployment controller has not seen it yet
			deployment := f.deployment()
			deployment.Status.ObservedGeneration = deployment.Generation
			deployment.Status.Replicas, deployment.Status.UpdatedReplicas = status.pods, status.pods
			deployment.Status.AvailableReplicas, deployment.Status.ReadyReplicas = status.answer, status.answer
			f.must(f.client.Status().Update(t.Context(), deployment))
		}
		for range 2 {
			f.reconcile()
			f.wantPhase(v1alpha1.PhaseReady)
			f.wantReady(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
			message := f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
			if message != "scaling to 6, 5 answer" {
				t.Errorf("with %d pods: %s", status.pods, message)
			}
		}
	}
	f.rollOut()
	f.reconcile()
	if message := f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); message != "6 of 6 pods answer" {
		t.Errorf("in the end: %s", message)
	}
	if notes := f.notes.all()[told:]; len(notes) != 0 {
		t.Errorf("scaling made events: %v", notes)
	}
}

func (f *fixture) wantReplicas(want int32) {
	f.t.Helper()
	if got := *f.deployment().Spec.Replicas; got != want {
		f.t.Fatalf("%d pods, want %d", got, want)
	}
}

// scaleDeployment scales as an autoscaler does.
func (f *fixture) scaleDeployment(replicas int32) {
	f.t.Helper()
	f.must(f.client.SubResource("scale").Update(f.t.Context(), f.deployment(),
		client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}),
		client.FieldOwner("kube-controller-manager")))
}

func TestScaleSubresource(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	scale := &autoscalingv1.Scale{}
	f.must(f.client.SubResource("scale").Get(t.Context(), f.rd(), scale))
	if scale.Spec.Replicas != 2 || scale.Status.Replicas != 2 || !strings.Contains(scale.Status.Selector, "rsolv.dev/deployment=rsolv") {
		t.Errorf("scale: %+v %+v", scale.Spec, scale.Status)
	}
	scale.Spec.Replicas = 4
	f.must(f.client.SubResource("scale").Update(t.Context(), f.rd(), client.WithSubResourceBody(scale)))
	f.reconcile()
	f.wantReplicas(4)
	f.edit(autoscaled)
	err := f.client.SubResource("scale").Update(t.Context(), f.rd(),
		client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("scaling an autoscaled app by hand: %v", err)
	}
}
