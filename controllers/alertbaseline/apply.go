package alertbaseline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
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
		s.counted = s.rules.Reason == v1alpha1.ReasonOwnershipConflict
		return err
	}
	if live != nil {
		if err := r.prune(ctx, s, live); err != nil {
			return err
		}
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
		return status.False(v1alpha1.ReasonOwnershipConflict, conflict.Error()), nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		s.retry = refusedRetry
		return status.False(v1alpha1.ReasonApplyRejected, err.Error()), nil
	default:
		return status.Verdict{}, err
	}
}

// liveRule reads the PrometheusRule if it is ours and something has to be
// learned from it: whether it has groups of others, or the last good group of
// a threshold. It is nil otherwise.
func (r *Reconciler) liveRule(ctx context.Context, s *scope) (*unstructured.Unstructured, error) {
	key := client.ObjectKeyFromObject(s.baseline)
	known := &metav1.PartialObjectMetadata{}
	known.SetGroupVersionKind(alerts.GVK)
	if err := r.Client.Get(ctx, key, known); err != nil {
		if apierrors.IsNotFound(err) && len(s.rendered.Problems) == 0 {
			return nil, nil //nolint:nilnil // absence is an answer
		}
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading the metadata of PrometheusRule %s: %w", key.Name, err)
		}
	}
	if len(s.rendered.Problems) == 0 && r.verified.is(key, known) {
		return nil, nil //nolint:nilnil // nothing to learn
	}
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

// prune removes what server-side apply leaves alone: groups that others added
// to the rule, and fields that they added to our groups. live is as it was
// before the rule was applied; a group that applying has just removed is no
// reason to write again.
func (r *Reconciler) prune(ctx context.Context, s *scope, live *unstructured.Unstructured) error {
	key := client.ObjectKeyFromObject(s.baseline)
	if _, foreign := s.pruned(live); foreign {
		fresh := &unstructured.Unstructured{}
		fresh.SetGroupVersionKind(alerts.GVK)
		if err := r.Live.Get(ctx, key, fresh); err != nil {
			return fmt.Errorf("reading PrometheusRule %s: %w", key.Name, err)
		}
		if groups, foreign := s.pruned(fresh); foreign {
			before := fresh.DeepCopy()
			if err := unstructured.SetNestedSlice(fresh.Object, groups, "spec", "groups"); err != nil {
				return fmt.Errorf("pruning PrometheusRule %s: %w", key.Name, err)
			}
			patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
			if err := r.Client.Patch(ctx, fresh, patch, child.FieldOwner); err != nil {
				return fmt.Errorf("pruning PrometheusRule %s: %w", key.Name, err)
			}
		}
		live = fresh
	}
	r.verified.set(key, live)
	return nil
}

// pruned are the groups of a rule without those, and without the fields, that
// are not declared; foreign tells whether there were any.
func (s *scope) pruned(live *unstructured.Unstructured) (groups []any, foreign bool) {
	list, _, _ := unstructured.NestedSlice(live.Object, "spec", "groups")
	for _, item := range list {
		group, ok := item.(map[string]any)
		if !ok || !slices.ContainsFunc(s.groups, func(g alerts.Group) bool { return g.Name == group["name"] }) {
			foreign = true
			continue
		}
		for field := range group {
			if !slices.Contains([]string{"name", "interval", "rules"}, field) {
				delete(group, field)
				foreign = true
			}
		}
		groups = append(groups, group)
	}
	return groups, foreign
}

// verified remembers at which generation a rule was seen to hold nothing but
// what is declared. Generations count changes of the spec alone.
type verified struct {
	mu   sync.Mutex
	seen map[types.NamespacedName]string
}

func (v *verified) is(key types.NamespacedName, rule metav1.Object) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen[key] == generationOf(rule)
}

func (v *verified) set(key types.NamespacedName, rule metav1.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil {
		v.seen = map[types.NamespacedName]string{}
	}
	v.seen[key] = generationOf(rule)
}

func (v *verified) forget(key types.NamespacedName) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.seen, key)
}

func generationOf(rule metav1.Object) string {
	return fmt.Sprintf("%s@%d", rule.GetUID(), rule.GetGeneration())
}
