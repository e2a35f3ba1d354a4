package contract

import "encoding/json"

// Further subcommands of the app that the operator runs as Jobs.
const (
	CommandPreflight = "preflight"
	CommandSmokeTest = "smoke-test"
)

// EnvSmokeTestURL is where `app smoke-test` finds the app: the base URL of its
// Service.
const EnvSmokeTestURL = "SMOKE_TEST_URL"

// Checks that `app preflight` makes, in this order.
const (
	CheckConfiguration = "Configuration"
	CheckSecrets       = "Secrets"
	CheckDatabase      = "Database"
	CheckSchema        = "Schema"
	CheckFlags         = "Flags"
)

// Report is what a one-shot subcommand (preflight, migrate, smoke-test) leaves
// in the termination log, as JSON of at most TerminationLogLimit bytes. Its
// messages are redacted by the app: no value of a secret is in them.
type Report struct {
	// Command that made the report.
	Command string `json:"command"`
	// Version of the app.
	Version string `json:"version"`
	// Problems, all of them at once; none means success.
	Problems []Problem `json:"problems,omitempty"`
	// Truncated is how many problems did not fit.
	Truncated int `json:"truncated,omitempty"`
	// CatalogDigest identifies the catalogue of known flags that a preflight
	// printed as CatalogLine.
	CatalogDigest string `json:"catalogDigest,omitempty"`
	// SchemaVersion is the database's, and SchemaWanted the one this version
	// of the app was built for; both 0 when the database was not reached.
	SchemaVersion int64 `json:"schemaVersion,omitempty"`
	SchemaWanted  int64 `json:"schemaWanted,omitempty"`
}

// Problem is one thing that keeps a version from serving.
type Problem struct {
	// Check that found it.
	Check string `json:"check"`
	// Message says what is wrong and what to do.
	Message string `json:"message"`
}

// CatalogFlag is one flag that an image knows.
type CatalogFlag struct {
	Key string `json:"key"`
	// Type is Boolean, String, Number or Object.
	Type string `json:"type"`
	// Required flags are asked for by this version's code; others are known
	// and may be declared, but a rollout does not wait for them.
	Required bool `json:"required,omitempty"`
}

// CatalogLine begins the line of a preflight's standard output that holds the
// catalogue, as a JSON array of CatalogFlag. It goes to the log because the
// termination log has no room for it.
const CatalogLine = "catalog: "

// EncodeReport marshals a report within limit bytes: problems that do not fit
// are left out from the end and counted in Truncated.
func EncodeReport(report Report, limit int) []byte {
	for {
		raw, err := json.Marshal(report)
		if err != nil {
			panic("contract: a report does not marshal: " + err.Error()) // strings and numbers always do
		}
		if len(raw) <= limit || len(report.Problems) == 0 {
			return raw
		}
		report.Problems = report.Problems[:len(report.Problems)-1]
		report.Truncated++
	}
}
