//go:build race

package worker

// raced tells that the race detector watches, which takes several times the
// memory and the time of what it watches.
const raced = true
