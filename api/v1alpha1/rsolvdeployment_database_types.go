package v1alpha1

// Database says where the connection URL is.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.cloudNativePG)",message="name one database: secretRef for a connection URL of your own, or cloudNativePG for a cluster of CloudNativePG"
type Database struct {
	// SecretRef is the secret key that holds the connection URL
	// (postgres://user:password@host:5432/name).
	//
	// +optional
	SecretRef SecretKeyReference `json:"secretRef,omitzero"`

	// CloudNativePG uses a Postgres cluster of the CloudNativePG operator, one
	// that is there or one that is made. The connection URL is read from the
	// secret that CloudNativePG makes for the app.
	//
	// +optional
	CloudNativePG *CloudNativePG `json:"cloudNativePG,omitempty"`

	// PoolSize is the number of connections that one pod may hold.
	//
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500
	PoolSize int32 `json:"poolSize,omitempty"`
}

// CloudNativePG says which cluster of CloudNativePG the app uses.
//
// +kubebuilder:validation:XValidation:rule="has(self.clusterRef) != has(self.create)",message="set one of the two: clusterRef for a Cluster that you make, or create for one that is made for the app"
type CloudNativePG struct {
	// ClusterRef names a Cluster in the same namespace that you make yourself,
	// with all that CloudNativePG can do. It is never changed.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.name.size() <= 50",message="CloudNativePG allows names of at most 50 characters"
	ClusterRef *LocalReference `json:"clusterRef,omitempty"`

	// Create makes a Cluster called <name>-db. To use what is not offered
	// here, such as backups, make a Cluster yourself and name it in
	// clusterRef.
	//
	// +optional
	Create *CloudNativePGCluster `json:"create,omitempty"`
}

// DeletionPolicy says what becomes of data when the object that declared it
// is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

const (
	// DeletionRetain keeps the data.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDelete deletes it.
	DeletionDelete DeletionPolicy = "Delete"
)

// CloudNativePGCluster declares a Cluster of CloudNativePG.
//
// +kubebuilder:validation:XValidation:rule="has(self.storageClass) == has(oldSelf.storageClass) && (!has(self.storageClass) || self.storageClass == oldSelf.storageClass)",message="the storage class of a database that exists cannot be changed: make a new Cluster, move the data, and name it in clusterRef"
type CloudNativePGCluster struct {
	// Instances of Postgres: one primary, and standbys that take over.
	//
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Instances int32 `json:"instances,omitempty"`

	// StorageSize of each instance, for example 20Gi. It can grow if the
	// storage class allows it, and never shrink.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="isQuantity(self) && quantity(self).compareTo(quantity('1Gi')) >= 0",message="write a size of at least 1Gi, such as 20Gi"
	// +kubebuilder:validation:XValidation:rule="!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0",message="a volume cannot shrink: put the size back, or make a new Cluster, move the data, and name it in clusterRef"
	StorageSize string `json:"storageSize"`

	// StorageClass of the volumes; the cluster's default when left out.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClass string `json:"storageClass,omitempty"`

	// Image of Postgres, for example
	// ghcr.io/cloudnative-pg/postgresql:17.5. CloudNativePG's default when
	// left out.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[a-z0-9][a-zA-Z0-9._/:@-]*$`
	Image string `json:"image,omitempty"`

	// Database is the name of the database, and of the user that owns it.
	//
	// +optional
	// +kubebuilder:default=rsolv
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the name of a database that exists cannot be changed: put it back"
	// +kubebuilder:validation:XValidation:rule="!(self in ['postgres', 'template0', 'template1', 'streaming_replica'])",message="this name belongs to Postgres itself: use another, such as rsolv"
	Database string `json:"database,omitempty"`

	// DeletionPolicy is Retain to keep the Cluster when this object is
	// deleted; declared again under the same name, the app finds its data.
	// Delete removes the Cluster, and with it all data.
	//
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}
