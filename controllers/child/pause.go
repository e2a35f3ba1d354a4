package child

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PauseOwner is the field manager of a Deployment's pause alone, so that
// ending it leaves in force the one that somebody made by `kubectl rollout
// pause`.
const PauseOwner = client.FieldOwner("rsolv-suspend")

// Pause pauses the rollout of this Deployment, which is ours. Like Scale, it
// needs the UID.
func (a *Applier) Pause(ctx context.Context, deployment *appsv1.Deployment) error {
	if deployment.Spec.Paused {
		return nil
	}
	return a.applyPause(ctx, deployment, map[string]any{"paused": true})
}

// Resume ends the pause that Pause made, and nobody else's. The Deployment
// comes from the API server: a cache does not know who owns what.
func (a *Applier) Resume(ctx context.Context, deployment *appsv1.Deployment) error {
	if !slices.ContainsFunc(deployment.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool { return entry.Manager == string(PauseOwner) }) {
		return nil
	}
	return a.applyPause(ctx, deployment, map[string]any{})
}

func (a *Applier) applyPause(ctx context.Context, deployment *appsv1.Deployment, spec map[string]any) error {
	state := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": deployment.Name, "namespace": deployment.Namespace, "uid": string(deployment.UID)},
		"spec":     spec,
	}}
	if err := precise(a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(state), PauseOwner, client.ForceOwnership)); err != nil {
		return fmt.Errorf("pausing Deployment %s: %w", deployment.Name, err)
	}
	return nil
}
