package routing

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// baselineOf reads a baseline from a file.
func baselineOf(t *testing.T, file string) *v1alpha1.AlertBaseline {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	baseline := &v1alpha1.AlertBaseline{}
	if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if baseline.Namespace == "" {
		baseline.Namespace = "rsolv-production"
	}
	return baseline
}

// baselines are the shipped ones, and one that uses everything.
func baselines(t *testing.T) []*v1alpha1.AlertBaseline {
	t.Helper()
	files, err := filepath.Glob("../../../config/samples/rsolv_v1alpha1_alertbaseline_*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("samples %v, %v", files, err)
	}
	all := []*v1alpha1.AlertBaseline{baselineOf(t, "testdata/everything.yaml")}
	for _, file := range files {
		all = append(all, baselineOf(t, file))
	}
	return all
}

func planOf(t *testing.T, baseline *v1alpha1.AlertBaseline, missing ...Secret) Plan {
	t.Helper()
	plan, problem := Make(baseline, missing)
	if problem != nil {
		t.Fatal(problem)
	}
	return plan
}

func golden(t *testing.T, name string, object any) {
	t.Helper()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, baseline := range baselines(t) {
		if baseline.Name != "everything" && baseline.Name != "api-performance" {
			continue
		}
		plan := planOf(t, baseline)
		golden(t, baseline.Name+".alertmanagerconfig.yaml", AlertmanagerConfig(baseline, plan).Object)
		golden(t, baseline.Name+".configmap.yaml", ConfigMap(baseline, plan).Object)
	}
}

// TestTheOperatorsTypeKnowsEveryField decodes what is rendered into the type
// that prometheus-operator reads it with.
func TestTheOperatorsTypeKnowsEveryField(t *testing.T) {
	t.Parallel()
	for _, baseline := range baselines(t) {
		raw, err := AlertmanagerConfig(baseline, planOf(t, baseline)).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		strict := func(raw []byte, into any) error {
			decoder := json.NewDecoder(bytes.NewReader(raw))
			decoder.DisallowUnknownFields()
			return decoder.Decode(into)
		}
		var read monitoringv1alpha1.AlertmanagerConfig
		if err := strict(raw, &read); err != nil {
			t.Fatalf("%s: %v", baseline.Name, err)
		}
		if len(read.Spec.Route.Routes) != len(baseline.Spec.Routing.Receivers) {
			t.Errorf("%s: %d routes", baseline.Name, len(read.Spec.Route.Routes))
		}
		for _, child := range read.Spec.Route.Routes {
			if err := strict(child.Raw, &monitoringv1alpha1.Route{}); err != nil {
				t.Errorf("%s: %v", baseline.Name, err)
			}
		}
	}
}

// amtool runs Alertmanager's own tool.
func amtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("amtool")
	if err != nil {
		t.Fatal("amtool is not in PATH: run hack/deps.sh amtool")
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), tool, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, &stderr)
	}
	return stdout.String(), nil
}

// configFile writes the file of a plan's ConfigMap.
func configFile(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	content, _, _ := unstructured.NestedString(object.Object, "data", ConfigKey)
	path := filepath.Join(t.TempDir(), ConfigKey)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAmtoolAcceptsAndAgrees lets Alertmanager judge the configurations, and
// walk its routes beside Told: for every alert of the samples and of random
// baselines.
func TestAmtoolAcceptsAndAgrees(t *testing.T) {
	t.Parallel()
	all := baselines(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 25 {
		all = append(all, randomBaseline(random, i))
	}
	for _, baseline := range all {
		t.Run(baseline.Name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, baseline)
			file := configFile(t, ConfigMap(baseline, plan))
			if usesGlobal(baseline) {
				withGlobal(t, file)
			}
			if out, err := amtool(t, "check-config", file); err != nil {
				t.Fatalf("amtool check-config: %v\n%s", err, out)
			}
			for _, alert := range Alerts(alerts.Rules(baseline, time.Unix(1_800_000_000, 0)).Groups) {
				args := []string{"config", "routes", "test", "--config.file=" + file}
				for name, value := range alert {
					args = append(args, name+"="+value)
				}
				out, err := amtool(t, args...)
				if err != nil {
					t.Fatalf("%v: %v\n%s", alert, err, out)
				}
				if got, want := strings.TrimSpace(out), strings.Join(plan.Receivers(alert), ","); got != want {
					t.Errorf("%v: amtool says %q, Told %q", alert, got, want)
				}
			}
		})
	}
}

func usesGlobal(baseline *v1alpha1.AlertBaseline) bool {
	smtp := baseline.Spec.Routing.SMTP
	return smtp != nil && smtp.UseGlobal
}

// withGlobal adds what Alertmanager's own configuration has.
func withGlobal(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(WithGlobalMail(string(content))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// randomBaseline has routes that overlap in many ways.
func randomBaseline(random *rand.Rand, number int) *v1alpha1.AlertBaseline {
	components := []string{"api", "database", "web", "api-v2"}
	severities := []string{"info", "warning", "critical"}
	pick := func(list []string) v1alpha1.LabelValue { return v1alpha1.LabelValue(list[random.IntN(len(list))]) }
	baseline := &v1alpha1.AlertBaseline{}
	baseline.Name, baseline.Namespace = fmt.Sprintf("random-%d", number), "shop"
	baseline.Spec.DeploymentRef.Name = "rsolv"
	for i, component := range components {
		level := func(severity string) *v1alpha1.Level {
			return &v1alpha1.Level{Above: "1", For: "5m", Alert: fmt.Sprintf("A%d%s", i, severity)}
		}
		baseline.Spec.Thresholds = append(baseline.Spec.Thresholds, v1alpha1.Threshold{
			Name: "t-" + component, Component: component, Signal: v1alpha1.Signal{Expr: "up"},
			Info: level("info"), Warning: level("warning"), Critical: level("critical"),
		})
	}
	routing := &v1alpha1.Routing{SMTP: &v1alpha1.SMTP{Smarthost: "smtp.example.com:25", From: "a@example.com"}}
	for i := range 1 + random.IntN(8) {
		receiver := v1alpha1.Receiver{Name: fmt.Sprintf("r%d", i), Continue: random.IntN(3) == 0, Email: []v1alpha1.EmailAddress{"a@example.com"}}
		if random.IntN(2) == 0 {
			receiver.Match = v1alpha1.LabelMatch{"component": pick(components)}
		}
		if random.IntN(2) == 0 {
			receiver.MatchRegexp = v1alpha1.LabelMatch{"severity": pick(severities) + "|" + pick(severities), "component": pick([]string{"api", "api.*", ".*a.*", "web|database"})}
		}
		if random.IntN(4) == 0 {
			receiver.GroupBy, receiver.RepeatEvery = []v1alpha1.LabelName{"component"}, "1h"
		}
		routing.Receivers = append(routing.Receivers, receiver)
	}
	baseline.Spec.Routing = routing
	return baseline
}

// TestWhatASecretIsMissingForIsLeftOut: Alertmanager, and its operator, refuse
// a configuration with one missing secret as a whole.
func TestWhatASecretIsMissingForIsLeftOut(t *testing.T) {
	t.Parallel()
	baseline := baselineOf(t, "testdata/everything.yaml")
	secrets := Secrets(baseline)
	var names []string
	for _, secret := range secrets {
		names = append(names, secret.Name+"/"+secret.Key)
	}
	if diff := cmp.Diff([]string{"pager/routing-key", "slack/url", "smtp/password"}, names); diff != "" {
		t.Fatalf("secrets (-want +got):\n%s", diff)
	}
	if got, want := secrets[2].Problem(false), `there is no secret "smtp" (spec.routing.smtp.authSecretRef, key "password"): until it is there, it is left out for mail`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := secrets[0].Problem(true); !strings.Contains(got, `secret "pager" has no key "routing-key", or nothing under it (spec.routing.receivers[phone].pagerDuty.routingKeySecretRef`) {
		t.Error(got)
	}
	for _, lost := range secrets {
		raw, err := AlertmanagerConfig(baseline, planOf(t, baseline, lost)).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			refers := strings.Contains(string(raw), `"key":"`+secret.Key+`"`)
			if refers != (secret.Name != lost.Name) {
				t.Errorf("without %s: refers to %s: %t", lost.Name, secret.Name, refers)
			}
		}
	}
}

func TestUntold(t *testing.T) {
	t.Parallel()
	baseline := baselineOf(t, "testdata/everything.yaml")
	groups := alerts.Rules(baseline, time.Unix(1_800_000_000, 0)).Groups
	if got := planOf(t, baseline).Untold(groups); len(got) != 0 {
		t.Errorf("untold %v", got)
	}
	receivers := baseline.Spec.Routing.Receivers
	baseline.Spec.Routing.Receivers = receivers[:1]
	if got := planOf(t, baseline).Untold(groups); !slices.Equal(got, []string{"ErrorsHigh", "TrafficLow"}) {
		t.Errorf("untold %v", got)
	}
}

func TestNoPattern(t *testing.T) {
	t.Parallel()
	baseline := baselineOf(t, "testdata/everything.yaml")
	baseline.Spec.Routing.Receivers[1].MatchRegexp = v1alpha1.LabelMatch{"severity": "critical|("}
	_, problem := Make(baseline, nil)
	if problem == nil || !strings.HasPrefix(problem.Error(), `spec.routing.receivers[chat].matchRegexp.severity: "critical|(" is no pattern: `) {
		t.Errorf("got %v", problem)
	}
}
