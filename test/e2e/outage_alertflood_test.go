//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/alarm"
	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// floodBaseline declares what is watched: the two pages of the probes, once
// behind the flag and once, as it was in the outage, without. Both have a
// warning and a critical level, and a receiver each.
const floodBaseline = `
apiVersion: rsolv.dev/v1alpha1
kind: AlertBaseline
metadata: {name: %[1]s}
spec:
  deploymentRef: {name: %[1]s}
  evaluationInterval: 5s
  thresholds:
  - name: guarded
    component: blog
    onlyWhenFlag: {key: blog, is: true}
    signal: {expr: 'probe_success{job="%[1]s-probe"}'}
    warning:  {below: "1", for: 1s, alert: GuardedWarning}
    critical: {below: "0.5", for: 1s, alert: GuardedCritical}
  - name: unguarded
    component: blog
    signal: {expr: 'probe_success{job="%[1]s-probe"}'}
    warning:  {below: "1", for: 1s, alert: UnguardedWarning}
    critical: {below: "0.5", for: 1s, alert: UnguardedCritical}
  routing:
    smtp: {useGlobal: true}
    groupWait: 20s
    groupInterval: 10s
    receivers:
    - {name: guarded, match: {threshold: guarded}, email: [guarded@example.com]}
    - {name: others, email: [others@example.com]}
  outputs: {labels: {release: kube-prometheus-stack}}
`

// floodProbe asks for two posts that do not exist: while the flag is off, as
// the whole blog does, they answer 404; while it is on, too.
const floodProbe = `
apiVersion: monitoring.coreos.com/v1
kind: Probe
metadata: {name: %[1]s-probe}
spec:
  jobName: %[1]s-probe
  interval: 5s
  module: http_2xx
  prober: {url: %[2]s, path: /probe}
  targets: {staticConfig: {static: ["http://%[3]s/blog/first-lost-post", "http://%[3]s/blog/second-lost-post"]}}
`

// TestOutage_AlertFloodFromFlagOff: while the flag of the blog was off, its page
// answered 404 by design, and the alert on it sent 1440 notifications in half
// a day. Here a real Prometheus probes the page through a real blackbox
// exporter and a real Alertmanager sends mail: with the guard, nobody is told
// while the flag is off. Once it is on, one mail tells of both pages, from the
// critical alert alone. The threshold without the guard is the outage as it
// was: it fires all the while, which also shows that silence is not for want
// of monitoring. With E2E_WITHOUT_GUARD=flood the guard is taken away, and the
// test fails.
func TestOutage_AlertFloodFromFlagOff(t *testing.T) {
	const app = "outage-flood"
	monitoring, err := cluster.Monitoring(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	inbox, err := alarm.OpenInbox(t.Context(), monitoring.SMTP, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inbox.Close() })
	newApp(t, app, "sk_test_4eC39HqLyjWD")
	t.Cleanup(func() { kubectlCleanup(t, "ab/"+app, "probe/"+app+"-probe") })
	kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":{"metrics":{"interval":"5s"}}}`)
	waitCondition(t, "rd/"+app, "Ready", "True")
	awaitBlog(t, app, http.StatusNotFound, 30*time.Second)
	address := kubectl(t, "get", "service", app, "-o", "jsonpath={.spec.clusterIP}")
	apply(t, fmt.Sprintf(floodProbe, app, strings.TrimPrefix(monitoring.Blackbox, "http://"), address))

	// The guard must know the flag before it can judge; until then it alerts.
	eventually(t, 3*time.Minute, hurried(t, func() error {
		value, ok, err := alarm.Sample(t.Context(), monitoring.Prometheus,
			fmt.Sprintf(`max(rsolv_feature_flag_enabled{namespace=%q,job=%q,flag="blog"})`, harness.Namespace, app))
		if err != nil || !ok || value != "0" {
			return errors.Join(err, fmt.Errorf("the flag in Prometheus is %q (%t)", value, ok))
		}
		return nil
	}))
	baseline := fmt.Sprintf(floodBaseline, app)
	if withoutGuard("flood") {
		baseline = strings.Replace(baseline, "    onlyWhenFlag: {key: blog, is: true}\n", "", 1)
	}
	apply(t, baseline)
	waitCondition(t, "ab/"+app, "RoutingApplied", "True")

	// The outage as it was: the unguarded alerts fire.
	alerts := func() map[string][]alarm.Alert {
		t.Helper()
		all, err := alarm.Alerts(t.Context(), monitoring.Alertmanager, app)
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string][]alarm.Alert{}
		for _, alert := range all {
			byName[alert.Name()] = append(byName[alert.Name()], alert)
		}
		return byName
	}
	firing := func(name string) func() error {
		return func() error {
			if got := len(alerts()[name]); got != 2 {
				return fmt.Errorf("%d of %s fire, want 2", got, name)
			}
			return nil
		}
	}
	eventually(t, 3*time.Minute, hurried(t, firing("UnguardedCritical")))
	eventually(t, time.Minute, firing("UnguardedWarning"))
	eventually(t, 2*time.Minute, hurried(t, mailTo(inbox, "others@example.com", 1)))
	// Four more evaluations, in which the guarded ones would have fired.
	time.Sleep(20 * time.Second)
	for _, name := range []string{"GuardedWarning", "GuardedCritical"} {
		if got := alerts()[name]; len(got) != 0 {
			t.Errorf("%s fires %d times while the flag is off", name, len(got))
		}
	}
	if mails := mailsTo(inbox, "guarded@example.com"); len(mails) != 0 {
		t.Errorf("%d mails while the flag is off, first: %s", len(mails), mails[0].Subject)
	}

	// The flag is turned on, and the pages are still missing.
	kubectl(t, "patch", "ff/"+app+"-blog", "--type=merge", "-p", `{"spec":{"defaultVariant":"enabled"}}`)
	awaitBlog(t, app, http.StatusOK, 10*time.Second)
	eventually(t, 3*time.Minute, firing("GuardedCritical"))
	eventually(t, 2*time.Minute, mailTo(inbox, "guarded@example.com", 1))
	time.Sleep(20 * time.Second) // a second mail would have been sent by now
	for _, receiver := range []string{"guarded@example.com", "others@example.com"} {
		mails := mailsTo(inbox, receiver)
		if len(mails) != 1 {
			t.Fatalf("%d mails to %s, want one for the group", len(mails), receiver)
		}
		t.Logf("to %s: %s\n%s", receiver, mails[0].Subject, mails[0].Text)
		if !strings.HasPrefix(mails[0].Subject, "[CRITICAL]") {
			t.Errorf("the one mail is %q, want the critical alert's", mails[0].Subject)
		}
	}
	for _, warning := range alerts()["GuardedWarning"] {
		if !warning.Inhibited() {
			t.Errorf("the warning about %s is not silenced by its critical alert", warning.Labels["instance"])
		}
	}

	// The flag is turned off again, and the end is told.
	kubectl(t, "patch", "ff/"+app+"-blog", "--type=merge", "-p", `{"spec":{"defaultVariant":"disabled"}}`)
	eventually(t, 3*time.Minute, mailTo(inbox, "guarded@example.com", 2))
	if last := mailsTo(inbox, "guarded@example.com")[1]; !strings.HasPrefix(last.Subject, "[RESOLVED]") {
		t.Errorf("the last mail is %q, want the end of the alert", last.Subject)
	}
}

// hurried has Prometheus and Alertmanager read what changed, whenever want is
// not yet so.
func hurried(t *testing.T, want func() error) func() error {
	t.Helper()
	return func() error {
		err := want()
		if err == nil {
			return nil
		}
		return errors.Join(err, cluster.HurryMonitoring(t.Context()))
	}
}

func mailsTo(inbox *alarm.Inbox, address string) []alarm.Mail {
	var mails []alarm.Mail
	for _, mail := range inbox.Mails() {
		if mail.To == address {
			mails = append(mails, mail)
		}
	}
	return mails
}

func mailTo(inbox *alarm.Inbox, address string, count int) func() error {
	return func() error {
		if got := len(mailsTo(inbox, address)); got < count {
			return fmt.Errorf("%d mails to %s, want %d", got, address, count)
		}
		return nil
	}
}
