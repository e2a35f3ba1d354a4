// Package config tests what an install grants and how it runs.
package config

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/rsolv-dev/rsolv-operator/controllers/featureflag"
)

var installs = []string{"../dist/install.yaml", "../dist/install-cluster-wide.yaml", "../dist/install-webhook.yaml"}

// objects of one kind in an install.
func objects[T any](t *testing.T, file, kind string) []T {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []T
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if object.GetKind() != kind {
			continue
		}
		var typed T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
			t.Fatal(err)
		}
		found = append(found, typed)
	}
}

// TestGrantsNameEachResourceAndVerb refuses wildcards, and anything that would
// let the operator change other people's Secrets, delete data or change its own
// rights.
func TestGrantsNameEachResourceAndVerb(t *testing.T) {
	t.Parallel()
	for _, file := range installs {
		var rules []rbacv1.PolicyRule
		for _, role := range objects[rbacv1.ClusterRole](t, file, "ClusterRole") {
			rules = append(rules, role.Rules...)
		}
		for _, role := range objects[rbacv1.Role](t, file, "Role") {
			rules = append(rules, role.Rules...)
		}
		if len(rules) == 0 {
			t.Errorf("%s grants nothing", file)
		}
		for _, rule := range rules {
			for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs) {
				if strings.Contains(word, "*") {
					t.Errorf("%s: a wildcard in %+v", file, rule)
				}
			}
			if slices.Contains(rule.Resources, "secrets") && (slices.Contains(rule.Verbs, "update") || slices.Contains(rule.Verbs, "patch")) {
				t.Errorf("%s: the operator could change Secrets: %+v", file, rule)
			}
			if slices.Contains(rule.APIGroups, "postgresql.cnpg.io") && slices.Contains(rule.Verbs, "delete") {
				t.Errorf("%s: the operator could delete databases: %+v", file, rule)
			}
			if slices.Contains(rule.APIGroups, "rbac.authorization.k8s.io") {
				t.Errorf("%s: the operator could change rights: %+v", file, rule)
			}
		}
	}
}

// TestReach checks that the default install can act in its namespace alone,
// and the overlay everywhere; and that the manager's flags say the same.
func TestReach(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file        string
		clusterWide bool
	}{{installs[0], false}, {installs[1], true}, {installs[2], false}}
	for _, test := range tests {
		bound := false
		for _, binding := range objects[rbacv1.ClusterRoleBinding](t, test.file, "ClusterRoleBinding") {
			bound = bound || binding.RoleRef.Name == "rsolv-operator"
		}
		if bound != test.clusterWide {
			t.Errorf("%s binds the manager's rules cluster-wide: %t, want %t", test.file, bound, test.clusterWide)
		}
		for _, deployment := range objects[appsv1.Deployment](t, test.file, "Deployment") {
			limited := strings.Contains(strings.Join(deployment.Spec.Template.Spec.Containers[0].Args, " "), "--namespaces=")
			if limited == test.clusterWide {
				t.Errorf("%s limits the manager to namespaces: %t, want %t", test.file, limited, !test.clusterWide)
			}
		}
	}
}

// TestManagerRunsUnprivileged holds the manager's pod to what the restricted
// pod security standard wants, and a read-only file system besides.
func TestManagerRunsUnprivileged(t *testing.T) {
	t.Parallel()
	for _, file := range installs {
		for _, deployment := range objects[appsv1.Deployment](t, file, "Deployment") {
			pod := deployment.Spec.Template.Spec
			if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
				t.Errorf("%s: the manager may run as root", file)
			}
			c := pod.Containers[0].SecurityContext
			if c == nil || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem ||
				c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation ||
				c.Capabilities == nil || !slices.Contains(c.Capabilities.Drop, "ALL") {
				t.Errorf("%s: the manager's container is not locked down: %+v", file, c)
			}
		}
	}
}

// TestWebhookIsOptionalAndFailsOpen: an install has the admission webhook only
// where it is asked for, and then whole; and a manager that is away never keeps
// anybody from changing a flag.
func TestWebhookIsOptionalAndFailsOpen(t *testing.T) {
	t.Parallel()
	for _, file := range installs {
		wanted := strings.Contains(file, "webhook")
		configurations := objects[admissionregistrationv1.ValidatingWebhookConfiguration](t, file, "ValidatingWebhookConfiguration")
		if (len(configurations) == 1) != wanted {
			t.Fatalf("%s has %d webhook configurations", file, len(configurations))
		}
		for _, deployment := range objects[appsv1.Deployment](t, file, "Deployment") {
			args := strings.Join(deployment.Spec.Template.Spec.Containers[0].Args, " ")
			if strings.Contains(args, "--webhook-bind-address=:9443") != wanted {
				t.Errorf("%s: the manager's flags are %s", file, args)
			}
		}
		if !wanted {
			continue
		}
		for _, hook := range configurations[0].Webhooks {
			service := hook.ClientConfig.Service
			if *hook.FailurePolicy != admissionregistrationv1.Ignore || service == nil || *service.Path != featureflag.GuardPath {
				t.Errorf("%s: %+v", file, hook)
			}
			found := objects[corev1.Service](t, file, "Service")
			if len(found) != 1 || found[0].Name != service.Name || found[0].Namespace != service.Namespace {
				t.Errorf("%s has the Services %+v, and calls %+v", file, found, service)
			}
		}
	}
}
