package rsolvdeployment

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// prune removes old copies of the environment once a rollout is complete. The
// current one and the one before it stay, and so does every one that a pod
// could still be started from.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	if !s.verdicts[v1alpha1.ConditionAvailable].Is() {
		return nil
	}
	if err := r.pruneRevisions(ctx, s); err != nil {
		return err
	}
	var used map[string]bool
	for kind, current := range map[schema.GroupVersionKind]string{
		workload.ConfigMapKind: s.environment.ConfigMap, workload.SecretKind: s.environment.Secret,
	} {
		copies, err := r.copies(ctx, s.rd, kind)
		if err != nil {
			return err
		}
		for _, name := range outdated(copies, current) {
			if used == nil {
				if used, err = r.environmentsInUse(ctx, s); err != nil {
					return err
				}
			}
			if used[name] {
				continue
			}
			if err := r.Applier.Delete(ctx, s.rd, kind, client.ObjectKey{Namespace: s.rd.Namespace, Name: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneRevisions removes the revisions that no rollback returns to.
func (r *Reconciler) pruneRevisions(ctx context.Context, s *scope) error {
	kept, err := r.owned(ctx, s.rd, workload.ControllerRevisionKind, contract.ComponentServer)
	if err != nil || s.lastGood == nil {
		return err
	}
	for i := range kept {
		if kept[i].Name == workload.RevisionName(s.rd.Name, s.lastGood.Hash) {
			continue
		}
		if err := r.Applier.Delete(ctx, s.rd, workload.ControllerRevisionKind, client.ObjectKeyFromObject(&kept[i])); err != nil {
			return err
		}
	}
	return nil
}

// copies lists the app's immutable copies of one kind.
func (r *Reconciler) copies(ctx context.Context, rd *v1alpha1.RsolvDeployment, kind schema.GroupVersionKind) ([]metav1.PartialObjectMetadata, error) {
	all, err := r.owned(ctx, rd, kind, contract.ComponentConfig)
	return slices.DeleteFunc(all, func(item metav1.PartialObjectMetadata) bool {
		return !workload.IsEnvironment(rd.Name, item.Name)
	}), err
}

// owned lists the app's children of one kind and component.
func (r *Reconciler) owned(ctx context.Context, rd *v1alpha1.RsolvDeployment, kind schema.GroupVersionKind, component string) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := r.Client.List(ctx, list, client.InNamespace(rd.Namespace), client.MatchingLabels{
		contract.LabelDeployment: rd.Name, contract.LabelComponent: component,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the %ss of %s: %w", kind.Kind, rd.Name, err)
	}
	return slices.DeleteFunc(list.Items, func(item metav1.PartialObjectMetadata) bool {
		return !metav1.IsControlledBy(&item, rd)
	}), nil
}

// outdated lists all copies but the current one and the newest of the others.
func outdated(copies []metav1.PartialObjectMetadata, current string) []string {
	others := slices.DeleteFunc(slices.Clone(copies), func(c metav1.PartialObjectMetadata) bool { return c.Name == current })
	slices.SortFunc(others, func(a, b metav1.PartialObjectMetadata) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	var names []string
	for i := range others {
		if i > 0 {
			names = append(names, others[i].Name)
		}
	}
	return names
}

// environmentsInUse asks the API server for everything that could start a pod:
// the Deployment, its ReplicaSets, also those scaled to zero, which a rollback
// would use, and migrations that have not ended.
func (r *Reconciler) environmentsInUse(ctx context.Context, s *scope) (map[string]bool, error) {
	used := map[string]bool{}
	use := func(names []string) {
		for _, name := range names {
			used[name] = true
		}
	}
	if s.deployment != nil {
		use(workload.References(&s.deployment.Spec.Template.Spec))
	}
	good, err := r.keptRevision(ctx, s)
	if err != nil {
		return nil, err
	}
	if good != nil {
		names, err := good.References()
		if err != nil {
			return nil, err
		}
		use(names)
	}
	var sets appsv1.ReplicaSetList
	err = r.Live.List(ctx, &sets, client.InNamespace(s.rd.Namespace), client.MatchingLabels(workload.SelectorLabels(s.rd.Name)))
	if err != nil {
		return nil, fmt.Errorf("listing the ReplicaSets of %s: %w", s.rd.Name, err)
	}
	for i := range sets.Items {
		use(workload.References(&sets.Items[i].Spec.Template.Spec))
	}
	for _, component := range []string{contract.ComponentPreflight, contract.ComponentMigration, contract.ComponentSmokeTest} {
		jobs, err := ownJobs(ctx, r.Live, s.rd, component)
		if err != nil {
			return nil, err
		}
		for i := range jobs {
			if finished(&jobs[i], batchv1.JobComplete) == nil && finished(&jobs[i], batchv1.JobFailed) == nil {
				use(workload.References(&jobs[i].Spec.Template.Spec))
			}
		}
	}
	return used, nil
}
