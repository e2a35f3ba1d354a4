package alertbaseline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// selector is what a Prometheus object says about the rules it wants.
type selector struct {
	// name is namespace/name, for people; namespace the object's own.
	name, namespace string
	// rules and namespaces are nil where the object has none, which selects no
	// rule, or no namespace but its own.
	rules, namespaces *metav1.LabelSelector
}

// whyAbsent looks at the Prometheus objects of the cluster for the reason why
// a Prometheus runs none of the rules.
func whyAbsent(ctx context.Context, live client.Reader, baseline *v1alpha1.AlertBaseline) status.Verdict {
	if alerts.InConfigMap(baseline) {
		return status.False(v1alpha1.ReasonNotRunning, fmt.Sprintf("Prometheus runs none of the rules: mount the ConfigMap %s where its rule_files look, and reload it",
			quoted(alerts.ConfigMapName(baseline.Name))))
	}
	all, err := prometheusObjects(ctx, live, baseline.Spec.Prometheus.URL)
	switch {
	case apierrors.IsForbidden(err):
		return status.False(v1alpha1.ReasonNotRunning, "Prometheus runs none of the rules, and the manager may not read Prometheus objects to see why: "+
			"compare spec.outputs.labels with the ruleSelector of yours (kubectl get prometheus -A -o yaml), or let the manager list them")
	case err != nil || len(all) == 0:
		return status.False(v1alpha1.ReasonNotRunning, "Prometheus runs none of the rules, and there is no Prometheus object that would select them: "+
			"install prometheus-operator, or set spec.outputs.rules to ConfigMap and mount that")
	}
	ruleLabels := labels.Set(alerts.Object(baseline, nil).GetLabels())
	namespaceLabels := func() (labels.Set, error) {
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		err := live.Get(ctx, client.ObjectKey{Name: baseline.Namespace}, namespace)
		return namespace.Labels, err
	}
	var reasons []string
	for i := range all {
		reason := all[i].refuses(ruleLabels, baseline.Namespace, namespaceLabels)
		if reason == "" {
			return status.False(v1alpha1.ReasonNotRunning, "the Prometheus object "+all[i].name+" selects the rules, and Prometheus does not run them: "+
				"the log of prometheus-operator says why")
		}
		reasons = append(reasons, reason)
	}
	return status.False(v1alpha1.ReasonNotSelected, "Prometheus runs none of the rules: "+strings.Join(reasons, "; "))
}

// refuses says why the object does not select a rule, and what would change
// that; nothing if it does.
func (s *selector) refuses(rule labels.Set, namespace string, namespaceLabels func() (labels.Set, error)) string {
	if s.rules == nil {
		return "the Prometheus object " + s.name + " has no ruleSelector, and so selects no rules: give it one, or ruleSelector: {} for all"
	}
	if want := unmet(s.rules, rule); want != "" {
		return "the Prometheus object " + s.name + " selects rules by " + want + ": add it to spec.outputs.labels"
	}
	switch {
	case s.namespaces == nil:
		if s.namespace == namespace {
			return ""
		}
		return "the Prometheus object " + s.name + " selects rules of its own namespace alone: give it a ruleNamespaceSelector, {} for all"
	case len(s.namespaces.MatchLabels)+len(s.namespaces.MatchExpressions) == 0:
		return ""
	}
	ours, err := namespaceLabels()
	if err != nil {
		return "the Prometheus object " + s.name + " selects namespaces by " + metav1.FormatLabelSelector(s.namespaces) +
			", and the manager may not read the labels of " + namespace + ": compare them"
	}
	if want := unmet(s.namespaces, ours); want != "" {
		return "the Prometheus object " + s.name + " selects namespaces by " + want + ": label the namespace " + namespace + " so"
	}
	return ""
}

// unmet is what a selector wants and the labels do not have; nothing if they
// match.
func unmet(selector *metav1.LabelSelector, have labels.Set) string {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return metav1.FormatLabelSelector(selector)
	}
	if parsed.Matches(have) {
		return ""
	}
	var want []string
	requirements, _ := parsed.Requirements()
	for i := range requirements {
		if !requirements[i].Matches(have) {
			want = append(want, requirements[i].String())
		}
	}
	slices.Sort(want)
	return strings.Join(want, ",")
}

// prometheusObjects are those that may stand behind the address: the ones in
// the namespace that it names, if there are any, or else all.
func prometheusObjects(ctx context.Context, live client.Reader, address string) ([]selector, error) {
	namespace := namespaceIn(address)
	all, err := listPrometheuses(ctx, live, "")
	if apierrors.IsForbidden(err) && namespace != "" {
		return listPrometheuses(ctx, live, namespace)
	}
	if err != nil {
		return nil, err
	}
	near := slices.DeleteFunc(slices.Clone(all), func(s selector) bool { return s.namespace != namespace })
	if len(near) > 0 {
		return near, nil
	}
	return all, nil
}

// namespaceIn is the namespace in the name of a Service, as in
// http://prometheus-operated.monitoring:9090.
func namespaceIn(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	parts := strings.Split(parsed.Hostname(), ".")
	if len(parts) == 2 || len(parts) > 2 && parts[2] == "svc" {
		return parts[1]
	}
	return ""
}

func listPrometheuses(ctx context.Context, live client.Reader, namespace string) ([]selector, error) {
	objects := &unstructured.UnstructuredList{}
	objects.SetGroupVersionKind(alerts.GVK.GroupVersion().WithKind("PrometheusList"))
	err := live.List(ctx, objects, client.InNamespace(namespace))
	if apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing Prometheus objects: %w", err)
	}
	all := make([]selector, 0, len(objects.Items))
	var errs []error
	for i := range objects.Items {
		o := &objects.Items[i]
		s := selector{name: o.GetNamespace() + "/" + o.GetName(), namespace: o.GetNamespace()}
		var err1, err2 error
		s.rules, err1 = labelSelector(o, "ruleSelector")
		s.namespaces, err2 = labelSelector(o, "ruleNamespaceSelector")
		errs = append(errs, err1, err2)
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

func labelSelector(object *unstructured.Unstructured, field string) (*metav1.LabelSelector, error) {
	raw, found, err := unstructured.NestedMap(object.Object, "spec", field)
	if err != nil || !found {
		return nil, err
	}
	selector := &metav1.LabelSelector{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, selector); err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", field, object.GetName(), err)
	}
	return selector, nil
}
