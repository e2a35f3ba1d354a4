//go:build unix

package syntax

import (
	"syscall"
	"time"
)

// CPU is the processor time that this process has used. Bounds are set in it, so
// that an answer does not depend on what else the machine does.
func CPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
