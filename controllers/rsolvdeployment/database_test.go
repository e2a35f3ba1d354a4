package rsolvdeployment

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

const clusterURL = "postgresql://rsolv:" + password + "@rsolv-db-rw.prod:5432/rsolv"

func withCluster(rd *v1alpha1.RsolvDeployment) {
	rd.Spec.Database.SecretRef = v1alpha1.SecretKeyReference{}
	rd.Spec.Database.CloudNativePG = &v1alpha1.CloudNativePG{Create: &v1alpha1.CloudNativePGCluster{StorageSize: "20Gi"}}
}

func withClusterRef(name string) func(*v1alpha1.RsolvDeployment) {
	return func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Database.SecretRef = v1alpha1.SecretKeyReference{}
		rd.Spec.Database.CloudNativePG = &v1alpha1.CloudNativePG{ClusterRef: &v1alpha1.LocalReference{Name: name}}
	}
}

func (f *fixture) deletionPolicy(policy v1alpha1.DeletionPolicy) {
	f.t.Helper()
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG.Create.DeletionPolicy = policy })
}

// foreignCluster is a Cluster that somebody else made.
func (f *fixture) foreignCluster(name string) *unstructured.Unstructured {
	f.t.Helper()
	cluster := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"instances": int64(1)}}}
	cluster.SetGroupVersionKind(workload.ClusterKind)
	cluster.SetNamespace(f.key.Namespace)
	cluster.SetName(name)
	f.must(f.client.Create(f.t.Context(), cluster))
	return cluster
}

func TestClusterIsMadeAndOutlivesTheApp(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(withCluster)
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	f.wantPhase(v1alpha1.PhaseHeld) // and waits: CloudNativePG makes the secret by itself
	message := f.want(v1alpha1.ConditionSecretsReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	if !strings.Contains(message, `secret "rsolv-db-app" does not exist yet: CloudNativePG makes it for the Cluster "rsolv-db"`) {
		t.Errorf("SecretsReady says %q", message)
	}
	made := f.object(workload.ClusterKind, "rsolv-db")
	if owners := made.GetOwnerReferences(); len(owners) != 0 {
		t.Fatalf("the data would be deleted with the app: %v", owners)
	}
	// What is declared is all that there is: nothing was dropped as unknown.
	strict := made.DeepCopy()
	strict.Object["spec"] = workload.Cluster(f.rd()).Object["spec"]
	strict.SetName("strict")
	strict.SetResourceVersion("")
	strict.SetManagedFields(nil)
	f.must(f.client.Create(t.Context(), strict, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))

	f.secret("rsolv-db-app", map[string]string{"uri": clusterURL, "password": password})
	f.ready()
	if got := string(f.env().Data["DATABASE_URL"]); got != clusterURL {
		t.Errorf("the pods are given another database: %d bytes", len(got))
	}
	before := f.object(workload.ClusterKind, "rsolv-db")
	sent := len(f.writes.List())
	f.reconcile()
	f.reconcile()
	if requests := f.writes.List()[sent:]; len(requests) != 0 {
		t.Errorf("a second reconcile sent %v", requests)
	}
	if after := f.object(workload.ClusterKind, "rsolv-db"); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("a second reconcile wrote the Cluster")
	}

	// Edited by hand, it is put right; grown, it grows.
	edited := before.DeepCopy()
	f.must(unstructured.SetNestedField(edited.Object, int64(1), "spec", "instances"))
	f.must(f.client.Update(t.Context(), edited))
	f.edit(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG.Create.StorageSize = "30Gi" })
	f.reconcile()
	f.wantCluster(3, before.GetUID())

	// Another database takes the rollout; the data stay.
	f.edit(func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Database = v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}}
	})
	f.ready()
	f.wantCluster(3, before.GetUID())

	// Deleted and declared again, the app finds its data.
	old := f.rd()
	f.must(f.client.Delete(t.Context(), old))
	f.collectGarbage(old.UID)
	f.wantCluster(3, before.GetUID())
	f.create(withCluster, func(rd *v1alpha1.RsolvDeployment) {
		rd.Spec.Database.CloudNativePG.Create.StorageSize = "30Gi"
		rd.Spec.Database.CloudNativePG.Create.Instances = 2
	})
	f.reconcile()
	f.wantCluster(2, before.GetUID())
	f.ready()
}

// wantCluster wants the Cluster that was made at first, grown to 30 GiB.
func (f *fixture) wantCluster(instances int64, uid types.UID) {
	f.t.Helper()
	cluster := f.object(workload.ClusterKind, "rsolv-db")
	gotSize, _, _ := unstructured.NestedString(cluster.Object, "spec", "storage", "size")
	gotInstances, _, _ := unstructured.NestedInt64(cluster.Object, "spec", "instances")
	if gotSize != "30Gi" || gotInstances != instances || cluster.GetUID() != uid {
		f.t.Errorf("the Cluster has %s, %d instances (same object: %t), want 30Gi and %d", gotSize, gotInstances, cluster.GetUID() == uid, instances)
	}
}

// TestDeletionPolicy: the owner reference, by which the garbage collector
// works, comes and goes with the policy.
func TestDeletionPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(withCluster)
	f.secret("rsolv-db-app", map[string]string{"uri": clusterURL})
	f.ready()
	for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.DeletionDelete, v1alpha1.DeletionRetain, v1alpha1.DeletionDelete} {
		f.deletionPolicy(policy)
		f.reconcile()
		f.wantPhase(v1alpha1.PhaseReady) // no rollout
		cluster := f.object(workload.ClusterKind, "rsolv-db")
		if owned := metav1.IsControlledBy(cluster, f.rd()); owned != (policy == v1alpha1.DeletionDelete) {
			t.Errorf("with %s the Cluster is owned: %t", policy, owned)
		}
		if len(cluster.GetFinalizers()) != 0 {
			t.Errorf("finalizers: %v", cluster.GetFinalizers())
		}
	}
}

func TestForeignClusterIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(withCluster)
	before := f.foreignCluster("rsolv-db")
	f.reconcile()
	f.wantReady(metav1.ConditionFalse, v1alpha1.ReasonOwnershipConflict)
	message := f.want(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonOwnershipConflict)
	if !strings.Contains(message, "clusterRef: {name: rsolv-db}") || strings.Contains(message, "delete") {
		t.Errorf("Stalled says %q", message)
	}
	if after := f.object(workload.ClusterKind, "rsolv-db"); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("it was written")
	}
	// As the message says:
	f.secret("rsolv-db-app", map[string]string{"uri": clusterURL})
	f.edit(withClusterRef("rsolv-db"))
	f.ready()
	if after := f.object(workload.ClusterKind, "rsolv-db"); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("what is only referred to was written")
	}
}

func TestClusterRefIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(withClusterRef("main"))
	f.manage()
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonDatabaseNotFound)
	f.eventually(func(rd *v1alpha1.RsolvDeployment) bool {
		return apimeta.IsStatusConditionTrue(rd.Status.Conditions, v1alpha1.ConditionReconciling)
	})
	f.foreignCluster("main") // its coming is watched
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
	f.secret("main-app", map[string]string{"uri": clusterURL})
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// TestWithoutCloudNativePGTheRolloutWaits must not run beside others: the CRD
// is one for all of them.
func TestWithoutCloudNativePGTheRolloutWaits(t *testing.T) {
	f := newFixture(t)
	crd := f.crd("clusters.postgresql.cnpg.io")
	f.remove(crd)
	f.secrets().create(withCluster)
	f.secret("rsolv-db-app", map[string]string{"uri": clusterURL})
	f.manage()
	testenv.SimulateKubelet(t, f.key.Namespace)
	f.soon(metav1.ConditionFalse, v1alpha1.ReasonCRDsMissing)
	condition := apimeta.FindStatusCondition(f.rd().Status.Conditions, v1alpha1.ConditionSecretsReady)
	if condition.Reason != v1alpha1.ReasonCRDsMissing || !strings.Contains(condition.Message, "install the CustomResourceDefinitions of CloudNativePG") {
		t.Errorf("SecretsReady: %+v", condition)
	}
	if err := f.client.Get(t.Context(), f.key, &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
		t.Errorf("there are pods without a database (%v)", err)
	}
	f.install(crd)
	f.soon(metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	f.object(workload.ClusterKind, "rsolv-db")
}

func TestDatabaseAdmission(t *testing.T) {
	t.Parallel()
	f := newFixture(t).secrets().create(withCluster)
	for name, change := range map[string]func(*v1alpha1.RsolvDeployment){
		"shrinks": func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG.Create.StorageSize = "10Gi" },
		"renamed": func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG.Create.Database = "other" },
		"another storage class": func(rd *v1alpha1.RsolvDeployment) {
			rd.Spec.Database.CloudNativePG.Create.StorageClass = "fast"
		},
		"two databases": func(rd *v1alpha1.RsolvDeployment) {
			rd.Spec.Database.SecretRef = v1alpha1.SecretKeyReference{Name: "a", Key: "b"}
		},
		"no database": func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG = nil },
		"made and referred to": func(rd *v1alpha1.RsolvDeployment) {
			rd.Spec.Database.CloudNativePG.ClusterRef = &v1alpha1.LocalReference{Name: "main"}
		},
	} {
		rd := f.rd()
		change(rd)
		if err := f.client.Update(t.Context(), rd); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*v1alpha1.RsolvDeployment){
		"grows": func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Database.CloudNativePG.Create.StorageSize = "0.5Ti" },
		"another policy": func(rd *v1alpha1.RsolvDeployment) {
			rd.Spec.Database.CloudNativePG.Create.DeletionPolicy = v1alpha1.DeletionDelete
		},
		"referred to now": withClusterRef("rsolv-db"),
	} {
		rd := f.rd()
		change(rd)
		if err := f.client.Update(t.Context(), rd, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
