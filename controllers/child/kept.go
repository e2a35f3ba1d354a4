package child

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// ApplyKept is Apply for an object that may outlive its owner, such as a
// database. As it has no owner reference then, its labels tell whose it is: an
// owner that is declared again under the same name finds it as its own. One
// that has another owner is not ours whatever its labels say.
func (a *Applier) ApplyKept(ctx context.Context, owner client.Object, object *unstructured.Unstructured) error {
	return a.applyIf(ctx, owner, object, ownsKept)
}

func ownsKept(existing, owner client.Object) bool {
	if metav1.GetControllerOf(existing) != nil {
		return metav1.IsControlledBy(existing, owner)
	}
	labels := existing.GetLabels()
	return labels[contract.LabelManagedBy] == contract.ManagedBy && labels[contract.LabelDeployment] == owner.GetName()
}

func owns(existing, owner client.Object) bool { return metav1.IsControlledBy(existing, owner) }
