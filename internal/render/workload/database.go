package workload

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// clusterURIKey is where CloudNativePG puts the connection URL in the secret
// that it makes for the application.
const clusterURIKey = "uri"

// ClusterName is the Cluster of CloudNativePG that the app uses, empty for a
// database of another kind.
func ClusterName(rd *v1alpha1.RsolvDeployment) string {
	cnpg := rd.Spec.Database.CloudNativePG
	switch {
	case cnpg == nil:
		return ""
	case cnpg.ClusterRef != nil:
		return cnpg.ClusterRef.Name
	default:
		return rd.Name + "-db"
	}
}

// DatabaseSecret is where the connection URL is: in the declared secret, or in
// the one that CloudNativePG makes for the application of a Cluster.
func DatabaseSecret(rd *v1alpha1.RsolvDeployment) v1alpha1.SecretKeyReference {
	if cluster := ClusterName(rd); cluster != "" {
		return v1alpha1.SecretKeyReference{Name: cluster + "-app", Key: clusterURIKey}
	}
	return rd.Spec.Database.SecretRef
}

// Cluster is the database cluster to make, nil when none is. It has an owner,
// and so is deleted with the app, only if that is asked for in as many words:
// everybody else's data outlives the app. Whose it is, its labels tell.
func Cluster(rd *v1alpha1.RsolvDeployment) *unstructured.Unstructured {
	cnpg := rd.Spec.Database.CloudNativePG
	if cnpg == nil || cnpg.Create == nil {
		return nil
	}
	declared := cnpg.Create
	metadata := meta(rd, ClusterName(rd), contract.ComponentDatabase)
	if declared.DeletionPolicy != v1alpha1.DeletionDelete {
		metadata.OwnerReferences = nil
	}
	storage := map[string]any{"size": declared.StorageSize}
	if declared.StorageClass != "" {
		storage["storageClass"] = declared.StorageClass
	}
	spec := map[string]any{
		"instances": declared.Instances,
		"storage":   storage,
		"bootstrap": map[string]any{"initdb": map[string]any{"database": declared.Database, "owner": declared.Database}},
	}
	if declared.Image != "" {
		spec["imageName"] = declared.Image
	}
	return render.Object(map[string]any{
		"apiVersion": ClusterKind.GroupVersion().String(),
		"kind":       ClusterKind.Kind,
		"metadata":   metadata,
		"spec":       spec,
	})
}
