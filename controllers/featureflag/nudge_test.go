package featureflag

import (
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestTouchFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 11, 4, 9, 0, 0, 0, time.UTC)
	at := func(before time.Duration) string { return strconv.FormatInt(now.Add(-before).UnixMilli(), 10) }
	nudged := func(digest, when, settled string) map[string]string {
		annotations := map[string]string{contract.AnnotationFlagsDigest: digest, contract.AnnotationFlagsNudgedAt: when}
		if settled != "" {
			annotations[contract.AnnotationFlagsSettled] = settled
		}
		return annotations
	}
	first := nudged("new", at(0), "")
	second := map[string]string{contract.AnnotationFlagsSettled: "new", contract.AnnotationFlagsNudgedAt: at(0)}
	for name, test := range map[string]struct {
		annotations map[string]string
		created     time.Duration // before now; the flags are a minute old
		deleted     bool
		behind      bool
		want        map[string]string
		again       time.Duration
	}{
		"older than the flags":            {created: time.Hour, want: first, again: time.Second},
		"as old as the flags":             {created: time.Minute, want: first, again: time.Second},
		"hardly younger than the flags":   {created: 55 * time.Second, want: first, again: time.Second},
		"started with the flags":          {created: 54 * time.Second},
		"other annotations say nothing":   {created: 54 * time.Second, annotations: map[string]string{"a": "b"}},
		"nudged for older flags":          {annotations: nudged("old", at(time.Hour), "old"), want: first, again: time.Second},
		"nudged half a second ago":        {created: time.Hour, annotations: nudged("new", at(500*time.Millisecond), "old"), again: 500 * time.Millisecond},
		"nudged a second ago":             {created: time.Hour, annotations: nudged("new", at(time.Second), "old"), want: second},
		"nudged long ago":                 {created: time.Hour, annotations: nudged("new", at(time.Hour), ""), want: second},
		"nudged in the future":            {created: time.Hour, annotations: nudged("new", at(-time.Hour), ""), want: second},
		"nudged nobody knows when":        {created: time.Hour, annotations: nudged("new", "soon", ""), want: second},
		"settled":                         {created: time.Hour, annotations: nudged("new", at(time.Second), "new")},
		"settled, and behind":             {created: time.Hour, annotations: nudged("new", at(40*time.Second), "new"), behind: true, want: second},
		"behind, nudged a moment ago":     {created: time.Hour, annotations: nudged("new", at(15*time.Second), "new"), behind: true, again: 15 * time.Second},
		"started late, and behind":        {created: 54 * time.Second, behind: true, want: first, again: time.Second},
		"going away":                      {created: time.Hour, deleted: true},
		"back to flags it was nudged for": {created: time.Hour, annotations: nudged("old", at(time.Second), "new"), want: first, again: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &metav1.ObjectMeta{Annotations: test.annotations, CreationTimestamp: metav1.NewTime(now.Add(-test.created))}
			if test.deleted {
				pod.DeletionTimestamp = &metav1.Time{Time: now}
			}
			got, again := touchFor(pod, "new", now.Add(-time.Minute), now, test.behind)
			if diff := cmp.Diff(test.want, got); diff != "" || again != test.again {
				t.Errorf("again in %s, want %s; -want +got:\n%s", again, test.again, diff)
			}
		})
	}
}

// nudges waits until the pod was touched twice for the published flags.
func (c *cluster) nudges(name string) *corev1.Pod {
	c.tb.Helper()
	pod := &corev1.Pod{}
	testenv.Eventually(c.tb, func() error {
		if err := c.Get(c.tb.Context(), c.at(name), pod); err != nil {
			return err
		}
		digest := contract.FlagsDigest(c.file())
		if got := pod.Annotations[contract.AnnotationFlagsDigest]; got != digest {
			return fmt.Errorf("pod %s was nudged for %q, want %s", name, got, digest)
		}
		if got := pod.Annotations[contract.AnnotationFlagsSettled]; got != digest {
			return fmt.Errorf("pod %s is settled for %q, want %s", name, got, digest)
		}
		return nil
	})
	return pod
}

func TestPodsAreNudgedTwiceAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(
		c.app(), c.flag("blog"),
		c.pod("a", contract.ComponentServer), c.pod("b", contract.ComponentServer), c.pod("migrate", contract.ComponentMigration),
	)
	c.start()
	c.nudges("a")
	c.nudges("b")
	c.quiet()

	began := time.Now()
	c.editBlog(byDefault("enabled"))
	c.serves(map[string]string{"blog": "enabled"})
	pod := c.nudges("a")
	if took := time.Since(began); took < settleAfter {
		t.Errorf("the second touch came %s after the change", took)
	}
	millis, err := strconv.ParseInt(pod.Annotations[contract.AnnotationFlagsNudgedAt], 10, 64)
	if at := time.UnixMilli(millis); err != nil || at.Before(began.Add(-time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("nudged at %s: %v", at, err)
	}
	c.nudges("b")
	c.quiet()

	var other corev1.Pod
	if err := c.Get(t.Context(), c.at("migrate"), &other); err != nil || len(other.Annotations) != 0 {
		t.Errorf("a pod without flags was touched: %v, %v", other.Annotations, err)
	}
}

func TestNudgesSurviveARestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"), c.pod("a", contract.ComponentServer))
	c.start()
	settled := c.nudges("a")
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.stop()

	// A pod that the last manager had touched once.
	half := c.pod("half", contract.ComponentServer)
	half.Annotations = maps.Clone(settled.Annotations)
	delete(half.Annotations, contract.AnnotationFlagsSettled)
	c.create(half)
	c.start()
	c.nudges("half")
	c.quiet()
	if now := c.nudges("a"); now.ResourceVersion != settled.ResourceVersion {
		t.Errorf("a settled pod was touched again: %v", now.Annotations)
	}
}

func TestNewPodsStartWithTheFlags(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"))
	c.start()
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	// The API server's clock tells a pod's age, in whole seconds.
	published := c.configMap().CreationTimestamp.Time
	time.Sleep(time.Until(published.Add(freshAfter + 2*time.Second)))
	c.create(c.pod("late", contract.ComponentServer))
	c.quiet()
	var pod corev1.Pod
	if err := c.Get(t.Context(), c.at("late"), &pod); err != nil || len(pod.Annotations) != 0 {
		t.Errorf("touched for nothing: %v, %v", pod.Annotations, err)
	}
	c.editBlog(byDefault("enabled"))
	c.serves(map[string]string{"blog": "enabled"})
	c.nudges("late")
}
