package featureflag

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

const (
	// sampleEvery is how often pods are asked what they were asked for.
	sampleEvery = time.Minute
	// lately is within which time a single variant must have been everybody's
	// before it counts as the only one.
	lately = 24 * time.Hour
	// neverAfter is how old a flag must be to be stale because nobody asked
	// for it, and rolledOutAfter how long one variant must have been
	// everybody's.
	neverAfter     = 7 * 24 * time.Hour
	rolledOutAfter = 14 * 24 * time.Hour
)

// sample is what the pods of an app were asked for, as they said last.
type sample struct {
	at time.Time
	// whole tells that every pod that serves has answered, and that there is
	// one.
	whole bool
	// last is when which variant was last given, by flag and variant. The
	// variant of the default in the app's code is "".
	last map[string]map[string]time.Time
	// told are the unknown keys that were told of.
	told map[string]bool
}

// sampleUse asks the pods now and then what they were asked for, and returns
// when to do it next; 0 while nobody is there to ask.
func (r *Reconciler) sampleUse(ctx context.Context, s *scope, now time.Time) time.Duration {
	ready := serving(s.pods)
	if len(ready) == 0 {
		s.seen.use = sample{told: s.seen.use.told}
		return 0
	}
	if left := s.seen.use.at.Add(sampleEvery).Sub(now); 0 < left && left <= sampleEvery {
		return left
	}
	usages := make([]contract.FlagsUsage, len(ready))
	errs := make([]error, len(ready))
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, pod := range ready {
		group.Go(func() error {
			usages[i], errs[i] = r.Pods.Usage(ctx, pod.Status.PodIP)
			return nil // what a pod does not say is missing, and that is known
		})
	}
	_ = group.Wait() // it never fails
	use := sample{at: now, whole: true, last: map[string]map[string]time.Time{}, told: s.seen.use.told}
	for i := range usages {
		if errs[i] != nil {
			use.whole = false
			continue
		}
		use.add(&usages[i])
		r.tellUnknown(s, &use, usages[i].Unknown)
	}
	s.seen.use = use
	return sampleEvery
}

func (u *sample) add(usage *contract.FlagsUsage) {
	for _, e := range usage.Evaluations {
		variants := u.last[e.Flag]
		if variants == nil {
			variants = map[string]time.Time{}
			u.last[e.Flag] = variants
		}
		if e.Last.After(variants[e.Variant]) {
			variants[e.Variant] = e.Last
		}
	}
}

// tellUnknown makes an event of each key that is asked for and does not exist,
// once in the manager's life.
func (r *Reconciler) tellUnknown(s *scope, use *sample, keys []string) {
	if s.app == nil {
		return
	}
	declared := make([]string, 0, len(s.plan.Entries))
	for key := range s.plan.Entries {
		declared = append(declared, key)
	}
	for _, key := range keys {
		if _, exists := s.plan.Entries[key]; exists || use.told[key] || !flagd.ValidKey(key) {
			continue
		}
		if use.told == nil {
			use.told = map[string]bool{}
		}
		use.told[key] = true
		hint := "no FeatureFlag declares it"
		if near := flagd.Nearest(key, declared); near != "" {
			hint += fmt.Sprintf("; did they mean %q?", near)
		}
		r.Recorder.Eventf(s.app, nil, corev1.EventTypeWarning, v1alpha1.ReasonUnknownFlag, "Evaluate",
			"%s", status.Note(fmt.Sprintf("the pods of %q are asked for the flag %q; %s", s.app.Name, key, hint)))
	}
}

// assessUse remembers what is seen of a flag's use for the first time, and
// says that it is stale when its use says so.
func (s *scope) assessUse(flag *v1alpha1.FeatureFlag, key string, now time.Time) {
	if s.seen.use.at.IsZero() {
		return
	}
	given := s.seen.use.last[key]
	if len(given) > 0 {
		flag.Status.Use = remember(flag.Status.Use, given, now)
	}
}

// remember is what is known of a flag's use, with what its pods said last. Time
// is in whole seconds, as the API server keeps it.
func remember(known *v1alpha1.FlagUse, given map[string]time.Time, now time.Time) *v1alpha1.FlagUse {
	use := &v1alpha1.FlagUse{}
	if known != nil {
		use = known.DeepCopy()
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	if use.FirstEvaluatedAt == nil {
		use.FirstEvaluatedAt = &at
	}
	if use.OnlyVariant != "" && use.OnlySince != nil {
		for variant, last := range given {
			if variant != use.OnlyVariant && last.After(use.OnlySince.Time) {
				use.OnlyVariant, use.OnlySince = "", nil
				return use
			}
		}
		return use
	}
	only, several := "", false
	for variant, last := range given {
		if now.Sub(last) <= lately {
			several = several || only != "" || variant == ""
			only = variant
		}
	}
	if only != "" && !several {
		use.OnlyVariant, use.OnlySince = only, &at
	}
	return use
}

// assessAge says that a flag is to be removed. It takes nothing away from the
// flag: answers never change because a day came.
func (s *scope) assessAge(flag *v1alpha1.FeatureFlag, now time.Time) {
	verdict, stale := s.stale(flag, now)
	if !stale {
		apimeta.RemoveStatusCondition(&flag.Status.Conditions, v1alpha1.ConditionStale)
		return
	}
	status.Set(&flag.Status.Conditions, flag.Generation, v1alpha1.ConditionStale, verdict)
}

func (s *scope) stale(flag *v1alpha1.FeatureFlag, now time.Time) (verdict status.Verdict, stale bool) {
	key, use := flag.Status.Key, flag.Status.Use
	if expires, ok := flags.Expires(flag); ok && !now.Before(expires) {
		return status.True(v1alpha1.ReasonExpired, fmt.Sprintf(
			"the flag expired on %s and still answers as before; remove %q from the app's code and then this FeatureFlag, or set a later spec.lifecycle.expiresAt (owner: %s)",
			flag.Spec.Lifecycle.ExpiresAt, key, flag.Spec.Lifecycle.Owner)), true
	}
	if goesOneDay(flag) && use != nil && use.OnlySince != nil && !now.Before(use.OnlySince.Add(rolledOutAfter)) && !isOff(flag, use.OnlyVariant) {
		return status.True(v1alpha1.ReasonFullyRolledOut, fmt.Sprintf(
			"everybody has been given %q since %s; make that the app's way without a flag, remove %q from its code and then this FeatureFlag (owner: %s)",
			use.OnlyVariant, use.OnlySince.UTC().Format(time.DateOnly), key, flag.Spec.Lifecycle.Owner)), true
	}
	if _, published := s.plan.Entries[key]; published && use == nil && s.seen.use.whole && !now.Before(flag.CreationTimestamp.Add(neverAfter)) {
		return status.True(v1alpha1.ReasonNeverEvaluated, fmt.Sprintf(
			"no pod has been asked for %q since the flag was made on %s; if nothing is to ask for it, delete this FeatureFlag",
			key, flag.CreationTimestamp.UTC().Format(time.DateOnly))), true
	}
	return status.Verdict{}, false
}

// goesOneDay tells whether the flag is of a kind that is meant to go.
func goesOneDay(flag *v1alpha1.FeatureFlag) bool {
	lifecycle := flag.Spec.Lifecycle
	return lifecycle != nil && (lifecycle.Kind == v1alpha1.FlagRelease || lifecycle.Kind == v1alpha1.FlagExperiment)
}

// isOff tells whether a variant is false: what is off for everybody has not
// begun to be rolled out.
func isOff(flag *v1alpha1.FeatureFlag, variant string) bool {
	if flag.Spec.Type != v1alpha1.FlagBoolean {
		return false
	}
	for _, v := range flag.Spec.Variants {
		if v.Name == variant {
			return string(v.Value.Raw) == "false"
		}
	}
	return len(flag.Spec.Variants) == 0 && variant == v1alpha1.VariantDisabled
}
