package alertbaseline

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

const missingRoutingCRD = "the cluster does not know AlertmanagerConfigs, so that these receivers are told of nothing: install the " +
	"CustomResourceDefinitions of prometheus-operator, or set spec.routing.output to ConfigMap for an Alertmanager without it; the routes are " +
	"applied as soon as " + routingCRDName + " exists"

var configMapGVK = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// applyRouting applies the routes and receivers in the form that is declared,
// and removes the other.
func (r *Reconciler) applyRouting(ctx context.Context, s *scope) error {
	if err := r.removeRouting(ctx, s); err != nil {
		return err
	}
	spec := s.baseline.Spec.Routing
	if spec == nil {
		return nil
	}
	asConfigMap := spec.Output == v1alpha1.RoutingOutputConfigMap
	if !asConfigMap && !s.routingCRD {
		s.routing = status.False(v1alpha1.ReasonCRDsMissing, missingRoutingCRD)
		return nil
	}
	missing, lost, err := missingSecrets(ctx, r.Live, s.baseline)
	if err != nil {
		return err
	}
	plan, problem := routing.Make(s.baseline, missing)
	if problem != nil {
		s.routing = status.False(v1alpha1.ReasonInvalidSpec, problem.Error()+"; the routes stay as they are")
		return nil
	}
	object := routing.AlertmanagerConfig
	if asConfigMap {
		object = routing.ConfigMap
	}
	if err := r.Applier.Apply(ctx, s.baseline, object(s.baseline, plan)); err != nil {
		s.routing, err = s.judge(err)
		return err
	}
	s.routing = s.routingVerdict(plan, lost)
	return nil
}

// removeRouting removes what was applied for a routing that is declared no
// more, or in another form now.
func (r *Reconciler) removeRouting(ctx context.Context, s *scope) error {
	spec := s.baseline.Spec.Routing
	wanted := func(output v1alpha1.RoutingOutput) bool {
		return spec != nil && (spec.Output == v1alpha1.RoutingOutputConfigMap) == (output == v1alpha1.RoutingOutputConfigMap)
	}
	if !wanted(v1alpha1.RoutingOutputConfigMap) {
		if err := r.removeOwn(ctx, s, configMapGVK, routing.ConfigMapName(s.baseline.Name)); err != nil {
			return err
		}
	}
	if !wanted(v1alpha1.RoutingOutputAlertmanagerConfig) && s.routingCRD {
		return r.removeOwn(ctx, s, routing.GVK, s.baseline.Name)
	}
	return nil
}

// removeOwn deletes a child that the cache knows; asking the API server each
// time for what is hardly ever there would cost a request a look.
func (r *Reconciler) removeOwn(ctx context.Context, s *scope, gvk schema.GroupVersionKind, name string) error {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	key := client.ObjectKey{Namespace: s.baseline.Namespace, Name: name}
	if err := r.Client.Get(ctx, key, object); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading %s %s: %w", gvk.Kind, name, err)
	}
	return r.Applier.Delete(ctx, s.baseline, gvk, key)
}

// missingSecrets are the secret keys that the routing refers to and that are
// absent or empty, and what is lost by it. Values are not looked at.
func missingSecrets(ctx context.Context, live client.Reader, baseline *v1alpha1.AlertBaseline) ([]routing.Secret, []string, error) {
	var missing []routing.Secret
	var lost []string
	read := map[string]map[string][]byte{}
	for _, ref := range routing.Secrets(baseline) {
		data, known := read[ref.Name]
		if !known {
			var secret corev1.Secret
			err := live.Get(ctx, client.ObjectKey{Namespace: baseline.Namespace, Name: ref.Name}, &secret)
			if client.IgnoreNotFound(err) != nil {
				return nil, nil, fmt.Errorf("reading secret %s: %w", ref.Name, err)
			}
			if data = secret.Data; err == nil && data == nil {
				data = map[string][]byte{}
			}
			read[ref.Name] = data
		}
		if len(data[ref.Key]) == 0 {
			missing = append(missing, ref)
			lost = append(lost, ref.Problem(data != nil))
		}
	}
	return missing, lost, nil
}

// secretNames are the secrets that a baseline's routing refers to.
func secretNames(baseline *v1alpha1.AlertBaseline) []string {
	var names []string
	for _, ref := range routing.Secrets(baseline) {
		names = append(names, ref.Name)
	}
	return names
}

// routingVerdict is the verdict on routes that were applied.
func (s *scope) routingVerdict(plan routing.Plan, lost []string) status.Verdict {
	where := "AlertmanagerConfig " + quoted(s.baseline.Name)
	if s.baseline.Spec.Routing.Output == v1alpha1.RoutingOutputConfigMap {
		where = "ConfigMap " + quoted(routing.ConfigMapName(s.baseline.Name))
	}
	message := plural(len(plan.Routes), "receiver") + " in " + where
	if untold := plan.Untold(s.groups); len(untold) > 0 {
		message += "; none of them is told of " + strings.Join(untold, ", ") + ": add a receiver without match at the end to tell somebody"
	}
	if len(lost) > 0 {
		return status.False(v1alpha1.ReasonSecretMissing, strings.Join(append(lost, message), "; "))
	}
	return status.True(v1alpha1.ReasonSucceeded, message)
}

// writeRouting writes the condition of a routing that is declared.
func (s *scope) writeRouting() {
	st := &s.baseline.Status
	if s.baseline.Spec.Routing == nil {
		s.routing = status.Verdict{}
		apimeta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionRoutingApplied)
		return
	}
	s.routing = s.orBefore(v1alpha1.ConditionRoutingApplied, s.routing)
	status.Set(&st.Conditions, s.baseline.Generation, v1alpha1.ConditionRoutingApplied, s.routing)
}
