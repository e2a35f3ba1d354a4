package webhook

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// freePort is a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // it was only asked for its port
	return listener.Addr().(*net.TCPAddr).Port
}

// guarded is a namespace whose FeatureFlags a real API server sends to a real
// webhook with a certificate that it made itself.
func guarded(t *testing.T) (client.Client, string) {
	t.Helper()
	c, namespace := testenv.Client(t), testenv.Namespace(t)
	port := freePort(t)
	url := fmt.Sprintf("https://localhost:%d/validate-featureflag", port)
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "guard-" + namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "featureflags.rsolv.dev", AdmissionReviewVersions: []string{"v1"},
			SideEffects: new(admissionregistrationv1.SideEffectClassNone), FailurePolicy: new(admissionregistrationv1.Ignore),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: &url},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"rsolv.dev"}, APIVersions: []string{"v1alpha1"}, Resources: []string{"featureflags"}},
			}},
		}},
	}
	if err := c.Create(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), configuration) })
	testenv.StartManager(t, namespace, func(m ctrl.Manager) error {
		return Add(m, Options{Host: "127.0.0.1", Port: port, Configuration: configuration.Name, Names: []string{"localhost"}, Clock: time.Now})
	})
	// It is in use once a flag is refused that only the webhook can refuse.
	testenv.Eventually(t, func() error {
		if err := c.Create(t.Context(), flag(namespace, "probe", "not yet"), client.DryRunAll); err == nil {
			return fmt.Errorf("a wrong flag was admitted")
		}
		return nil
	})
	return c, namespace
}

// flag with a wrong type of value, unless the value is a boolean.
func flag(namespace, name, value string) *v1alpha1.FeatureFlag {
	raw := value
	if value != "true" && value != "false" {
		raw = fmt.Sprintf("%q", value)
	}
	return &v1alpha1.FeatureFlag{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.FeatureFlagSpec{
			DeploymentRef: v1alpha1.DeploymentReference{Name: "shop"}, DefaultVariant: "enabled",
			Variants: []v1alpha1.Variant{
				{Name: "enabled", Value: apiextensionsv1.JSON{Raw: []byte(raw)}},
				{Name: "disabled", Value: apiextensionsv1.JSON{Raw: []byte("false")}},
			},
		},
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want a refusal with %q", err, want)
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	c, namespace := guarded(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refused(t, c.Create(ctx, flag(namespace, "blog", "yes")),
		`spec.variants[enabled].value is a text ("yes") in a flag of type Boolean; write true or false, without quotes`)
	blog := flag(namespace, "blog", "true")
	must(c.Create(ctx, blog)) // also before its app

	app := &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: namespace},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image:    "registry.example.com/shop:v1",
			Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "url"}},
			Flags:    &v1alpha1.FlagsPolicy{ReservedPrefixes: []string{"prod_"}},
		},
	}
	must(c.Create(ctx, app))
	refused(t, c.Create(ctx, flag(namespace, "prod-page", "true")), `key "prod_page" begins with the reserved prefix "prod_"; use "page"`)
	second := flag(namespace, "second", "true")
	second.Spec.Key = "blog"
	refused(t, c.Create(ctx, second), `key "blog" belongs to the older FeatureFlag "blog"`)

	broken := blog.DeepCopy()
	broken.Spec.Variants[0].Value.Raw = []byte(`"no"`)
	refused(t, c.Update(ctx, broken), "in a flag of type Boolean")
	blog.Labels = map[string]string{"team": "growth"}
	must(c.Update(ctx, blog))

	// An image runs that needs the flag.
	app.Status.Image = app.Spec.Image
	app.Status.LastGoodCatalog = &v1alpha1.CatalogRecord{Hash: "h", Count: 1, Required: []v1alpha1.RequiredFlag{{Key: "blog", Type: "Boolean"}}}
	must(c.Status().Update(ctx, app))
	refused(t, c.Delete(ctx, blog), `the image that runs needs flag "blog": roll out an image that does not, or delete RsolvDeployment "shop" first`)
	other := flag(namespace, "other", "true")
	must(c.Create(ctx, other))
	must(c.Delete(ctx, other))
	must(c.Delete(ctx, app))
	must(c.Delete(ctx, blog)) // nobody needs it any more
}

// TestGuardLetsANamespaceGo: deleting a namespace must not hang on a flag.
func TestGuardLetsANamespaceGo(t *testing.T) {
	t.Parallel()
	c, namespace := guarded(t)
	app := &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: namespace},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image:    "registry.example.com/shop:v1",
			Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "url"}},
		},
	}
	blog := flag(namespace, "blog", "true")
	for _, object := range []client.Object{app, blog} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	app.Status.Image = app.Spec.Image
	app.Status.LastGoodCatalog = &v1alpha1.CatalogRecord{Hash: "h", Count: 1, Required: []v1alpha1.RequiredFlag{{Key: "blog"}}}
	if err := c.Status().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	refused(t, c.Delete(t.Context(), blog), "needs flag")
	if err := c.Delete(t.Context(), &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: namespace},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), blog); err != nil {
		t.Errorf("a flag holds up its namespace: %v", err)
	}
}
