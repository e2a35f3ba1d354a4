//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// TestOutage_FlagNameMismatch: the app asks for blog; somebody declares
// rsolv_blog. The original system took the name, /blog answered 404 and the
// launch was down for five hours. Here admission refuses the name and says the
// right one. Under any other wrong name the rollout holds and names both, while
// what ran before serves on. Without the rules in the CRD the first Apply would
// succeed and the test fail there; with spec.flags.policy: Warn, which is the
// old way and what E2E_WITHOUT_GUARD=flags sets, the rollout does not hold, and
// the test fails where it finds pods that it should not.
func TestOutage_FlagNameMismatch(t *testing.T) {
	const app = "outage-flag"
	declareApp(t, app, "sk_test_51Hq8vJ2eZ")
	t.Cleanup(func() { kubectlCleanup(t, "ff/"+app+"-blog-enabled") })
	apply(t, flagOf(app, "display_draft_blog_posts", "disabled"))
	if withoutGuard("flags") {
		kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":{"flags":{"policy":"Warn"}}}`)
	}

	for _, key := range []string{"rsolv_blog", "outage_flag_blog"} {
		_, err := cluster.Apply(t.Context(), flagOf(app, key, "enabled"))
		var refused *harness.KubectlError
		if !errors.As(err, &refused) {
			t.Fatalf("a flag with key %s was accepted (%v)", key, err)
		}
		if !strings.Contains(refused.Stderr, `use "blog"`) {
			t.Errorf("the refusal of %s does not name the right key: %s", key, refused.Stderr)
		}
	}

	// A name that no rule can know to be wrong: the image does.
	const said = `image needs flag "blog"; declared: "blog_enabled"`
	apply(t, flagOf(app, "blog_enabled", "enabled"))
	eventually(t, 2*time.Minute, func() error {
		if message := conditionMessage(t, "rd/"+app, "FlagsReady"); !strings.Contains(message, said) {
			return fmt.Errorf("FlagsReady says %q, want %s", message, said)
		}
		return nil
	})
	if got := kubectl(t, "get", "deployment", app, "--ignore-not-found", "-o", "name"); got != "" {
		t.Fatalf("a Deployment exists although a flag is missing: %s", got)
	}

	apply(t, flagOf(app, "blog", "enabled"))
	waitCondition(t, "rd/"+app, "Ready", "True")
	awaitBlog(t, app, http.StatusOK, 10*time.Second)
	stop := hammer(t, app)

	// The same mistake in the life of the app: the next version is held, the
	// one that runs keeps its pods and its flag, and serves.
	before := podNames(t, app)
	kubectl(t, "delete", "ff/"+app+"-blog")
	mustName(t, waitCondition(t, "rd/"+app, "FlagsReady", "False"),
		`image needs flag "blog", whose FeatureFlag was deleted; its last definition goes on being served`)
	awaitBlog(t, app, http.StatusOK, 10*time.Second)
	kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":{"resources":{"requests":{"cpu":"50m"}}}}`)
	waitCondition(t, "rd/"+app, "Ready", "False")
	waitCondition(t, "rd/"+app, "Available", "True")
	if after := podNames(t, app); after != before {
		t.Errorf("pods were replaced while the rollout was held: %s, before: %s", after, before)
	}
	apply(t, flagOf(app, "blog", "enabled"))
	waitCondition(t, "rd/"+app, "Ready", "True")
	awaitBlog(t, app, http.StatusOK, 10*time.Second)
	unharmed(t, stop)
}

// TestOutage_SecretMissingOrPlaceholder: an overlay overwrote live secrets
// with placeholders and empty values, and every pod that restarted took them.
// Here nothing rolls out with such a value, the condition names secret and
// key, and a pod that is rescheduled meanwhile starts with the good values,
// for it reads the immutable copy. If pods read the live secret, the
// rescheduled pod below would have the empty value and the test fail.
func TestOutage_SecretMissingOrPlaceholder(t *testing.T) {
	const (
		app  = "outage-secret"
		good = "sk_test_4eC39HqLyjWD"
	)
	newApp(t, app, "REPLACE_ME")
	change := func(t *testing.T, json string) {
		t.Helper()
		kubectl(t, "patch", "secret/"+app+"-stripe", "--type=merge", "-p", json)
	}
	message := waitCondition(t, "rd/"+app, "SecretsReady", "False")
	mustName(t, message, "outage-secret-stripe", "STRIPE_API_KEY")
	if got := kubectl(t, "get", "deployment", app, "--ignore-not-found", "-o", "name"); got != "" {
		t.Fatalf("a Deployment exists although a secret is a placeholder: %s", got)
	}

	change(t, `{"stringData":{"STRIPE_API_KEY":"`+good+`"}}`)
	waitCondition(t, "rd/"+app, "Ready", "True")
	stop := hammer(t, app)
	before := podNames(t, app)

	for what, broken := range map[string]string{
		"empty":       `{"data":{"STRIPE_API_KEY":""}}`,
		"absent":      `{"data":{"STRIPE_API_KEY":null}}`,
		"placeholder": `{"stringData":{"STRIPE_API_KEY":"<your key here>"}}`,
	} {
		t.Run(what, func(t *testing.T) {
			change(t, broken)
			mustName(t, waitCondition(t, "rd/"+app, "SecretsReady", "False"), "outage-secret-stripe", "STRIPE_API_KEY")
			if after := podNames(t, app); after != before {
				t.Errorf("pods were replaced: %s, before: %s", after, before)
			}
			change(t, `{"stringData":{"STRIPE_API_KEY":"`+good+`"}}`)
			waitCondition(t, "rd/"+app, "SecretsReady", "True")
		})
	}

	// The live secret is empty while a pod is rescheduled.
	change(t, `{"data":{"STRIPE_API_KEY":""}}`)
	waitCondition(t, "rd/"+app, "SecretsReady", "False")
	kubectl(t, "delete", "pod", strings.Fields(before)[0], "--wait")
	waitCondition(t, "rd/"+app, "Available", "True")
	copyName := kubectl(t, "get", "deployment", app, "-o",
		`jsonpath={.spec.template.spec.containers[0].envFrom[*].secretRef.name}`)
	value := kubectl(t, "get", "secret", copyName, "-o", `go-template={{.data.STRIPE_API_KEY | base64decode}}`)
	if value != good {
		t.Error("the copy that pods start with does not hold the last good value")
	}
	unharmed(t, stop)

	change(t, `{"stringData":{"STRIPE_API_KEY":"`+good+`"}}`)
	waitCondition(t, "rd/"+app, "Ready", "True")
	everything := managerLog(t) + kubectl(t, "get", "rd/"+app, "-o", "yaml") + kubectl(t, "get", "events", "-o", "yaml")
	for _, secret := range []string{good, "REPLACE_ME", "<your key here>"} {
		if strings.Contains(everything, secret) {
			t.Errorf("the value %q appears in a log, a status or an event", secret)
		}
	}
}

func mustName(t *testing.T, message string, names ...string) {
	t.Helper()
	for _, name := range names {
		if !strings.Contains(message, name) {
			t.Errorf("the condition does not name %s: %s", name, message)
		}
	}
}
