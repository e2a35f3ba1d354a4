package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/dashboard"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// unknownHash stands where the cluster puts the keyed hash of the secrets'
// values, which are known nowhere else.
const unknownHash = "unrendered"

// Rendered is what a set of declarations becomes.
type Rendered struct {
	// Objects in the order in which they are applied.
	Objects []*unstructured.Unstructured
	// Notes say where the cluster will differ, and why.
	Notes []string
}

// Render builds what the controllers would apply, by the same builders. What
// is wrong with one flag or threshold is part of the error and keeps nothing
// else from being rendered.
func Render(set Set, now time.Time) (Rendered, error) {
	var out Rendered
	for _, deployment := range set.Deployments {
		out.deployment(deployment)
	}
	var errs []error
	for _, app := range apps(set) {
		errs = append(errs, out.flags(app, set.Flags))
	}
	for _, baseline := range set.Baselines {
		errs = append(errs, out.baseline(baseline, now))
	}
	return out, errors.Join(errs...)
}

func (out *Rendered) add(objects ...*unstructured.Unstructured) {
	out.Objects = append(out.Objects, objects...)
}

func (out *Rendered) deployment(rd *v1alpha1.RsolvDeployment) {
	env := workload.Environment{ConfigMap: workload.ConfigMapName(rd), Secret: rd.Name + "-env-" + unknownHash}
	out.Notes = append(out.Notes, fmt.Sprintf(
		"RsolvDeployment %s/%s: the Secret %s, its copy of the values in %v, and the Job named after it get their names in the cluster",
		rd.Namespace, rd.Name, env.Secret, workload.SecretNames(rd)))
	out.add(workload.ServiceAccount(rd))
	out.add(workload.Live(rd)...)
	if cluster := workload.Cluster(rd); cluster != nil {
		out.add(cluster)
	}
	out.add(workload.ConfigMap(rd))
	out.add(workload.PreflightJob(rd, env, unknownHash))
	out.add(workload.MigrationJob(rd, env, unknownHash, unknownHash))
	out.add(workload.SmokeTestJob(rd, env, unknownHash, "http://"+rd.Name+"."+rd.Namespace))
	object := workload.Deployment(rd, env)
	if rd.Spec.Autoscaling == nil {
		replicas := int64(workload.DefaultReplicas)
		if rd.Spec.Replicas != nil {
			replicas = int64(*rd.Spec.Replicas)
		}
		// Applied apart in the cluster, by a field manager of their own.
		if err := unstructured.SetNestedField(object.Object, replicas, "spec", "replicas"); err != nil {
			panic(fmt.Sprintf("manifest: a Deployment without a spec: %v", err)) // a fault in the builder
		}
	}
	out.add(object)
}

// apps lists the apps of the set in order: those declared, and those that only
// flags speak of, which are known by name alone.
func apps(set Set) []*v1alpha1.RsolvDeployment {
	type key struct{ namespace, name string }
	found := map[key]*v1alpha1.RsolvDeployment{}
	for _, flag := range set.Flags {
		k := key{flag.Namespace, flag.Spec.DeploymentRef.Name}
		app := &v1alpha1.RsolvDeployment{}
		app.Namespace, app.Name = k.namespace, k.name
		found[k] = app
	}
	for _, deployment := range set.Deployments {
		found[key{deployment.Namespace, deployment.Name}] = deployment
	}
	list := make([]*v1alpha1.RsolvDeployment, 0, len(found))
	for _, app := range found {
		list = append(list, app)
	}
	slices.SortFunc(list, func(a, b *v1alpha1.RsolvDeployment) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func (out *Rendered) flags(app *v1alpha1.RsolvDeployment, all []*v1alpha1.FeatureFlag) error {
	var own []*v1alpha1.FeatureFlag
	for _, flag := range all {
		if flag.Namespace == app.Namespace && flag.Spec.DeploymentRef.Name == app.Name {
			own = append(own, flag)
		}
	}
	plan := flags.Make(flags.Input{App: app, Flags: own})
	out.add(plan.ConfigMap)
	var errs []error
	for _, verdict := range plan.Verdicts {
		if !verdict.Current() {
			errs = append(errs, fmt.Errorf("FeatureFlag %s/%s: %s", verdict.Flag.Namespace, verdict.Flag.Name, verdict.Message))
		}
	}
	return errors.Join(errs...)
}

func (out *Rendered) baseline(baseline *v1alpha1.AlertBaseline, now time.Time) error {
	result := alerts.Rules(baseline, now)
	out.add(alerts.Object(baseline, result.Groups), dashboard.ConfigMap(baseline, result.Plans))
	errs := []error{out.routing(baseline, result.Groups)}
	for _, problem := range result.Problems {
		errs = append(errs, fmt.Errorf("AlertBaseline %s/%s: %w", baseline.Namespace, baseline.Name, problem))
	}
	return errors.Join(errs...)
}

// routing adds the routes, as if every secret that they refer to were there.
func (out *Rendered) routing(baseline *v1alpha1.AlertBaseline, groups []alerts.Group) error {
	if baseline.Spec.Routing == nil {
		return nil
	}
	name := baseline.Namespace + "/" + baseline.Name
	plan, problem := routing.Make(baseline, nil)
	if problem != nil {
		return fmt.Errorf("AlertBaseline %s: %w", name, problem)
	}
	if untold := plan.Untold(groups); len(untold) > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("AlertBaseline %s: no receiver is told of %s", name, strings.Join(untold, ", ")))
	}
	if baseline.Spec.Routing.Output == v1alpha1.RoutingOutputConfigMap {
		out.add(routing.ConfigMap(baseline, plan))
	} else {
		out.add(routing.AlertmanagerConfig(baseline, plan))
	}
	return nil
}
