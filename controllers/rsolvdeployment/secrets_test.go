package rsolvdeployment

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// TestOutageSecretMissingOrPlaceholder: no rollout with a bad secret, the
// condition names secret and key, and the value shows up nowhere.
func TestOutageSecretMissingOrPlaceholder(t *testing.T) {
	t.Parallel()
	const leaked = "todo: the-real-value-is-hunter2"
	for name, test := range map[string]struct {
		spoil  func(*fixture)
		reason string
		want   []string
	}{
		"missing secret": {func(f *fixture) {
			f.must(f.client.Delete(f.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: f.key.Namespace, Name: "rsolv-stripe"}}))
		}, v1alpha1.ReasonSecretNotFound, []string{`"rsolv-stripe"`, `"STRIPE_API_KEY"`, `"STRIPE_WEBHOOK_SECRET"`}},
		"missing key": {
			func(f *fixture) { f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": stripeKey}) },
			v1alpha1.ReasonSecretKeyMissing,
			[]string{`"rsolv-stripe"`, `"STRIPE_WEBHOOK_SECRET"`},
		},
		"emptied": {func(f *fixture) {
			f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": " "})
		}, v1alpha1.ReasonSecretKeyEmpty, []string{`"rsolv-stripe"`, `"STRIPE_API_KEY"`, `"STRIPE_WEBHOOK_SECRET"`}},
		"placeholder": {func(f *fixture) {
			f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": leaked, "STRIPE_WEBHOOK_SECRET": webhook})
		}, v1alpha1.ReasonSecretPlaceholder, []string{`"rsolv-stripe"`, `"STRIPE_API_KEY"`}},
		"no URL": {
			func(f *fixture) {
				f.secret("rsolv-db", map[string]string{"database-url": "host=db password=" + password})
			},
			v1alpha1.ReasonSecretInvalid,
			[]string{`"rsolv-db"`, `"database-url"`, "postgres://"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).secrets().create().ready()
			before := f.versions()
			test.spoil(f)
			f.image("ghcr.io/rsolv-dev/rsolv:v2")
			var logged strings.Builder
			logger := funcr.New(func(prefix, args string) { logged.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 9})
			if _, err := f.try(log.IntoContext(t.Context(), logger)); err != nil {
				t.Fatal(err)
			}
			f.wantPhase(v1alpha1.PhaseHeld)
			f.wantReady(metav1.ConditionFalse, test.reason)
			message := f.want(v1alpha1.ConditionSecretsReady, metav1.ConditionFalse, test.reason)
			for _, part := range test.want {
				if !strings.Contains(message, part) {
					t.Errorf("%s is not in: %s", part, message)
				}
			}
			// What runs is left alone, and still counts as available.
			f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
			if got := f.versions()["Deployment rsolv"]; got != before["Deployment rsolv"] {
				t.Error("the Deployment was touched")
			}
			f.wantEnvironment()
			said, err := json.Marshal(f.rd())
			f.must(err)
			for where, text := range map[string]string{"status": string(said), "events": strings.Join(f.notes.all(), "\n"), "log": logged.String()} {
				for _, value := range []string{leaked, password, stripeKey, webhook, goodURL} {
					if strings.Contains(text, value) {
						t.Errorf("the %s holds %q:\n%s", where, value, text)
					}
				}
			}
			// Fixed, the rollout goes on.
			f.secrets().ready()
			if got := f.rd().Status.Image; got != "ghcr.io/rsolv-dev/rsolv:v2" {
				t.Errorf("after the fix the pods run %s", got)
			}
		})
	}
}

func TestImmutableCopyOutlivesTheLiveSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create().ready()
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": ""})
	for range 3 {
		f.reconcile()
	}
	f.wantEnvironment()
	env := f.env()
	env.Data["STRIPE_API_KEY"] = nil
	if err := f.client.Update(t.Context(), env); err == nil {
		t.Error("the copy could be emptied")
	}
	f.must(testenv.RollOut(t.Context(), f.client, f.deployment()))
	f.want(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}
