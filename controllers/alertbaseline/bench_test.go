package alertbaseline

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// BenchmarkThousandBaselines starts a manager over 1,000 baselines, the first
// four thresholds of the sample each, none of which has any child yet, beside
// the API server. It
// reports the seconds until all are ready, the writes an hour when nothing
// happens, and the milliseconds from an edit until its baseline is ready again.
func BenchmarkThousandBaselines(b *testing.B) {
	const count, idle = 1000, 20 * time.Second
	for b.Loop() {
		c := newCluster(b)
		c.create(app())
		var group errgroup.Group
		group.SetLimit(16)
		for i := range count {
			group.Go(func() error {
				baseline := sample(b)
				baseline.Spec.Thresholds, baseline.Spec.Routing = baseline.Spec.Thresholds[:4], nil
				baseline.Name, baseline.Namespace = fmt.Sprintf("baseline-%04d", i), c.namespace
				return c.Create(b.Context(), baseline)
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}

		done := c.awaitReady(count)
		begun := time.Now()
		stop := c.start()
		<-done
		b.ReportMetric(time.Since(begun).Seconds(), "s-cold")

		time.Sleep(2 * time.Second)
		before := len(c.writes.List())
		time.Sleep(idle)
		b.ReportMetric(float64(len(c.writes.List())-before)*float64(time.Hour)/float64(idle), "writes/h")

		begun = time.Now()
		c.edit("baseline-0500", func(baseline *v1alpha1.AlertBaseline) { baseline.Spec.Thresholds[0].Warning.Above = "2%" })
		for {
			edited := c.baseline("baseline-0500")
			if edited.Status.ObservedGeneration == edited.Generation && apimeta.IsStatusConditionTrue(edited.Status.Conditions, v1alpha1.ConditionReady) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		b.ReportMetric(float64(time.Since(begun).Microseconds())/1000, "ms-edit")
		stop()
	}
}

// awaitReady closes a channel once this many baselines are ready. It watches:
// listing them all over and over would be most of what is measured.
func (c *cluster) awaitReady(count int) <-chan struct{} {
	c.tb.Helper()
	watching, err := client.NewWithWatch(testenv.Config(), client.Options{Scheme: testenv.Scheme()})
	if err != nil {
		c.tb.Fatal(err)
	}
	events, err := watching.Watch(c.tb.Context(), &v1alpha1.AlertBaselineList{}, client.InNamespace(c.namespace))
	if err != nil {
		c.tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer events.Stop()
		ready := map[string]bool{}
		for event := range events.ResultChan() {
			baseline, ok := event.Object.(*v1alpha1.AlertBaseline)
			if ok && apimeta.IsStatusConditionTrue(baseline.Status.Conditions, v1alpha1.ConditionReady) {
				ready[baseline.Name] = true
			}
			if len(ready) == count {
				return
			}
		}
		c.tb.Error("the watch on the baselines ended before all were ready")
	}()
	return done
}
