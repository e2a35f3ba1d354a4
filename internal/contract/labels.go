package contract

// Labels and annotations that the operator writes. Children never carry
// app.kubernetes.io/instance, which Argo CD claims for its own tracking.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// LabelDeployment carries the name of the RsolvDeployment that a child
	// belongs to.
	LabelDeployment = "rsolv.dev/deployment"
	// LabelMigration on a Job names the migrations that it runs, whichever
	// attempt at them it is.
	LabelMigration = "rsolv.dev/migration"
	// LabelBaseline carries the name of the AlertBaseline that a child
	// belongs to.
	LabelBaseline = "rsolv.dev/baseline"

	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "rsolv-operator"

	// AnnotationFlagsDigest on the flags ConfigMap names its content. On a pod
	// it is touched when the flags changed, so that the kubelet refreshes the
	// mounted ConfigMap at once instead of at its next periodic sync.
	AnnotationFlagsDigest = "rsolv.dev/flags-digest"
	// AnnotationFlagsNudgedAt is when AnnotationFlagsDigest was written, in
	// Unix milliseconds.
	AnnotationFlagsNudgedAt = "rsolv.dev/flags-nudged-at"
	// AnnotationFlagsSettled is the digest for which the second touch was
	// made: the first may reach a kubelet before the ConfigMap does.
	AnnotationFlagsSettled = "rsolv.dev/flags-settled"

	// AnnotationRevision on a Deployment names the revision that its pods have
	// or are getting.
	AnnotationRevision = "rsolv.dev/revision"

	// AnnotationReconcile asks for a reconcile now; any new value will do.
	AnnotationReconcile = "rsolv.dev/reconcile-requested-at"
	// AnnotationRetry asks to run again what failed and is not retried by
	// itself, such as a migration or a rejected revision; any new value will
	// do. What succeeded is not run again.
	AnnotationRetry = "rsolv.dev/retry-requested-at"
)

// ManagerLabels are those of the manager's pods.
var ManagerLabels = map[string]string{LabelName: "rsolv-operator", LabelComponent: "manager"}

// Components, the values of LabelComponent.
const (
	ComponentServer    = "server"
	ComponentPreflight = "preflight"
	ComponentMigration = "migration"
	ComponentSmokeTest = "smoke-test"
	ComponentConfig    = "config"
	ComponentDatabase  = "database"
	ComponentFlags     = "flags"
	ComponentAlerts    = "alerts"
	ComponentRouting   = "routing"
	ComponentDashboard = "dashboard"
)
