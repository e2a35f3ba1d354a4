package featureflag

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	// firstLook and lastLook bound the wait for pods that have not
	// acknowledged: it grows with the time that they take.
	firstLook = 100 * time.Millisecond
	lastLook  = 30 * time.Second
)

// observation is what was last seen of an app's pods. It is no state: without
// it the pods are asked.
type observation struct {
	history history
	// missing is since when some pod lacks something; zero when none does.
	missing time.Time
	// members are the pods that serve, and since is from when on.
	members string
	since   time.Time
	// use is what was last sampled of the flags' use.
	use sample
}

// observations are those of all apps.
type observations struct {
	mu    sync.Mutex
	known map[types.NamespacedName]observation
}

func (o *observations) get(key types.NamespacedName) observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known[key]
}

func (o *observations) set(key types.NamespacedName, seen observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[types.NamespacedName]observation{}
	}
	o.known[key] = seen
}

func (o *observations) forget(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known, key)
}

// follow hurries the flags to the pods and learns which of them have what. It
// returns when to look again, 0 for never.
func (r *Reconciler) follow(ctx context.Context, s *scope) (time.Duration, error) {
	if err := r.readPods(ctx, s); err != nil {
		return 0, err
	}
	s.seen = r.observed.get(s.key)
	s.seen.history = s.seen.history.with(s.plan.Digest, s.plan.Entries)
	now := r.Clock()
	if members := membership(s.pods); members != s.seen.members || s.seen.since.IsZero() {
		s.seen.members, s.seen.since = members, now
	}
	// Pods that have not been told yet are told before anybody is asked. What
	// pods said earlier is worth nothing now: flags that are back to what they
	// were have the digest of then.
	var wait time.Duration
	var err error
	told := slices.ContainsFunc(s.pods, untold(s.plan.Digest, s.published.since))
	if told {
		wait, err = r.nudge(ctx, s)
	}
	s.answers = r.ask(ctx, s.pods)
	if !told {
		wait, err = r.nudge(ctx, s)
	}
	wait = earliest(wait, s.stillMissing(now))
	wait = earliest(wait, r.sampleUse(ctx, s, now))
	r.observed.set(s.key, s.seen)
	return wait, err
}

// untold finds the pods that get their first nudge now.
func untold(digest string, since time.Time) func(corev1.Pod) bool {
	return func(pod corev1.Pod) bool {
		touch, _ := touchFor(&pod, digest, since, time.Time{}, false)
		return touch[contract.AnnotationFlagsDigest] != ""
	}
}

// stillMissing is when to ask again because a pod lacks something.
func (s *scope) stillMissing(now time.Time) time.Duration {
	complete := !slices.ContainsFunc(s.answers, func(a answer) bool { return a.err != nil || a.status.Digest != s.plan.Digest })
	if complete {
		s.seen.missing = time.Time{}
		return 0
	}
	if s.seen.missing.IsZero() {
		s.seen.missing = now
	}
	return min(max(now.Sub(s.seen.missing)/2, firstLook), lastLook)
}
