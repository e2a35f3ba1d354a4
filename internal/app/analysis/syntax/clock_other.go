//go:build !unix

package syntax

import "time"

var started = time.Now() //nolint:forbidigo // the process's own age, for want of its processor time

// CPU is the time since the process began.
func CPU() time.Duration { return time.Since(started) }
