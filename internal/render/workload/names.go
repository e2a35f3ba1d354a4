package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// hashDigits is the length of the hashes in names. With the longest app name,
// 40 characters, the longest child name has the 63 that a label may have.
const hashDigits = 12

// HashKeyName is the Secret with the random key of EnvSecretName.
func HashKeyName(app string) string { return app + "-hash-key" }

// derived matches the names of the children that have more than the app's name.
var derived = regexp.MustCompile(`^(.+?)-(?:(?:config|env|preflight|migrate|smoke|rev)-[0-9a-f]{12}|hash-key|flags)$`)

// AppNames lists the apps that an object of this name could be a child of.
func AppNames(object string) []string {
	names := []string{object}
	if match := derived.FindStringSubmatch(object); match != nil {
		names = append(names, match[1])
	}
	return names
}

// IsEnvironment tells whether an object of this name is one of the immutable
// copies, current or old, of the app's environment: a ConfigMap as ConfigMap
// builds it, or a Secret as EnvSecret does.
func IsEnvironment(app, object string) bool {
	return strings.HasPrefix(object, app+"-config-") || strings.HasPrefix(object, app+"-env-")
}

// TemplateHash names what the pods of a Deployment are made from, as the API
// server has it.
func TemplateHash(template *corev1.PodTemplateSpec) string { return shortHash(template) }

// shortHash digests values that marshal to JSON in one way only: strings, maps
// and slices of them, and the API's types.
func shortHash(values ...any) string {
	raw, err := json.Marshal(values)
	if err != nil {
		panic(fmt.Sprintf("workload: hashing %T: %v", values, err)) // a fault in the program
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])[:hashDigits]
}
