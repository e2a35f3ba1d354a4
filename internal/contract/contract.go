// Package contract holds what the operator and the app it manages must agree
// on: environment variables, ports, paths, labels and the shape of the flags
// file. Both binaries are built from it, so that neither can drift from the
// other. It imports the standard library alone; keep it small.
package contract

// Ports of the app's two listeners. The admin listener is for the cluster
// (probes, metrics) and never stands behind an Ingress.
const (
	PublicPort = 8080
	AdminPort  = 9090

	PublicPortName = "http"
	AdminPortName  = "admin"

	// ServicePort is what clients inside the cluster dial.
	ServicePort = 80
)

// Paths on the admin listener.
const (
	// LivePath answers 200 as long as the process can answer at all. It never
	// asks the database: a database outage must restart nothing.
	LivePath = "/livez"
	// ReadyPath answers 200 after the first successful database and schema
	// check, and 503 before it, while draining, and while the spool is full.
	ReadyPath = "/readyz"
	// MetricsPath serves the Prometheus exposition.
	MetricsPath = "/metrics"
	// FlagsStatusPath reports the digest of the flags snapshot in use, as
	// FlagsStatus in JSON.
	FlagsStatusPath = "/flags/status"
)

// Environment variables that the operator sets and the app reads.
const (
	EnvDatabaseURL  = "DATABASE_URL"
	EnvPoolSize     = "POOL_SIZE"
	EnvPublicHost   = "PUBLIC_HOST"
	EnvFlagsDir     = "RSOLV_FLAGS_DIR"
	EnvPodName      = "POD_NAME"
	EnvPodNamespace = "POD_NAMESPACE"
	// EnvTrustedProxies is a comma-separated list of CIDRs whose
	// X-Forwarded-For the app believes.
	EnvTrustedProxies = "TRUSTED_PROXIES"
	// EnvPublicFlags is a comma-separated list of the keys of the flags that
	// browsers may evaluate without an API key.
	EnvPublicFlags = "PUBLIC_FLAGS"
	// EnvFlagSamples is "off" where nothing is to be kept of those whom flags
	// are evaluated for.
	EnvFlagSamples = "FLAG_SAMPLES"
	// EnvCORSOrigins is a comma-separated list of the origins whose pages may
	// call what browsers call.
	EnvCORSOrigins = "CORS_ORIGINS"
	// EnvSpoolDir is the folder in which events wait for the database, one for
	// each process; SpoolDir when that exists and the variable is unset.
	EnvSpoolDir = "SPOOL_DIR"
	// EnvSpoolMaxBytes bounds that folder; SpoolMaxBytes when unset.
	EnvSpoolMaxBytes = "SPOOL_MAX_BYTES"
	// EnvNATSURL names a NATS cluster with JetStream that takes the place of
	// the folder, EnvNATSReplicas how many of its servers keep each event.
	EnvNATSURL      = "NATS_URL"
	EnvNATSReplicas = "NATS_REPLICAS"
	// EnvRequestsPerMinute is how many authenticated requests one customer may
	// make in a minute, over all pods.
	EnvRequestsPerMinute = "REQUESTS_PER_MINUTE"
	// EnvFunnelMonths is how many whole months of events are kept; 0 for all.
	EnvFunnelMonths = "FUNNEL_MONTHS"
	// EnvVisitorIDs is how the app's own pages tell visitors apart: daily, local
	// or cookie.
	EnvVisitorIDs = "VISITOR_IDS"
)

// Subcommands of the app that the operator runs.
const (
	CommandServe   = "serve"
	CommandMigrate = "migrate"
)

// Exit codes of the app's one-shot subcommands. ExitUsage means that running
// the same command again cannot help.
const (
	ExitFailed = 1
	ExitUsage  = 2
)

// TerminationLogPath and TerminationLogLimit bound the message that a one-shot
// subcommand leaves for its condition. The kubelet keeps only the last 4,096
// bytes; the margin leaves room for a truncation note.
const (
	TerminationLogPath  = "/dev/termination-log"
	TerminationLogLimit = 4000
)

// DrainSeconds is how long a terminating pod keeps answering before it is told
// to end, so that every Service endpoint list has forgotten it: the preStop hook
// waits for it, the app does not. TerminationGraceSeconds bounds the hook and
// the app's shutdown together.
const (
	DrainSeconds            = 5
	TerminationGraceSeconds = 60
)

// FlagsDir is where the flags ConfigMap is mounted, FlagsFile the name of the
// file in it. The kubelet replaces the whole directory by a symlink swap:
// watch the directory, not the file.
const (
	FlagsDir  = "/etc/rsolv/flags"
	FlagsFile = "flags.json"
)

// SpoolDir is where each pod of the app has a volume of its own for events that
// wait for the database. It takes SpoolMaxBytes of events, and the room that the
// volume has beyond that, half as much again, is for files that are not removed
// yet. The volume lives as long as the pod.
const (
	SpoolDir         = "/var/lib/rsolv/spool"
	SpoolMaxBytes    = 256 << 20
	SpoolVolumeBytes = SpoolMaxBytes + SpoolMaxBytes/2
)

// FlagsStatus is the body of FlagsStatusPath: which flags this pod runs.
type FlagsStatus struct {
	// Digest of the flags file as FlagsDigest gives it; empty before the
	// first good file.
	Digest string `json:"digest"`
	// Flags is the number of flags in the snapshot.
	Flags int `json:"flags"`
	// Error says why the newest file was refused; the snapshot that Digest
	// names keeps serving. Empty when the newest file is the one in use.
	Error string `json:"error,omitempty"`
}
