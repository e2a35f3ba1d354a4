package worker

import "syscall"

// limitData limits what this process may map to write: Go's heap, C's heap and
// stacks. Address space would be the wrong measure, because Go reserves far
// more of it than it uses.
func limitData(bytes uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes}) //nolint:wrapcheck // the caller says what it was
}
