//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// TestWebhookInstall adds the admission webhook by its overlay: what a condition
// would say afterwards, and the deletion of a flag that a running image needs,
// is refused at once. Then it goes back to the default install.
func TestWebhookInstall(t *testing.T) {
	const app = "refused-at-once"
	newApp(t, app, "sk_test_4eC39HqLyjWD")
	waitCondition(t, "rd/"+app, "Ready", "True")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if _, err := cluster.Kubectl(ctx, nil, "delete", "--ignore-not-found", "validatingwebhookconfiguration/rsolv-operator",
			"clusterrolebinding/rsolv-operator-webhook", "clusterrole/rsolv-operator-webhook"); err != nil {
			t.Error(err)
		}
		if _, err := cluster.Kubectl(ctx, nil, "-n", "rsolv-system", "delete", "--ignore-not-found", "service/rsolv-operator-webhook"); err != nil {
			t.Error(err)
		}
		if err := cluster.Install(ctx, os.Stderr); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.ApplyInstall(t.Context(), "install-webhook.yaml"); err != nil {
		t.Fatal(err)
	}

	wrong := strings.Replace(flagOf(app, "wrong", "enabled"), "defaultVariant: enabled",
		`variants: [{name: enabled, value: "yes"}, {name: disabled, value: false}], defaultVariant: enabled`, 1)
	// Until the API server trusts the new certificate it admits: failurePolicy Ignore.
	eventually(t, 2*time.Minute, func() error {
		_, err := cluster.Kubectl(t.Context(), strings.NewReader(wrong), "-n", harness.Namespace, "apply", "--server-side", "--dry-run=server", "-f", "-")
		return saying(err, "in a flag of type Boolean")
	})
	_, err := cluster.Kubectl(t.Context(), nil, "-n", harness.Namespace, "delete", "ff/"+app+"-blog")
	if err := saying(err, `the image that runs needs flag "blog"`); err != nil {
		t.Error(err)
	}
	apply(t, flagOf(app, "blog", "enabled"))
}

// saying is nil for a refusal by kubectl that says something.
func saying(err error, want string) error {
	var refused *harness.KubectlError
	if errors.As(err, &refused) && strings.Contains(refused.Stderr, want) {
		return nil
	}
	return fmt.Errorf("%v; want a refusal with %q", err, want) //nolint:errorlint // nil, if it was admitted
}
