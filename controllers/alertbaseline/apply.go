package alertbaseline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
)

// applyRules applies the PrometheusRule. A threshold with a problem keeps its
// last good group.
func (r *Reconciler) applyRules(ctx context.Context, s *scope) error {
	if !s.crd {
		s.rules, s.counted = status.False(v1alpha1.ReasonCRDsMissing, missingCRD), true
		return nil
	}
	live, err := r.liveRule(ctx, s)
	if err != nil {
		return err
	}
	s.groups = s.withLastGood(live)
	object := alerts.PrometheusRule(s.baseline, s.groups)
	if err := r.Applier.Apply(ctx, s.baseline, object); err != nil {
		s.groups = nil
		s.rules, err = s.judge(err)
		s.counted = s.rules.Reason == v1alpha1.ReasonOwnershipConflict || s.rules.Reason == v1alpha1.ReasonAwaitingDeletion
		return err
	}
	s.rules, s.counted = s.rulesVerdict(), true
	return nil
}

// applyDashboard applies the ConfigMap.
func (r *Reconciler) applyDashboard(ctx context.Context, s *scope) error {
	object := dashboard.ConfigMap(s.baseline, s.rendered.Plans)
	if err := r.Applier.Apply(ctx, s.baseline, object); err != nil {
		s.dashboard, err = s.judge(err)
		return err
	}
	s.dashboard = s.dashboardVerdict()
	return nil
}

// judge turns an error into a verdict if somebody has to do something about
// it. Any other is returned, to be tried again.
func (s *scope) judge(err error) (status.Verdict, error) {
	var conflict *child.OwnershipConflict
	switch {
	case errors.As(err, &conflict):
		s.retry = refusedRetry
		reason := v1alpha1.ReasonOwnershipConflict
		if conflict.Leaving {
			reason = v1alpha1.ReasonAwaitingDeletion
		}
		return status.False(reason, conflict.Error()), nil
	case child.Refused(err):
		s.retry = refusedRetry
		return status.False(v1alpha1.ReasonApplyRejected, err.Error()), nil
	default:
		return status.Verdict{}, err
	}
}

// liveRule reads the PrometheusRule if it is ours and the last good group of a
// threshold has to be learned from it. It is nil otherwise.
func (r *Reconciler) liveRule(ctx context.Context, s *scope) (*unstructured.Unstructured, error) {
	if len(s.rendered.Problems) == 0 {
		return nil, nil //nolint:nilnil // nothing to learn
	}
	key := client.ObjectKeyFromObject(s.baseline)
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(alerts.GVK)
	if err := r.Live.Get(ctx, key, live); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // absence is an answer
		}
		return nil, fmt.Errorf("reading PrometheusRule %s: %w", key.Name, err)
	}
	if !metav1.IsControlledBy(live, s.baseline) {
		return nil, nil //nolint:nilnil // a foreign object tells nothing; applying will say so
	}
	return live, nil
}

// withLastGood are the groups of all thresholds in the order of the spec.
func (s *scope) withLastGood(live *unstructured.Unstructured) []alerts.Group {
	if len(s.rendered.Problems) == 0 {
		return s.rendered.Groups
	}
	groups := make([]alerts.Group, 0, len(s.baseline.Spec.Thresholds))
	last := decodeGroups(live)
	for i := range s.baseline.Spec.Thresholds {
		named := func(g alerts.Group) bool { return g.Name == s.baseline.Spec.Thresholds[i].Name }
		if at := slices.IndexFunc(s.rendered.Groups, named); at >= 0 {
			groups = append(groups, s.rendered.Groups[at])
		} else if at := slices.IndexFunc(last, named); at >= 0 {
			groups = append(groups, last[at])
			s.kept[last[at].Name] = true
		}
	}
	return groups
}

// decodeGroups reads the groups of a PrometheusRule; what is no group is left
// out.
func decodeGroups(live *unstructured.Unstructured) []alerts.Group {
	if live == nil {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(live.Object, "spec", "groups")
	groups := make([]alerts.Group, 0, len(list))
	for _, item := range list {
		raw, err := json.Marshal(item)
		if err != nil {
			continue
		}
		var group alerts.Group
		if json.Unmarshal(raw, &group) == nil {
			groups = append(groups, group)
		}
	}
	return groups
}
