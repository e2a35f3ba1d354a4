package workload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// withCluster declares a Cluster as the schema fills it in.
func withCluster(rd *v1alpha1.RsolvDeployment, change ...func(*v1alpha1.CloudNativePGCluster)) *v1alpha1.RsolvDeployment {
	create := &v1alpha1.CloudNativePGCluster{Instances: 3, StorageSize: "20Gi", Database: "rsolv", DeletionPolicy: v1alpha1.DeletionRetain}
	for _, each := range change {
		each(create)
	}
	rd.Spec.Database.SecretRef = v1alpha1.SecretKeyReference{}
	rd.Spec.Database.CloudNativePG = &v1alpha1.CloudNativePG{Create: create}
	return rd
}

func TestDatabaseSecret(t *testing.T) {
	t.Parallel()
	referred := minimal()
	referred.Spec.Database.CloudNativePG = &v1alpha1.CloudNativePG{ClusterRef: &v1alpha1.LocalReference{Name: "main"}}
	for name, test := range map[string]struct {
		rd      *v1alpha1.RsolvDeployment
		cluster string
		want    v1alpha1.SecretKeyReference
		made    bool
	}{
		"a secret":    {minimal(), "", v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}, false},
		"a cluster":   {referred, "main", v1alpha1.SecretKeyReference{Name: "main-app", Key: "uri"}, false},
		"one to make": {withCluster(minimal()), "rsolv-db", v1alpha1.SecretKeyReference{Name: "rsolv-db-app", Key: "uri"}, true},
	} {
		if got := ClusterName(test.rd); got != test.cluster {
			t.Errorf("%s: the cluster is %q, want %q", name, got, test.cluster)
		}
		if diff := cmp.Diff(test.want, DatabaseSecret(test.rd)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if made := Cluster(test.rd) != nil; made != test.made {
			t.Errorf("%s: a Cluster is made: %t, want %t", name, made, test.made)
		}
	}
}

// TestDataHasAnOwnerOnlyOnRequest: what has an owner is deleted with it.
func TestDataHasAnOwnerOnlyOnRequest(t *testing.T) {
	t.Parallel()
	for policy, owners := range map[v1alpha1.DeletionPolicy]int{v1alpha1.DeletionRetain: 0, "": 0, v1alpha1.DeletionDelete: 1} {
		cluster := Cluster(withCluster(minimal(), func(c *v1alpha1.CloudNativePGCluster) { c.DeletionPolicy = policy }))
		if got := len(cluster.GetOwnerReferences()); got != owners {
			t.Errorf("with policy %q the Cluster has %d owners, want %d", policy, got, owners)
		}
	}
}

func TestMissingClusterSecretSaysWhoMakesIt(t *testing.T) {
	t.Parallel()
	_, problems := CheckSecrets(withCluster(minimal()), nil)
	if len(problems) != 1 || problems[0].Reason != v1alpha1.ReasonSecretNotFound ||
		!strings.Contains(problems[0].Message, `CloudNativePG makes it for the Cluster "rsolv-db"`) || strings.Contains(problems[0].Message, "create secret") {
		t.Errorf("problems: %v", problems)
	}
}
