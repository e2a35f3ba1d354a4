package featureflag

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// gatherWindow is how long the flags that are applied together have to arrive
// before their file is made.
const gatherWindow = 50 * time.Millisecond

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// gathering enqueues the app that owner names when the window is over.
func gathering(owner func(client.Object) string) handler.EventHandler {
	add := func(q queue, objects ...client.Object) {
		for _, object := range objects {
			q.AddAfter(requestFor(object, owner(object)), gatherWindow)
		}
	}
	return handler.Funcs{
		CreateFunc:  func(_ context.Context, e event.CreateEvent, q queue) { add(q, e.Object) },
		UpdateFunc:  func(_ context.Context, e event.UpdateEvent, q queue) { add(q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(_ context.Context, e event.DeleteEvent, q queue) { add(q, e.Object) },
		GenericFunc: func(_ context.Context, e event.GenericEvent, q queue) { add(q, e.Object) },
	}
}

// at enqueues the app that owner names at once; an empty name is no app.
func at(owner func(client.Object) string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []ctrl.Request {
		if name := owner(object); name != "" {
			return []ctrl.Request{requestFor(object, name)}
		}
		return nil
	})
}

func requestFor(object client.Object, app string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: app}}
}

func appOfFlag(object client.Object) string {
	return object.(*v1alpha1.FeatureFlag).Spec.DeploymentRef.Name
}

func itself(object client.Object) string { return object.GetName() }

// appOfConfigMap goes by the name alone, so that a foreign ConfigMap that is
// in the way is noticed when it goes.
func appOfConfigMap(object client.Object) string {
	app, ours := strings.CutSuffix(object.GetName(), flags.ConfigMapName(""))
	if !ours {
		return ""
	}
	return app
}

// appOfPod finds the pods that mount flags.
func appOfPod(object client.Object) string {
	if object.GetLabels()[contract.LabelComponent] != contract.ComponentServer {
		return ""
	}
	return object.GetLabels()[contract.LabelDeployment]
}

// podsOfInterest lets through pods that come, go, or begin or cease to serve.
func podsOfInterest() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*corev1.Pod)
			after, also := e.ObjectNew.(*corev1.Pod)
			return ok && also && podChanged(before, after)
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// catalogueChanged lets through what the app's images say about flags, and
// which of them runs.
func catalogueChanged() predicate.Predicate {
	none := predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
	none.UpdateFunc = func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.RsolvDeployment)
		after, also := e.ObjectNew.(*v1alpha1.RsolvDeployment)
		return ok && also && (before.Status.Image != after.Status.Image ||
			!equality.Semantic.DeepEqual(before.Status.Catalog, after.Status.Catalog) ||
			!equality.Semantic.DeepEqual(before.Status.LastGoodCatalog, after.Status.LastGoodCatalog))
	}
	return none
}
