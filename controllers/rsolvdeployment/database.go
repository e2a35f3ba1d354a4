package rsolvdeployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// ensureDatabase makes the Cluster of CloudNativePG that is declared, or sees
// that the one that is referred to exists. What stands in the way holds the
// rollout and is said in SecretsReady: the secret that CloudNativePG makes is
// one of those that the app needs. Whether the database answers is for the
// preflight to find out.
func (r *Reconciler) ensureDatabase(ctx context.Context, s *scope) error {
	name := workload.ClusterName(s.rd)
	if name == "" {
		return nil
	}
	if unknown := s.unknown[workload.ClusterKind]; unknown != nil {
		return s.holdDatabase(v1alpha1.ReasonCRDsMissing, unknown.Error(), lookAgain(unknown))
	}
	if cluster := workload.Cluster(s.rd); cluster != nil {
		err := r.Applier.ApplyKept(ctx, s.rd, cluster)
		if conflict, ok := errors.AsType[*child.OwnershipConflict](err); ok && !conflict.Leaving {
			// Nobody is to delete a database to get on.
			conflict.Instead = fmt.Sprintf("to use it as it is, name it in spec.database.cloudNativePG.clusterRef: {name: %s}", name)
		}
		return err
	}
	cluster := &metav1.PartialObjectMetadata{}
	cluster.SetGroupVersionKind(workload.ClusterKind)
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.rd.Namespace, Name: name}, cluster)
	if apierrors.IsNotFound(err) {
		return s.holdDatabase(v1alpha1.ReasonDatabaseNotFound, fmt.Sprintf(
			"Cluster %q, which spec.database.cloudNativePG.clusterRef names, does not exist in this namespace: make it, or let spec.database.cloudNativePG.create make one", name), 0)
	}
	if err != nil {
		return fmt.Errorf("reading Cluster %s: %w", name, err)
	}
	return nil
}

// holdDatabase waits for what may yet come, and is watched.
func (s *scope) holdDatabase(reason, message string, after time.Duration) error {
	verdict := status.False(reason, message)
	s.verdicts[v1alpha1.ConditionSecretsReady] = verdict
	if s.deployment != nil {
		verdict.Message += "; the pods that run keep the database they have"
	}
	return &held{phase: v1alpha1.PhaseHeld, verdict: verdict, progress: status.Working, after: after}
}
