package v1alpha1

// Condition types shared by the three kinds, as kstatus reads them.
const (
	// ConditionReady summarises the others: true when all that the object
	// declares is in place and serving.
	ConditionReady = "Ready"
	// ConditionReconciling is present, and true, only while the controller is
	// still working towards the spec.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present, and true, only when nothing will move until
	// somebody changes something; its message says what.
	ConditionStalled = "Stalled"
)

// Condition types of RsolvDeployment, in the order of a rollout.
const (
	// ConditionSecretsReady: every referenced secret key exists, is not empty
	// and is no placeholder.
	ConditionSecretsReady = "SecretsReady"
	// ConditionPreflightPassed: the image, started with the variables and files
	// that its pods will have, found nothing amiss.
	ConditionPreflightPassed = "PreflightPassed"
	// ConditionFlagsReady: every flag that the image needs is published, with
	// the type that the image expects.
	ConditionFlagsReady = "FlagsReady"
	// ConditionMigrationsComplete: the migrations of this image have run.
	ConditionMigrationsComplete = "MigrationsComplete"
	// ConditionAvailable: the desired number of pods runs this revision and
	// answers.
	ConditionAvailable = "Available"
	// ConditionSmokeTestPassed: a first customer of this revision was walked
	// through signup, key and calls.
	ConditionSmokeTestPassed = "SmokeTestPassed"
	// ConditionGatePassed: the critical bounds of the gate's baseline held over
	// the pods of this revision.
	ConditionGatePassed = "GatePassed"
	// ConditionRolledBack is present, and true, only while the declared
	// revision is rejected and the pods run the last good one.
	ConditionRolledBack = "RolledBack"
	// ConditionImagePinned: the pods run the image by its digest, so that a tag
	// that is moved in the registry changes nothing. It is no step of a
	// rollout.
	ConditionImagePinned = "ImagePinned"
)

// Condition types of FeatureFlag.
const (
	// ConditionValid: the definition can be evaluated, and its key is free.
	ConditionValid = "Valid"
	// ConditionPublished: this definition is in the app's flags ConfigMap.
	ConditionPublished = "Published"
	// ConditionCatalogMatched: the app knows the flag by this key and type.
	ConditionCatalogMatched = "CatalogMatched"
	// ConditionPropagated: every pod that serves runs what is published of this
	// flag. It never makes a flag unready.
	ConditionPropagated = "Propagated"
	// ConditionStale is present, and true, only while somebody should remove
	// the flag from the app's code, and then this object. It never makes a
	// flag unready.
	ConditionStale = "Stale"
)

// Condition types of AlertBaseline.
const (
	// ConditionRulesApplied: the PrometheusRule holds every threshold.
	ConditionRulesApplied = "RulesApplied"
	// ConditionDashboardApplied: the dashboard ConfigMap is in place.
	ConditionDashboardApplied = "DashboardApplied"
	// ConditionRulesLoaded: the Prometheus of spec.prometheus runs the rules as
	// they are here. It says nothing about Ready.
	ConditionRulesLoaded = "RulesLoaded"
	// ConditionMetricsPresent: that Prometheus has the series that the
	// thresholds read. It says nothing about Ready.
	ConditionMetricsPresent = "MetricsPresent"
	// ConditionWithinBaseline: no warning, no critical alert and none for
	// missing metrics fires. It says nothing about Ready.
	ConditionWithinBaseline = "WithinBaseline"
	// ConditionRoutingApplied: the routes and receivers are in place, and every
	// secret that they refer to exists. Present only with spec.routing.
	ConditionRoutingApplied = "RoutingApplied"
	// ConditionRoutingLoaded: the Alertmanager of spec.alertmanager runs these
	// routes. Present only with spec.routing. It says nothing about Ready.
	ConditionRoutingLoaded = "RoutingLoaded"
)

// Reasons shared by the three kinds.
const (
	ReasonSucceeded         = "Succeeded"
	ReasonProgressing       = "Progressing"
	ReasonNotEvaluated      = "NotEvaluated"
	ReasonOwnershipConflict = "OwnershipConflict"
	// ReasonAwaitingDeletion: the child of a deleted object of this kind and
	// name has not been garbage-collected yet.
	ReasonAwaitingDeletion  = "AwaitingDeletion"
	ReasonDeploymentMissing = "DeploymentNotFound"
	ReasonInvalidSpec       = "InvalidSpec"
	ReasonPartiallyApplied  = "PartiallyApplied"
	ReasonApplyRejected     = "ApplyRejected"
	ReasonCRDsMissing       = "CRDsMissing"
)

// Reasons of RsolvDeployment.
const (
	ReasonSecretNotFound    = "SecretNotFound"
	ReasonSecretKeyMissing  = "SecretKeyMissing"
	ReasonSecretKeyEmpty    = "SecretKeyEmpty"
	ReasonSecretPlaceholder = "SecretPlaceholder"
	ReasonSecretInvalid     = "SecretInvalid"
	ReasonDatabaseNotFound  = "DatabaseNotFound"
	ReasonPreflightRunning  = "PreflightRunning"
	ReasonPreflightFailed   = "PreflightFailed"
	ReasonFlagMissing       = "FlagMissing"
	ReasonFlagMismatch      = "FlagTypeMismatch"
	ReasonFlagDeleted       = "DeletedFlagStillNeeded"
	ReasonNoDigest          = "NoRepositoryDigest"
	ReasonMigrationRunning  = "MigrationRunning"
	ReasonMigrationFailed   = "MigrationFailed"
	ReasonRollingOut        = "RollingOut"
	ReasonDeadlineExceeded  = "ProgressDeadlineExceeded"
	ReasonPodsUnavailable   = "PodsUnavailable"
	ReasonDependencyDown    = "DependencyDown"
	ReasonSmokeTestRunning  = "SmokeTestRunning"
	ReasonSmokeTestFailed   = "SmokeTestFailed"
	ReasonGateRunning       = "GateRunning"
	ReasonGateBreached      = "ThresholdBreached"
	ReasonGateNoData        = "NoData"
	ReasonBaselineMissing   = "AlertBaselineNotFound"
	ReasonNoPrometheus      = "PrometheusNotDeclared"
	ReasonPrometheusAway    = "PrometheusUnreachable"
	ReasonRolledBack        = "RevisionRejected"
	ReasonSuspended         = "Suspended"
)

// Reasons of FeatureFlag.
const (
	ReasonDuplicateKey      = "DuplicateKey"
	ReasonReservedPrefix    = "ReservedPrefix"
	ReasonInvalidDefinition = "InvalidDefinition"
	ReasonLastGoodPublished = "LastGoodPublished"
	ReasonTooLarge          = "FlagsTooLarge"
	ReasonExpired           = "Expired"
	// ReasonNeverEvaluated and ReasonFullyRolledOut are about what the pods
	// report of the flag's use.
	ReasonNeverEvaluated = "NeverEvaluated"
	ReasonFullyRolledOut = "FullyRolledOut"
	// ReasonUnknownFlag is that of events: pods are asked for a flag that does
	// not exist.
	ReasonUnknownFlag = "UnknownFlag"
	// ReasonUnknownToApp: no image of the app knows a flag of this key.
	ReasonUnknownToApp = "UnknownToApp"
	// ReasonTypeMismatch: the app asks for the flag as one of another type.
	ReasonTypeMismatch = "TypeMismatch"
	// ReasonCatalogUnavailable: no image has said which flags it knows.
	ReasonCatalogUnavailable = "CatalogUnavailable"
	ReasonNotPublished       = "NotPublished"
	ReasonWaitingForPods     = "WaitingForPods"
	ReasonPodsRefuse         = "PodsRefuseFlags"
	ReasonPodsUnreachable    = "PodsUnreachable"
	ReasonNoPods             = "NoPods"
)

// Reasons of AlertBaseline.
const (
	ReasonInvalidThreshold  = "InvalidThreshold"
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonNotConfigured: the spec does not say where to ask.
	ReasonNotConfigured = "NotConfigured"
	// ReasonPrometheusUnreachable: Prometheus does not answer, or refuses.
	ReasonPrometheusUnreachable = "PrometheusUnreachable"
	// ReasonNotSelected: the Prometheus object selects other rules than these.
	ReasonNotSelected = "NotSelected"
	// ReasonNotRunning: Prometheus does not have the rules, for a reason that
	// cannot be seen from here.
	ReasonNotRunning = "NotRunning"
	// ReasonOutdated: Prometheus still runs rules from before a change.
	ReasonOutdated = "Outdated"
	// ReasonEvaluationFailed: Prometheus has the rules, and cannot evaluate one.
	ReasonEvaluationFailed = "EvaluationFailed"
	// ReasonSeriesMissing: Prometheus does not have a series that is read.
	ReasonSeriesMissing = "SeriesMissing"
	// ReasonBetweenBuckets: a bound lies between two buckets of a histogram.
	ReasonBetweenBuckets = "BetweenBuckets"
	// ReasonOutsideBaseline: an alert fires.
	ReasonOutsideBaseline = "OutsideBaseline"
	// ReasonSecretMissing: a secret that the routing refers to is not there.
	ReasonSecretMissing = "SecretMissing"
	// ReasonNotLoaded: Alertmanager runs without these routes, or with others.
	ReasonNotLoaded = "NotLoaded"
	// ReasonAlertmanagerUnreachable: Alertmanager's API does not answer.
	ReasonAlertmanagerUnreachable = "AlertmanagerUnreachable"
)

// Phases of a RsolvDeployment, the Phase column.
const (
	PhasePending   = "Pending"
	PhaseHeld      = "Held"
	PhaseChecking  = "Checking"
	PhaseMigrating = "Migrating"
	PhaseRolling   = "RollingOut"
	PhaseTesting   = "SmokeTesting"
	PhaseGating    = "Gating"
	PhaseSuspended = "Suspended"
	PhaseReady     = "Ready"
	PhaseDegraded  = "Degraded"
	PhaseReverted  = "RolledBack"
	PhaseFailed    = "Failed"
)
