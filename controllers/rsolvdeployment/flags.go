package rsolvdeployment

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// published are the flags that the pods mount.
type published struct {
	record *v1alpha1.FlagsRecord
	types  map[string]string
	// kept are those that nobody declares any more.
	kept map[string]bool
}

// checkFlags holds the rollout until every flag that the image needs is
// published. The catalogue is recorded, so a change of the flags is judged
// without asking the image again.
func (r *Reconciler) checkFlags(ctx context.Context, s *scope) error {
	if err := r.judgeFlags(ctx, s); err != nil {
		return err
	}
	verdict := s.verdicts[v1alpha1.ConditionFlagsReady]
	if verdict.Is() || warnsOnly(s.rd) {
		return nil
	}
	if s.deployment != nil {
		verdict.Message += "; the pods that run are left as they are"
	}
	return &held{phase: v1alpha1.PhaseHeld, verdict: verdict, progress: status.Stuck}
}

func warnsOnly(rd *v1alpha1.RsolvDeployment) bool {
	return rd.Spec.Flags != nil && rd.Spec.Flags.Policy == v1alpha1.FlagsWarn
}

// judgeFlags compares the recorded catalogue with the published flags.
func (r *Reconciler) judgeFlags(ctx context.Context, s *scope) error {
	flags, err := r.readFlags(ctx, s)
	if err != nil {
		return err
	}
	var catalog v1alpha1.CatalogRecord
	if s.catalog != nil {
		catalog = *s.catalog
	}
	required := catalog.Required
	problems := append(workload.CheckFlags(required, flags.types), workload.CheckKept(required, flags.kept)...)
	problems = append(problems, workload.CheckUnmet(catalog.Unmet)...)
	if len(problems) == 0 {
		s.verdicts[v1alpha1.ConditionFlagsReady] = status.True(v1alpha1.ReasonSucceeded,
			fmt.Sprintf("all %d flags that the image needs are declared", len(required)))
		return nil
	}
	verdict := problemsVerdict(problems)
	if verdict.Reason == v1alpha1.ReasonFlagMissing && runningImage(s.deployment) == s.target.Spec.Image {
		verdict.Reason = v1alpha1.ReasonFlagDeleted // it was there when this image was rolled out
	}
	if warnsOnly(s.rd) {
		verdict.Message += "; the rollout goes on, for spec.flags.policy is Warn"
	}
	s.verdicts[v1alpha1.ConditionFlagsReady] = verdict
	return nil
}

// readFlags reads the flags that the pods mount, once in a reconcile. None are
// published before the first look at the app's FeatureFlags.
func (r *Reconciler) readFlags(ctx context.Context, s *scope) (*published, error) {
	if s.published != nil {
		return s.published, nil
	}
	var flags corev1.ConfigMap
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.rd.Namespace, Name: render.FlagsName(s.rd.Name)}, &flags)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the flags of %s: %w", s.rd.Name, err)
	}
	if err == nil && !metav1.IsControlledBy(&flags, s.rd) {
		return nil, child.Conflict(workload.ConfigMapKind.Kind, v1alpha1.KindRsolvDeployment, s.rd, &flags)
	}
	s.published = publishedFlags(flags.Data)
	return s.published, nil
}

// publishedFlags is empty for data that is no flags file.
func publishedFlags(data map[string]string) *published {
	file, ok := data[contract.FlagsFile]
	if !ok {
		return &published{}
	}
	types, err := workload.FlagTypes([]byte(file))
	if err != nil {
		return &published{} // somebody edited it; it will be put right
	}
	return &published{
		types:  types,
		kept:   workload.KeptFlags([]byte(file)),
		record: &v1alpha1.FlagsRecord{Count: int32(len(types)), Digest: contract.FlagsDigest([]byte(file))}, //nolint:gosec // a ConfigMap has no room for 2³¹ flags
	}
}
