package workload

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

var environment = Environment{ConfigMap: "rsolv-config-0123456789ab", Secret: "rsolv-env-ba9876543210"}

// minimal is the least that can be declared.
func minimal() *v1alpha1.RsolvDeployment {
	return &v1alpha1.RsolvDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: "rsolv", Namespace: "production", UID: "5c1e"},
		Spec: v1alpha1.RsolvDeploymentSpec{
			Image: "ghcr.io/rsolv-dev/rsolv:v1",
			Database: v1alpha1.Database{
				SecretRef: v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}, PoolSize: 10,
			},
		},
	}
}

// full declares everything.
func full() *v1alpha1.RsolvDeployment {
	rd := minimal()
	class := "nginx"
	rd.Spec.ImagePullSecrets = []v1alpha1.LocalReference{{Name: "ghcr"}, {Name: "mirror"}}
	rd.Spec.Database.PoolSize = 25
	rd.Spec.Autoscaling = &v1alpha1.Autoscaling{MinReplicas: 2, MaxReplicas: 10, TargetCPUUtilization: 70}
	rd.Spec.Ingress = &v1alpha1.Ingress{
		ClassName:   &class,
		Hosts:       []string{"*.rsolv.dev", "rsolv.dev"},
		TLS:         &v1alpha1.IngressTLS{SecretName: "rsolv-tls"},
		Annotations: map[string]string{"cert-manager.io/cluster-issuer": "letsencrypt"},
		// Not in order: the variable is.
		TrustedProxies: []string{"192.0.2.7/32", "10.0.0.0/8"},
	}
	rd.Spec.Gateway = &v1alpha1.Gateway{
		ParentRefs: []v1alpha1.ParentReference{
			{Name: "public", Namespace: "infra", SectionName: "https"}, {Name: "own", Port: new(int32(8443))},
		},
		Hosts:          []string{"rsolv.dev", "*.rsolv.dev"},
		Annotations:    map[string]string{"external-dns.alpha.kubernetes.io/ttl": "60"},
		TrustedProxies: []string{"10.0.0.0/8", "172.16.0.0/12"}, // one is the Ingress's too
	}
	rd.Spec.Metrics = &v1alpha1.Metrics{Interval: "15s", Labels: map[string]v1alpha1.KubernetesLabelValue{
		"release": "kube-prometheus-stack", contract.LabelDeployment: "other", // the operator's own stay
	}}
	rd.Spec.NetworkPolicy = &v1alpha1.NetworkPolicy{
		PublicFrom: []string{"ingress-nginx", "gateway"}, MetricsFrom: []string{"monitoring"}, ManagerNamespace: "rsolv-system",
	}
	rd.Spec.Env = []v1alpha1.EnvVar{{Name: "PUBLIC_FLAGS", Value: "blog,$(NOT_EXPANDED)"}, {Name: "EMPTY"}}
	rd.Spec.Placeholders = &v1alpha1.Placeholders{Words: []string{"acme"}, Patterns: []string{"TEST-.*"}, Exempt: []string{"MODE", "ANOTHER"}}
	rd.Spec.NodeSelector = map[string]v1alpha1.KubernetesLabelValue{"pool": "web", "node-role.kubernetes.io/worker": ""}
	rd.Spec.Tolerations = []v1alpha1.Toleration{
		{Key: "dedicated", Operator: "Equal", Value: "web", Effect: "NoSchedule"},
		{Key: "node.kubernetes.io/unreachable", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: new(int64(30))},
		{Operator: "Exists"},
	}
	rd.Spec.TopologySpread = []v1alpha1.TopologySpread{
		{TopologyKey: "topology.kubernetes.io/zone", MaxSkew: 1, WhenUnsatisfiable: "DoNotSchedule"},
		{TopologyKey: "kubernetes.io/hostname", MaxSkew: 2, WhenUnsatisfiable: "ScheduleAnyway"},
	}
	rd.Spec.ServiceAccount = &v1alpha1.ServiceAccount{Annotations: map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/rsolv"}}
	rd.Spec.Resources = &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0.5")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
	rd.Spec.Rollout = &v1alpha1.Rollout{
		Preflight: &v1alpha1.Preflight{Timeout: metav1.Duration{Duration: 3 * time.Minute}}, Migrations: &v1alpha1.Migrations{Timeout: metav1.Duration{Duration: 90 * time.Second}},
		SmokeTest: &v1alpha1.SmokeTest{Timeout: metav1.Duration{Duration: 45 * time.Second}}, ProgressDeadline: &metav1.Duration{Duration: 5 * time.Minute},
	}
	return rd
}

func TestGolden(t *testing.T) {
	t.Parallel()
	env := map[string][]byte{"DATABASE_URL": []byte("postgres://app:s3cr3t@db/rsolv")}
	for name, object := range map[string]*unstructured.Unstructured{
		"serviceaccount":      ServiceAccount(minimal()),
		"serviceaccount-full": ServiceAccount(full()),
		"cluster":             Cluster(withCluster(minimal())),
		"cluster-full": Cluster(withCluster(minimal(), func(c *v1alpha1.CloudNativePGCluster) {
			c.StorageClass, c.Image, c.DeletionPolicy = "fast", "ghcr.io/cloudnative-pg/postgresql:17.5", v1alpha1.DeletionDelete
		})),
		"httproute":               HTTPRoute(full()),
		"servicemonitor":          ServiceMonitor(full()),
		"networkpolicy":           NetworkPolicy(full()),
		"networkpolicy-open":      NetworkPolicy(withDefaultPolicy(minimal())),
		"service":                 Service(minimal()),
		"poddisruptionbudget":     PodDisruptionBudget(minimal()),
		"horizontalpodautoscaler": HorizontalPodAutoscaler(full()),
		"ingress":                 Ingress(full()),
		"ingress-plain":           Ingress(withIngress(minimal(), "rsolv.dev")),
		"configmap":               ConfigMap(minimal()),
		"configmap-host":          ConfigMap(full()),
		"env-secret":              EnvSecret(minimal(), environment.Secret, env),
		"hash-key-secret":         HashKeySecret(minimal(), []byte("0123456789abcdef0123456789abcdef")),
		"deployment":              Deployment(minimal(), environment),
		"deployment-full":         Deployment(full(), environment),
		"preflight":               PreflightJob(minimal(), environment, "0123456789ab"),
		"preflight-full":          PreflightJob(full(), environment, "0123456789ab"),
		"migration":               MigrationJob(minimal(), environment, "ba9876543210", "0123456789ab"),
		"migration-full":          MigrationJob(full(), environment, "ba9876543210", "0123456789ab"),
		"smoke-test":              SmokeTestJob(minimal(), environment, "0123456789ab", "http://10.96.0.7"),
		"smoke-test-full":         SmokeTestJob(full(), environment, "0123456789ab", "http://[fd00::7]"),
		"revision":                ControllerRevision(minimal(), RevisionOf(Deployment(minimal(), environment))),
		"service-offline":         Service(withoutUID(minimal())),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := yaml.Marshal(object.Object)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s differs (-want +got); run with -update if it should:\n%s", path, diff)
			}
		})
	}
}

func withIngress(rd *v1alpha1.RsolvDeployment, hosts ...string) *v1alpha1.RsolvDeployment {
	rd.Spec.Ingress = &v1alpha1.Ingress{Hosts: hosts}
	return rd
}

func withDefaultPolicy(rd *v1alpha1.RsolvDeployment) *v1alpha1.RsolvDeployment {
	rd.Spec.NetworkPolicy = &v1alpha1.NetworkPolicy{MetricsFrom: []string{"monitoring"}, ManagerNamespace: "rsolv-system"}
	return rd
}

func withoutUID(rd *v1alpha1.RsolvDeployment) *v1alpha1.RsolvDeployment {
	rd.UID = ""
	return rd
}

func TestLiveAndUndeclaredCoverTheOptionalKinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rd   *v1alpha1.RsolvDeployment
		live []schema.GroupVersionKind
		gone []schema.GroupVersionKind
	}{
		"minimal": {
			minimal(),
			[]schema.GroupVersionKind{ServiceKind, PodDisruptionBudgetKind},
			[]schema.GroupVersionKind{HorizontalPodAutoscalerKind, IngressKind, HTTPRouteKind, ServiceMonitorKind, NetworkPolicyKind},
		},
		"full": {
			full(),
			[]schema.GroupVersionKind{
				ServiceKind, PodDisruptionBudgetKind, HorizontalPodAutoscalerKind, IngressKind, HTTPRouteKind, ServiceMonitorKind, NetworkPolicyKind,
			},
			nil,
		},
	} {
		var live []schema.GroupVersionKind
		for _, object := range Live(test.rd) {
			live = append(live, object.GroupVersionKind())
		}
		if diff := cmp.Diff(test.live, live); diff != "" {
			t.Errorf("%s: live (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(test.gone, Undeclared(test.rd)); diff != "" {
			t.Errorf("%s: undeclared (-want +got):\n%s", name, diff)
		}
	}
}

func TestNamesFitIntoALabel(t *testing.T) {
	t.Parallel()
	rd := full()
	rd.Name = strings.Repeat("a", 40)
	env := Environment{ConfigMap: ConfigMapName(rd), Secret: EnvSecretName(rd.Name, []byte("key"), nil)}
	objects := append(Live(rd), ServiceAccount(rd), ConfigMap(rd), EnvSecret(rd, env.Secret, nil), HashKeySecret(rd, nil),
		Deployment(rd, env), PreflightJob(rd, env, AttemptHash(PreflightHash(rd, env), "1/0")),
		SmokeTestJob(rd, env, AttemptHash("rev", "1/0"), "http://10.96.0.7"), ControllerRevision(rd, RevisionOf(Deployment(rd, env))),
		MigrationJob(rd, env, "ba9876543210", AttemptHash(MigrationHash(rd, env), "2025-11-03T18:43:15Z")))
	for _, object := range objects {
		if len(object.GetName()) > 63 {
			t.Errorf("%s %s has %d characters", object.GetKind(), object.GetName(), len(object.GetName()))
		}
		if apps := AppNames(object.GetName()); apps[len(apps)-1] != rd.Name {
			t.Errorf("AppNames(%s) = %v, not the app", object.GetName(), apps)
		}
	}
	if len(render.FlagsName(rd.Name)) > 63 || AppNames(render.FlagsName("rsolv"))[1] != "rsolv" {
		t.Errorf("the flags ConfigMap %s is not recognised", render.FlagsName(rd.Name))
	}
}

func TestAppNamesKeepsOtherNamesWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rsolv", "rsolv-config-1", "rsolv-env", "-flags", "rsolv-migrate-0123456789abc"} {
		if diff := cmp.Diff([]string{name}, AppNames(name)); diff != "" {
			t.Errorf("AppNames(%s): %s", name, diff)
		}
	}
}

func TestNamesChangeWithTheirContent(t *testing.T) {
	t.Parallel()
	base, key := minimal(), []byte("one key")
	if ConfigMapName(base) == ConfigMapName(full()) {
		t.Error("two settings share a ConfigMap name")
	}
	env := map[string][]byte{"A": []byte("1"), "B": []byte("2")}
	name := EnvSecretName("rsolv", key, env)
	if name != EnvSecretName("rsolv", key, map[string][]byte{"B": []byte("2"), "A": []byte("1")}) {
		t.Error("the name depends on the order of the variables")
	}
	for what, other := range map[string]string{
		"value":    EnvSecretName("rsolv", key, map[string][]byte{"A": []byte("1"), "B": []byte("3")}),
		"boundary": EnvSecretName("rsolv", key, map[string][]byte{"A": []byte("12"), "B": nil}),
		"key":      EnvSecretName("rsolv", []byte("another key"), env),
	} {
		if other == name {
			t.Errorf("another %s makes the same name", what)
		}
	}
	newer := minimal()
	newer.Spec.Image = "ghcr.io/rsolv-dev/rsolv:v2"
	hash := MigrationHash(base, environment)
	for what, other := range map[string]string{
		"image":       MigrationHash(newer, environment),
		"environment": MigrationHash(base, Environment{ConfigMap: environment.ConfigMap, Secret: "rsolv-env-000000000000"}),
		"attempt":     AttemptHash(hash, "again"),
	} {
		if other == hash {
			t.Errorf("another %s makes the same migrations", what)
		}
	}
	if AttemptHash(hash, "") != hash {
		t.Error("the first attempt has a hash of its own")
	}
}

func TestTheTemplateKnowsNothingOfFlags(t *testing.T) {
	t.Parallel()
	rd := minimal()
	rd.Spec.Flags = &v1alpha1.FlagsPolicy{ReservedPrefixes: []string{"acme_"}}
	rd.Status.Flags = &v1alpha1.FlagsRecord{Count: 3, Digest: "sha256:0123456789abcdef"}
	if diff := cmp.Diff(Deployment(minimal(), environment), Deployment(rd, environment)); diff != "" {
		t.Errorf("flags change the Deployment, so a flip would roll pods:\n%s", diff)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for _, object := range []*unstructured.Unstructured{Deployment(minimal(), environment), MigrationJob(minimal(), environment, "ba9876543210", "0123456789ab")} {
		content, _, err := unstructured.NestedMap(object.Object, "spec", "template", "spec")
		if err != nil {
			t.Fatal(err)
		}
		var pod corev1.PodSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &pod); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{environment.ConfigMap, environment.Secret}, References(&pod)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", object.GetKind(), diff)
		}
	}
}

func TestIsEnvironment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		environment.ConfigMap: true, environment.Secret: true, HashKeyName("rsolv"): false, render.FlagsName("rsolv"): false,
	} {
		if got := IsEnvironment("rsolv", name); got != want {
			t.Errorf("IsEnvironment(%s) = %t", name, got)
		}
	}
}
