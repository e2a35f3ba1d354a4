package rsolvdeployment

import (
	"context"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// TestAutoscalersStatusIsNoChange ticks as a cluster does whose autoscalers
// have no generation.
func TestAutoscalersStatusIsNoChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(autoscaled)
	f.restart(withoutGeneration(shared(t)))
	f.ready().reconcile()
	sent := len(f.writes.List())
	for i := range int32(3) {
		hpa := &autoscalingv2.HorizontalPodAutoscaler{}
		f.must(f.client.Get(t.Context(), f.key, hpa))
		hpa.Status.CurrentReplicas, hpa.Status.DesiredReplicas = i, i
		f.must(f.client.Status().Update(t.Context(), hpa))
		f.reconcile()
	}
	if requests := f.writes.List()[sent:]; len(requests) != 0 {
		t.Errorf("the autoscaler's status made requests: %v", requests)
	}
	edited := f.object(workload.HorizontalPodAutoscalerKind, "rsolv")
	f.must(unstructured.SetNestedField(edited.Object, int64(99), "spec", "maxReplicas"))
	f.must(f.client.Update(t.Context(), edited))
	f.reconcile()
	back, _, err := unstructured.NestedInt64(f.object(workload.HorizontalPodAutoscalerKind, "rsolv").Object, "spec", "maxReplicas")
	if err != nil || back != 10 {
		t.Errorf("maxReplicas is %d after an edit (%v)", back, err)
	}
}

// withoutGeneration is a client of an older API server.
func withoutGeneration(c client.WithWatch) client.Client {
	strip := func(object any, err error) error {
		typed, ok := object.(interface {
			GetObjectKind() schema.ObjectKind
			SetGeneration(int64)
		})
		_, whole := object.(*autoscalingv2.HorizontalPodAutoscaler)
		if ok && (whole || typed.GetObjectKind().GroupVersionKind().Kind == "HorizontalPodAutoscaler") {
			typed.SetGeneration(0)
		}
		return err
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return strip(object, c.Get(ctx, key, object, options...))
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return strip(object, c.Create(ctx, object, options...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return strip(object, c.Patch(ctx, object, patch, options...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return strip(object, c.Apply(ctx, object, options...))
		},
	})
}
