package alertbaseline

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
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

		begun := time.Now()
		stop := c.start()
		for c.ready() < count {
			time.Sleep(250 * time.Millisecond)
		}
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

// ready counts the baselines that are.
func (c *cluster) ready() int {
	c.tb.Helper()
	var list v1alpha1.AlertBaselineList
	if err := c.List(c.tb.Context(), &list, client.InNamespace(c.namespace)); err != nil {
		c.tb.Fatal(err)
	}
	count := 0
	for i := range list.Items {
		if apimeta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
			count++
		}
	}
	return count
}
