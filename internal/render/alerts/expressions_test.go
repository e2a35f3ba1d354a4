package alerts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// samples are all shipped baselines, in the namespace of the tests' series.
func samples(t *testing.T) map[string]*v1alpha1.AlertBaseline {
	t.Helper()
	files, err := filepath.Glob(strings.Replace(samplePath, "api-performance", "*", 1))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d samples (%v)", len(files), err)
	}
	all := map[string]*v1alpha1.AlertBaseline{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		baseline := &v1alpha1.AlertBaseline{}
		if err := yaml.UnmarshalStrict(raw, baseline); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		baseline.Namespace = "rsolv-production"
		all[baseline.Name] = baseline
	}
	return all
}

// each counts for some hours, so much every 30 s.
func each(series string, perStep float64, hours int) inputLine {
	return inputLine{series, fmt.Sprintf("0+%gx%d", perStep, hours*120)}
}

// held is a value for some hours.
func held(series string, value float64, hours int) inputLine {
	return inputLine{series, fmt.Sprintf("%g+0x%d", value, hours*120)}
}

const (
	main     = `{job="rsolv-platform-uptime",instance="https://rsolv.dev"}`
	blogPage = `{job="rsolv-platform-uptime",instance="https://rsolv.dev/blog"}`
	flagOf   = `rsolv_feature_flag_enabled{` + target + `,flag="blog"}`
	replicas = `{namespace="rsolv-production",deployment="rsolv"}`
)

func podReady(pod, namespace string) string {
	return fmt.Sprintf(`kube_pod_status_ready{namespace=%q,pod=%q,condition="true",job="kube-state-metrics"}`, namespace, pod)
}

// expressions are situations for the thresholds whose signal is an expression:
// their own series, and what fires.
func expressions() map[string][]unit {
	unitOf := func(name string, input []inputLine, tests ...exprTest) unit {
		return unit{Name: name, Interval: "30s", InputSeries: input, Exprs: tests}
	}
	up := func(more ...inputLine) []inputLine {
		return append([]inputLine{held("probe_success"+main, 1, 2)}, more...)
	}
	live := func(more ...inputLine) []inputLine {
		return append([]inputLine{each(webhookCount+`"success"}`, 3, 3)}, more...)
	}
	ran := func(more ...inputLine) []inputLine {
		return append([]inputLine{each("rsolv_validation_executions_total{"+target+`,repo="a",status="completed"}`, 1, 3)}, more...)
	}
	sub := func(name string) string {
		return "rsolv_billing_subscription_" + name + "_total{" + target + `,plan="pro"}`
	}
	score := func(suffix string) string {
		return "rsolv_mitigation_trust_score_value_" + suffix + "{" + target + `,language="js"}`
	}
	funnel := func(name, pod string) string {
		return "rsolv_funnel_" + name + "{" + strings.Replace(target, `pod="a"`, `pod="`+pod+`"`, 1) + "}"
	}
	spools := func(a, b float64) []inputLine {
		return []inputLine{
			held(funnel("spool_bytes", "a"), a, 1), held(funnel("spool_max_bytes", "a"), 100, 1),
			held(funnel("spool_bytes", "b"), b, 1), held(funnel("spool_max_bytes", "b"), 100, 1),
		}
	}
	return map[string][]unit{
		"uptime": {
			unitOf("the site is down", []inputLine{held("probe_success"+main, 0, 1)}, firing("1m30s"), firing("2m", "RSOLVMainSiteDown")),
			unitOf("no probes", []inputLine{held("up", 1, 1)}, firing("9m30s"), firing("10m", "RSOLVUptimeProbesAbsent")),
			unitOf("the blog is down", up(held("probe_success"+blogPage, 0, 1)), firing("4m30s"), firing("5m", "RSOLVBlogDown")),
			unitOf("the blog is switched off", up(held("probe_success"+blogPage, 0, 2), held(flagOf, 0, 2)), firing("5m"), firing("90m")),
			unitOf("the blog is switched on, and down", up(held("probe_success"+blogPage, 0, 1), held(flagOf, 1, 1)), firing("5m", "RSOLVBlogDown")),
			unitOf("a slow page", up(held("probe_duration_seconds"+blogPage, 3.2, 1), held("probe_duration_seconds"+main, 0.3, 1)),
				firing("4m30s"), firing("5m", "RSOLVHighResponseTime")),
			unitOf("six days of a certificate", up(held("probe_ssl_earliest_cert_expiry"+main, 6*86400, 2)), firing("59m30s"), firing("60m", "RSOLVSSLCertificateExpiringSoon")),
			unitOf("eight days of a certificate", up(held("probe_ssl_earliest_cert_expiry"+main, 8*86400, 2)), firing("2h")),
			unitOf("a pod is not ready", up(held(podReady("rsolv-7d9c5b8f6d-x2x4q", "rsolv-production"), 0, 1), held(podReady("rsolv-7d9c5b8f6d-aaaaa", "rsolv-production"), 1, 1)),
				firing("4m30s"), firing("5m", "RSOLVPlatformPodNotReady")),
			unitOf("pods of a Job, of another app and of another namespace are not ready",
				up(held(podReady("rsolv-migrate-5f6d7c8b9a-x2x4q", "rsolv-production"), 0, 1), held(podReady("shop-7d9c5b8f6d-x2x4q", "rsolv-production"), 0, 1),
					held(podReady("rsolv-7d9c5b8f6d-x2x4q", "rsolv-staging"), 0, 1)), firing("1h")),
			unitOf("a replica is missing", up(held("kube_deployment_spec_replicas"+replicas, 2, 1), held("kube_deployment_status_replicas_available"+replicas, 1, 1)),
				firing("9m30s"), firing("10m", "RSOLVDeploymentReplicasMismatch")),
			unitOf("all replicas are there", up(held("kube_deployment_spec_replicas"+replicas, 2, 1), held("kube_deployment_status_replicas_available"+replicas, 2, 1)), firing("1h")),
		},
		"billing": {
			unitOf("half of the subscriptions are cancelled", live(each(sub("created"), 0.2, 3), each(sub("cancelled"), 0.1, 3)),
				firing("60m"), firing("2h", "SubscriptionCancellationRateHigh")),
			unitOf("a twentieth of the subscriptions is cancelled", live(each(sub("created"), 2, 3), each(sub("cancelled"), 0.1, 3)), firing("3h")),
			unitOf("one subscription is cancelled, none made", live(inputLine{sub("cancelled"), "0+0x10 1+0x400"}), firing("3h")),
			unitOf("grants of 2000 credits", live(
				each("rsolv_billing_credits_added_quantity_bucket{"+target+`,reason="x",le="1000"}`, 0, 1),
				each("rsolv_billing_credits_added_quantity_bucket{"+target+`,reason="x",le="2500"}`, 1, 1),
				each("rsolv_billing_credits_added_quantity_bucket{"+target+`,reason="x",le="+Inf"}`, 1, 1)),
				firing("5m"), firing("5m30s", "BillingCreditGrantAnomalyDetected")),
		},
		"funnel": {
			unitOf("events are missing, says the ledger to both pods", []inputLine{held(funnel("missing_events", "a"), 3, 1), held(funnel("missing_events", "b"), 3, 1)},
				firing("14m30s"), firing("15m", "FunnelEventsMissing")),
			unitOf("no event is missing or astray", []inputLine{held(funnel("missing_events", "a"), 0, 1), held(funnel("stray_events", "a"), 0, 1)}, firing("1h")),
			unitOf("events are astray", []inputLine{held(funnel("stray_events", "a"), 1, 1)}, firing("14m30s"), firing("15m", "FunnelEventsAstray")),
			unitOf("the spool of one pod of two is over half full", spools(60, 1), firing("9m30s"), firing("10m", "FunnelSpoolFilling"), firing("1h", "FunnelSpoolFilling")),
			unitOf("the spool of one pod of two is nearly full", spools(1, 95), firing("1m30s"), firing("2m", "FunnelSpoolFull"), firing("10m", "FunnelSpoolFull", "FunnelSpoolFilling")),
			unitOf("both spools are nearly half full", spools(49, 49), firing("1h")),
			unitOf("signups are left to the repair", []inputLine{each("rsolv_funnel_events_total{"+target+`,type="signup",outcome="failed"}`, 0.2, 1)},
				firing("45m", "FunnelMilestonesFailing")),
			unitOf("one signup is", []inputLine{{"rsolv_funnel_events_total{" + target + `,type="signup",outcome="failed"}`, "0+0x10 1+0x200"}}, firing("10m"), firing("1h")),
		},
		"validation": {
			unitOf("scores of 50", ran(each(score("sum"), 50, 3), each(score("count"), 1, 3), each("rsolv_mitigation_pr_created_total{"+target+"}", 1, 3)),
				firing("30m"), firing("31m", "MitigationTrustScoreLow"), firing("3h", "MitigationTrustScoreLow")),
			unitOf("scores of 70", ran(each(score("sum"), 70, 3), each(score("count"), 1, 3), each("rsolv_mitigation_pr_created_total{"+target+"}", 1, 3)), firing("3h")),
			unitOf("a counter of pull requests that stands still", ran(held("rsolv_mitigation_pr_created_total{"+target+"}", 7, 3)), firing("30m"), firing("31m", "NoPRsCreated")),
			unitOf("no counter of pull requests", ran(), firing("30m"), firing("31m", "NoPRsCreated")),
			unitOf("a pull request hours ago", ran(inputLine{"rsolv_mitigation_pr_created_total{" + target + "}", "0+0x4 1+0x400"}), firing("3h")),
			unitOf("nothing is validated", []inputLine{held("rsolv_validation_executions_total{"+target+`,repo="a",status="completed"}`, 7, 3)},
				firing("60m"), firing("60m30s", "ValidationExecutionsStalled"), firing("3h", "ValidationExecutionsStalled")),
			unitOf("one repository fails among many", ran(each("rsolv_validation_executions_total{"+target+`,repo="b",status="failed"}`, 0.1, 2),
				each("rsolv_mitigation_pr_created_total{"+target+"}", 1, 3)),
				firing("30m"), firing("60m", "HighValidationFailureRateByRepo")),
		},
	}
}

func TestExpressionsOfTheSamples(t *testing.T) {
	t.Parallel()
	all := samples(t)
	for name, units := range expressions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			result := Rules(all[name], testTime)
			if len(result.Problems) > 0 {
				t.Fatal(result.Problems)
			}
			for file, content := range map[string]any{
				"rules.yaml": ruleSpec{result.Groups},
				"tests.yaml": unitFile{RuleFiles: []string{"rules.yaml"}, EvaluationInterval: "30s", Tests: units},
			} {
				if err := os.WriteFile(filepath.Join(dir, file), toYAML(t, content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			promtool(t, dir, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
			promtool(t, dir, "test", "rules", "tests.yaml")
			for i := range result.Plans {
				if result.Plans[i].Kind != Expression {
					continue
				}
				for _, b := range result.Plans[i].Bounds {
					if !strings.Contains(fmt.Sprint(units), `{alertname="`+b.Alert+`"}`) {
						t.Errorf("no test sees %s firing", b.Alert)
					}
				}
			}
		})
	}
}
