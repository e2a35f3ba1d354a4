// Package watch holds what the controllers have in common in choosing what to
// be woken by.
package watch

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// DeclarationChanged lets through what changes a spec, deletion included, and
// requests to reconcile now; not the statuses that the controllers write.
func DeclarationChanged() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetAnnotations()[contract.AnnotationReconcile] != e.ObjectNew.GetAnnotations()[contract.AnnotationReconcile]
		},
	})
}
