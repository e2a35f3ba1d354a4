package flags

import (
	"fmt"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Expires is the moment from which the flag counts as expired; ok is false
// when it never does or does not say so in a way that can be read.
func Expires(flag *v1alpha1.FeatureFlag) (at time.Time, ok bool) {
	if flag.Spec.Lifecycle == nil || flag.Spec.Lifecycle.ExpiresAt == "" {
		return time.Time{}, false
	}
	at, err := time.Parse(time.DateOnly, flag.Spec.Lifecycle.ExpiresAt)
	return at, err == nil
}

func checkLifecycle(flag *v1alpha1.FeatureFlag) flagd.Problems {
	lifecycle := flag.Spec.Lifecycle
	if _, ok := Expires(flag); ok || lifecycle == nil || lifecycle.ExpiresAt == "" {
		return nil
	}
	return flagd.Problems{{
		Field: "lifecycle.expiresAt", What: fmt.Sprintf("is %q, which is no day", lifecycle.ExpiresAt), Fix: `write one, for example "2026-03-01"`,
	}}
}
