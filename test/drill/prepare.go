package drill

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/test/alarm"
)

const (
	database = "rsolv_fire_drill"
	// unselected is a baseline whose rules no Prometheus wants.
	unselected = App + "-unselected"
)

// prepare brings up everything, and waits until the alerts are loaded, traffic
// is measured and nothing fires. stop takes away what it made, also after an
// error.
func (d *Drill) prepare(ctx context.Context) (stop func() error, err error) {
	var undo []func() error
	stop = func() error {
		var errs []error
		for _, take := range slices.Backward(undo) {
			errs = append(errs, take())
		}
		return errors.Join(errs...)
	}
	baselines, err := d.baselines()
	if err != nil {
		return stop, err
	}
	if d.monitoring, err = d.Cluster.Monitoring(ctx, d.Out); err != nil {
		return stop, err
	}
	if d.inbox, err = alarm.OpenInbox(ctx, d.monitoring.SMTP, d.Now); err != nil {
		return stop, err
	}
	undo = append(undo, d.inbox.Close)
	address, err := d.openDatabase(ctx)
	if err != nil {
		return stop, err
	}
	undo = append(undo,
		func() error { return d.remove(context.WithoutCancel(ctx)) },
		func() error { return d.direct.Close(context.WithoutCancel(ctx)) }, d.proxy.Close)
	secret := "whsec_" + rand.Text()
	if err := d.declare(ctx, address, secret, baselines); err != nil {
		return stop, err
	}
	service, err := d.Cluster.Kubectl(ctx, nil, "-n", namespace, "get", "service", App, "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return stop, err
	}
	if d.load, err = StartLoad(ctx, "http://"+strings.TrimSpace(service), secret, d.Now); err != nil {
		return stop, err
	}
	undo = append(undo, func() error { d.load.Stop(); return nil })
	d.say("waiting until Prometheus runs the rules, Alertmanager the routes, and nothing fires")
	if err := d.until(ctx, func() error { return d.ready(ctx, baselines) }); err != nil {
		return stop, err
	}
	d.read = len(d.inbox.Mails()) // what came before is no part of the drill
	return stop, nil
}

// baselines are the drilled samples, made faster.
func (d *Drill) baselines() ([]*v1alpha1.AlertBaseline, error) {
	baselines, err := readSamples(d.Cluster.Root)
	if err != nil {
		return nil, err
	}
	for _, b := range baselines {
		Faster(b, d.Factor)
	}
	if d.expected, err = expectations(baselines, d.Now()); err != nil {
		return nil, err
	}
	d.rows = map[string]*Row{}
	for name, e := range d.expected {
		d.rows[name] = &Row{Alert: name, Severity: e.severity}
	}
	return baselines, nil
}

// openDatabase makes the drill's database and stands between it and the app. It
// returns the URL that the app is given.
func (d *Drill) openDatabase(ctx context.Context) (string, error) {
	if !d.Cluster.Local {
		return "", errors.New("the fire drill runs in the local cluster: unset KUBECONFIG")
	}
	for _, statement := range []string{"drop database if exists " + database + " with (force)", "create database " + database} {
		if _, err := d.Cluster.Psql(ctx, "", statement); err != nil {
			return "", err
		}
	}
	parsed, err := url.Parse(d.Cluster.DatabaseURL)
	if err != nil {
		return "", errors.New("the database URL is not a URL") // the parser's error repeats it
	}
	parsed.Path = "/" + database
	if d.direct, err = pgx.Connect(ctx, parsed.String()); err != nil {
		return "", errors.New("the drill does not reach its database") // the error quotes the URL
	}
	if d.proxy, err = OpenProxy(ctx, d.monitoring.NodeIP, parsed.Host); err != nil {
		_ = d.direct.Close(ctx)
		return "", fmt.Errorf("standing between app and database: %w", err)
	}
	parsed.Host = d.proxy.Address()
	return parsed.String(), nil
}

const appManifest = `
apiVersion: v1
kind: Secret
metadata: {name: %[1]s}
stringData: {database-url: %[2]q, STRIPE_API_KEY: sk_test_drill, STRIPE_WEBHOOK_SECRET: %[3]q}
---
{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: %[1]s-blog}, spec: {deploymentRef: {name: %[1]s}, key: blog, defaultVariant: disabled}}
---
{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: %[1]s-drafts}, spec: {deploymentRef: {name: %[1]s}, key: display_draft_blog_posts, defaultVariant: disabled}}
---
apiVersion: rsolv.dev/v1alpha1
kind: RsolvDeployment
metadata: {name: %[1]s}
spec:
  image: %[4]s
  replicas: 1
  database: {secretRef: {name: %[1]s, key: database-url}, poolSize: %[5]d}
  secrets:
  - {name: %[1]s, requiredKeys: [STRIPE_API_KEY, STRIPE_WEBHOOK_SECRET]}
  metrics: {interval: 2s}
---
apiVersion: rsolv.dev/v1alpha1
kind: AlertBaseline
metadata: {name: %[6]s}
spec:
  deploymentRef: {name: %[1]s}
  thresholds:
  - {name: errors, signal: {errorRatio: {}}, warning: {above: 1%%, alert: NobodyHearsThis}}
  prometheus: {url: %[7]q}
`

// declare applies the app and the baselines, and waits for the app.
func (d *Drill) declare(ctx context.Context, databaseURL, webhookSecret string, baselines []*v1alpha1.AlertBaseline) error {
	var manifest strings.Builder
	_, _ = fmt.Fprintf(&manifest, appManifest, App, databaseURL, webhookSecret, d.Cluster.AppImage, poolSize, unselected, d.monitoring.Prometheus)
	for _, b := range baselines {
		b.Spec.Prometheus = &v1alpha1.MonitoringEndpoint{URL: d.monitoring.Prometheus}
		b.Spec.Alertmanager = &v1alpha1.MonitoringEndpoint{URL: d.monitoring.Alertmanager}
		text, err := yaml.Marshal(map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "AlertBaseline",
			"metadata": map[string]any{"name": b.Name}, "spec": b.Spec,
		})
		if err != nil {
			return fmt.Errorf("writing the baseline: %w", err)
		}
		manifest.WriteString("---\n" + string(text))
	}
	if _, err := d.Cluster.Apply(ctx, manifest.String()); err != nil {
		return err
	}
	_, err := d.Cluster.Kubectl(ctx, nil, "-n", namespace, "wait", "rd/"+App, "--for=condition=Ready", "--timeout="+patience.String())
	return err
}

// ready says what is still missing before the first fault.
func (d *Drill) ready(ctx context.Context, baselines []*v1alpha1.AlertBaseline) error {
	if err := d.Cluster.HurryMonitoring(ctx); err != nil {
		return err
	}
	for _, b := range baselines {
		for _, condition := range []string{v1alpha1.ConditionRulesLoaded, v1alpha1.ConditionRoutingLoaded} {
			if got, err := d.condition(ctx, b.Name, condition); err != nil || got.Status != "True" {
				return errors.Join(err, fmt.Errorf("%s of %s is %s: %s", condition, b.Name, got.Status, got.Message))
			}
		}
	}
	// Prometheus runs the rules of the others by now, and so knows those that it
	// wants.
	got, err := d.condition(ctx, unselected, v1alpha1.ConditionRulesLoaded)
	if err != nil || got.Reason != v1alpha1.ReasonNotSelected || !strings.Contains(got.Message, "release=kube-prometheus-stack") {
		return errors.Join(err, fmt.Errorf("a baseline without the label that Prometheus selects by has RulesLoaded=%s %s: %s", got.Status, got.Reason, got.Message))
	}
	rate, ok, err := alarm.Sample(ctx, d.monitoring.Prometheus,
		fmt.Sprintf(`sum(rate(phoenix_http_request_duration_milliseconds_count{namespace=%q,job=%q}[15s])) > 5`, namespace, App))
	if err != nil || !ok {
		return errors.Join(err, fmt.Errorf("no traffic is in Prometheus yet (%q)", rate))
	}
	firing, err := alarm.Alerts(ctx, d.monitoring.Alertmanager, App)
	if err != nil || len(firing) > 0 {
		names := make([]string, 0, len(firing))
		for i := range firing {
			names = append(names, firing[i].Name())
		}
		return errors.Join(err, fmt.Errorf("before the first fault there fire %s", strings.Join(names, ", ")))
	}
	return nil
}

type condition struct{ Type, Status, Reason, Message string }

func (d *Drill) condition(ctx context.Context, baseline, name string) (condition, error) {
	out, err := d.Cluster.Kubectl(ctx, nil, "-n", namespace, "get", "ab", baseline, "-o", "json")
	if err != nil {
		return condition{}, err
	}
	var object struct {
		Status struct{ Conditions []condition }
	}
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		return condition{}, fmt.Errorf("reading AlertBaseline %s: %w", baseline, err)
	}
	for _, c := range object.Status.Conditions {
		if c.Type == name {
			return c, nil
		}
	}
	return condition{Status: "missing"}, nil
}

// remove deletes what was declared, and the database.
func (d *Drill) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	objects := []string{"rd/" + App, "ff/" + App + "-blog", "ff/" + App + "-drafts", "secret/" + App, "ab/" + unselected}
	for _, sample := range samples {
		objects = append(objects, "ab/"+sample.name)
	}
	_, err := d.Cluster.Kubectl(ctx, nil, append([]string{"-n", namespace, "delete", "--ignore-not-found"}, objects...)...)
	if err != nil {
		return err
	}
	_, err = d.Cluster.Psql(ctx, "", "drop database if exists "+database+" with (force)")
	return err
}
