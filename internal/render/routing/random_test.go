package routing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// envRendered names a folder to write the rendered objects to: `make
// conformance` gives them to prometheus-operator's admission code, and to the
// code by which Alertmanager reads its configuration.
const envRendered = "RSOLV_RENDERED"

// TestAmtoolAcceptsRandomRoutes: what the API server admits of routing,
// Alertmanager loads. 500 random ones and all samples, in one call.
func TestAmtoolAcceptsRandomRoutes(t *testing.T) {
	t.Parallel()
	validator, err := admission.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"check-config"}
	write := func(name string, baseline *v1alpha1.AlertBaseline) {
		plan := planOf(t, baseline)
		content := ConfigMap(baseline, plan).Object["data"].(map[string]any)[ConfigKey].(string)
		if usesGlobal(baseline) {
			content = WithGlobalMail(content)
		}
		if folder := os.Getenv(envRendered); folder != "" {
			save(t, filepath.Join(folder, name+".alertmanager.yml"), []byte(content))
			raw, err := json.Marshal(AlertmanagerConfig(baseline, plan))
			if err != nil {
				t.Fatal(err)
			}
			save(t, filepath.Join(folder, name+".routes.json"), raw)
		}
		// A webhook's address in a file is younger than Debian's amtool.
		content = strings.ReplaceAll(content, "url_file: "+secretsDir+"/hook", "url: http://hook.example.com/")
		args = append(args, filepath.Join(dir, name+".yml"))
		save(t, args[len(args)-1], []byte(content))
	}
	for seed := range 500 {
		baseline := routed().Example(seed)
		object := render.Object(baseline)
		unstructured.RemoveNestedField(object.Object, "status")
		if err := validator.Admit(t.Context(), object); err != nil {
			t.Fatalf("the API server refuses it: %v", err)
		}
		write(fmt.Sprintf("random-%03d", seed), baseline)
	}
	for _, baseline := range baselines(t) {
		write(baseline.Name, baseline)
	}
	out, err := amtool(t, args...)
	if err != nil {
		t.Fatalf("amtool check-config: %v\n%s", err, out)
	}
	if found := bytes.Count([]byte(out), []byte("SUCCESS")); found != len(args)-1 {
		t.Errorf("amtool looked at %d of %d files", found, len(args)-1)
	}
}

func save(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// routed draws baselines with routes of every kind.
func routed() *rapid.Generator[*v1alpha1.AlertBaseline] {
	return rapid.Custom(func(t *rapid.T) *v1alpha1.AlertBaseline {
		baseline := &v1alpha1.AlertBaseline{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindAlertBaseline},
			ObjectMeta: metav1.ObjectMeta{Name: word(t, "baseline", 63), Namespace: word(t, "namespace", 40)},
		}
		baseline.Spec.DeploymentRef.Name = "rsolv"
		baseline.Spec.Thresholds = []v1alpha1.Threshold{{
			Name: "errors", Signal: v1alpha1.Signal{ErrorRatio: &v1alpha1.ErrorRatio{}},
			Warning: &v1alpha1.Level{Above: "1%", Alert: "ErrorsHigh"},
		}}
		routing := &v1alpha1.Routing{SMTP: smtpOf(t), Grouping: groupingOf(t)}
		if routing.SMTP == nil || !routing.SMTP.UseGlobal {
			routing.Output = rapid.SampledFrom([]v1alpha1.RoutingOutput{v1alpha1.RoutingOutputAlertmanagerConfig, v1alpha1.RoutingOutputConfigMap}).Draw(t, "output")
		}
		if rapid.Bool().Draw(t, "labels") {
			routing.Labels = map[string]string{"alertmanager": "main"}
		}
		count := rapid.IntRange(1, 8).Draw(t, "receivers")
		for i := range count {
			routing.Receivers = append(routing.Receivers, receiverOf(t, i, i == count-1, routing.SMTP != nil))
		}
		baseline.Spec.Routing = routing
		return baseline
	})
}

func word(t *rapid.T, label string, limit int) string {
	return rapid.StringMatching(`[a-z]([-a-z0-9]{0,`+strconv.Itoa(limit-2)+`}[a-z0-9])?`).Draw(t, label)
}

func smtpOf(t *rapid.T) *v1alpha1.SMTP {
	switch rapid.IntRange(0, 3).Draw(t, "smtp") {
	case 0:
		return nil
	case 1:
		return &v1alpha1.SMTP{UseGlobal: true}
	case 2:
		return &v1alpha1.SMTP{Smarthost: "localhost:25", From: "a@example.com", RequireTLS: new(rapid.Bool().Draw(t, "tls"))}
	default:
		return &v1alpha1.SMTP{
			Smarthost: "smtp.example.com:587", From: "alerts+rsolv@example.com", Username: rapid.StringMatching(`[ -~]{0,12}`).Draw(t, "username"),
			AuthSecretRef: &v1alpha1.PasswordReference{Name: "smtp", Key: rapid.SampledFrom([]string{"", "pass.word"}).Draw(t, "key")},
		}
	}
}

func receiverOf(t *rapid.T, i int, last, mail bool) v1alpha1.Receiver {
	r := v1alpha1.Receiver{
		Name: fmt.Sprintf("r%d-%s", i, word(t, "receiver", 40)), Grouping: groupingOf(t), Continue: rapid.Bool().Draw(t, "continue"),
	}
	matches := rapid.IntRange(0, 3).Draw(t, "matches")
	if matches == 0 && !last {
		matches = 3
	}
	if matches&1 != 0 {
		r.Match = v1alpha1.LabelMatch{
			"component": v1alpha1.LabelValue(rapid.StringMatching(`[ -~é\n]{1,20}`).Draw(t, "component")), "severity": "critical",
		}
	}
	if matches&2 != 0 {
		r.MatchRegexp = v1alpha1.LabelMatch{
			"alertname": rapid.SampledFrom([]v1alpha1.LabelValue{"API.*|Database.*", `a\.b"c`, "[^a-z]+", `\d{2,3}`, "(?i)x"}).Draw(t, "pattern"),
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "resolved") == 0 {
		r.SendResolved = new(false)
	}
	ways := rapid.IntRange(1, 15).Draw(t, "ways")
	if !mail {
		ways = max(ways&^1, 2)
	}
	if ways&1 != 0 {
		r.Email = []v1alpha1.EmailAddress{"admin@example.com", `o'hara{{x}}"@example.com`}[:rapid.IntRange(1, 2).Draw(t, "mails")]
	}
	if ways&2 != 0 {
		r.Webhook = &v1alpha1.Webhook{URLSecretRef: &v1alpha1.SecretKeyReference{Name: "hook", Key: "url"}}
		if rapid.Bool().Draw(t, "plain") {
			r.Webhook = &v1alpha1.Webhook{URL: "https://hook.example.com:8443/a?b=c&d=%20#e"}
		}
	}
	if ways&4 != 0 {
		r.Slack = &v1alpha1.Slack{
			APIURLSecretRef: v1alpha1.SecretKeyReference{Name: "slack", Key: "url"},
			Channel:         rapid.SampledFrom([]string{"#alerts", "@ann", "#{{x", `#"q"`}).Draw(t, "channel"),
		}
	}
	if ways&8 != 0 {
		r.PagerDuty = &v1alpha1.PagerDuty{RoutingKeySecretRef: v1alpha1.SecretKeyReference{Name: "pager", Key: "routing-key"}}
	}
	return r
}

func groupingOf(t *rapid.T) v1alpha1.Grouping {
	if rapid.Bool().Draw(t, "no grouping") {
		return v1alpha1.Grouping{}
	}
	duration := func(label string, values ...v1alpha1.PromDuration) v1alpha1.PromDuration {
		return rapid.SampledFrom(values).Draw(t, label)
	}
	return v1alpha1.Grouping{
		GroupBy:   rapid.SampledFrom([][]v1alpha1.LabelName{nil, {"alertname"}, {"component", "severity"}}).Draw(t, "groupBy"),
		GroupWait: duration("groupWait", "", "0s", "45s"), GroupInterval: duration("groupInterval", "", "30s", "1h30m"),
		RepeatEvery: duration("repeatEvery", "", "4h", "1d12h"),
	}
}
