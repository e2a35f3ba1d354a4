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
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
)

// applyRules applies the object that holds the rules. A threshold with a
// problem keeps its last good group.
func (r *Reconciler) applyRules(ctx context.Context, s *scope) error {
	if !s.crd && !alerts.InConfigMap(s.baseline) {
		s.rules, s.counted = status.False(v1alpha1.ReasonCRDsMissing, missingCRD), true
		return nil
	}
	live, err := r.liveRules(ctx, s)
	if err != nil {
		return err
	}
	s.groups = s.withLastGood(live)
	if err := r.Applier.Apply(ctx, s.baseline, alerts.Object(s.baseline, s.groups)); err != nil {
		s.groups = nil
		s.rules, err = s.judge(err)
		s.counted = s.rules.Reason == v1alpha1.ReasonOwnershipConflict || s.rules.Reason == v1alpha1.ReasonAwaitingDeletion
		return err
	}
	s.rules, s.counted = s.rulesVerdict(), true
	return r.removeOther(ctx, s)
}

// removeOther removes the kind of object that held the rules before
// spec.outputs.rules was changed, once the new one is in place: an alert that
// fires twice for a moment is better than one that is missed.
func (r *Reconciler) removeOther(ctx context.Context, s *scope) error {
	gvk, key := alerts.ConfigMapGVK, client.ObjectKey{Namespace: s.baseline.Namespace, Name: alerts.ConfigMapName(s.baseline.Name)}
	if alerts.InConfigMap(s.baseline) {
		if !s.crd {
			return nil
		}
		gvk, key = alerts.GVK, client.ObjectKeyFromObject(s.baseline)
	}
	other := &metav1.PartialObjectMetadata{}
	other.SetGroupVersionKind(gvk)
	if err := r.Client.Get(ctx, key, other); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading %s %s: %w", gvk.Kind, key.Name, err)
	}
	return r.Applier.Delete(ctx, s.baseline, gvk, key)
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

// liveRules reads the groups in place if the last good one of a threshold has
// to be learned from them. There are none in an object that is not ours;
// applying will say so.
func (r *Reconciler) liveRules(ctx context.Context, s *scope) ([]alerts.Group, error) {
	if len(s.rendered.Problems) == 0 {
		return nil, nil
	}
	inConfigMap := alerts.InConfigMap(s.baseline)
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(alerts.GVK)
	key := client.ObjectKeyFromObject(s.baseline)
	if inConfigMap {
		live.SetGroupVersionKind(alerts.ConfigMapGVK)
		key.Name = alerts.ConfigMapName(s.baseline.Name)
	}
	if err := r.Live.Get(ctx, key, live); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading %s %s: %w", live.GetKind(), key.Name, err)
	}
	if !metav1.IsControlledBy(live, s.baseline) {
		return nil, nil
	}
	return decodeGroups(live, alerts.ConfigMapKey(s.baseline)), nil
}

// withLastGood are the groups of all thresholds in the order of the spec.
func (s *scope) withLastGood(last []alerts.Group) []alerts.Group {
	if len(s.rendered.Problems) == 0 {
		return s.rendered.Groups
	}
	groups := make([]alerts.Group, 0, len(s.baseline.Spec.Thresholds))
	for i := range s.baseline.Spec.Thresholds {
		named := func(g alerts.Group) bool { return g.Name == s.baseline.Spec.Thresholds[i].Name }
		if at := slices.IndexFunc(s.rendered.Groups, named); at >= 0 {
			groups = append(groups, s.rendered.Groups[at])
		} else if at := slices.IndexFunc(last, named); at >= 0 {
			if s.baseline.Spec.Suspend || s.baseline.Spec.Thresholds[i].Suspend {
				last[at].Rules = slices.DeleteFunc(last[at].Rules, func(rule alerts.Rule) bool { return rule.Alert != "" })
			}
			groups = append(groups, last[at])
			s.kept[last[at].Name] = true
		}
	}
	return groups
}

// decodeGroups reads the groups of a PrometheusRule, or of the rule file in a
// ConfigMap; what is no group is left out.
func decodeGroups(live *unstructured.Unstructured, key string) []alerts.Group {
	list, _, _ := unstructured.NestedSlice(live.Object, "spec", "groups")
	if text, found, _ := unstructured.NestedString(live.Object, "data", key); found {
		var file struct {
			Groups []any `json:"groups"`
		}
		if yaml.Unmarshal([]byte(text), &file) == nil {
			list = file.Groups
		}
	}
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
