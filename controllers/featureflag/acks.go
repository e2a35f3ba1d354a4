package featureflag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	// youngFor is how long a pod that became ready may be silent before it
	// counts: it starts with the newest file anyway.
	youngFor = 10 * time.Second
	// steadyFor is how long the same pods must serve before their number is
	// written into the statuses of flags that all of them run. A rolling
	// update changes it often, and nothing about the flags.
	steadyFor = 10 * time.Second
	// namesInMessage bounds how many pods a message names.
	namesInMessage = 3
)

// answer is what one pod that serves said.
type answer struct {
	pod    string
	status contract.FlagsStatus
	// err says why the pod could not be asked.
	err error
	// young pods have been ready for less than youngFor.
	young bool
}

// answers are those of all pods of an app, in the order of their names.
type answers []answer

// history knows what was in the files that were published lately, so that a
// pod with an older file counts for the flags that have not changed since. A
// manager that has just started knows the newest alone.
type history []edition

type edition struct {
	digest  string
	entries map[string]string
}

// historyLimit bounds how many editions are known.
const historyLimit = 8

// with adds an edition, the newest last.
func (h history) with(digest string, entries map[string]string) history {
	if len(h) > 0 && h[len(h)-1].digest == digest {
		return h
	}
	h = append(slices.Clone(h), edition{digest, entries})
	return h[max(0, len(h)-historyLimit):]
}

// same tells whether the file with a digest has the newest definition of a key.
func (h history) same(digest, key string) bool {
	newest := h[len(h)-1]
	if digest == newest.digest {
		return true
	}
	for _, old := range h {
		if old.digest == digest {
			entry, ok := old.entries[key]
			return ok && entry == newest.entries[key]
		}
	}
	return false
}

// propagation is how far a flag has got.
type propagation struct {
	verdict status.Verdict
	// acked is empty when no pod counts.
	acked string
	// complete tells that every pod has it.
	complete bool
}

// propagated judges how far what is published under a key has got.
func propagated(key string, all answers, h history) propagation {
	var have, total int
	var missing, refusing, silent []string
	for _, a := range all {
		switch {
		case a.err != nil && a.young:
			continue
		case a.err != nil:
			silent = append(silent, fmt.Sprintf("%s (%v)", a.pod, a.err))
		case h.same(a.status.Digest, key):
			have++
		case a.status.Error != "":
			refusing = append(refusing, fmt.Sprintf("%s (%s)", a.pod, a.status.Error))
		default:
			missing = append(missing, a.pod)
		}
		total++
	}
	if total == 0 {
		return propagation{verdict: status.Unknown(v1alpha1.ReasonNoPods, "no pod of the app is ready; pods start with what is published"), complete: true}
	}
	p := propagation{acked: fmt.Sprintf("%d/%d", have, total)}
	message := p.acked + " pods run what is published of this flag"
	switch {
	case have == total:
		p.verdict, p.complete = status.True(v1alpha1.ReasonSucceeded, message), true
	case len(refusing) > 0:
		p.verdict = status.False(v1alpha1.ReasonPodsRefuse, message+"; refused by "+list(refusing)+": the app's version may be too old for what the flags use")
	case len(missing) > 0:
		p.verdict = status.False(v1alpha1.ReasonWaitingForPods, message+"; not yet "+list(missing))
	default:
		p.verdict = status.Unknown(v1alpha1.ReasonPodsUnreachable, fmt.Sprintf(
			"%s; cannot be asked: %s: the manager must reach port %d of the pods", message, list(silent), contract.AdminPort))
	}
	return p
}

func list(names []string) string {
	if len(names) <= namesInMessage {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:namesInMessage], ", "), len(names)-namesInMessage)
}
