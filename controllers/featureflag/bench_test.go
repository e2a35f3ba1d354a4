package featureflag

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// BenchmarkTenThousandFlags starts the controller over 10,000 flags of ten apps
// that it has never seen, and then edits one of them. It reports how long
// either takes until the statuses say so, and how often a ConfigMap was written
// meanwhile.
func BenchmarkTenThousandFlags(b *testing.B) {
	const apps, flags = 10, 1000
	for range b.N {
		c := newCluster(b)
		var group errgroup.Group
		group.SetLimit(16)
		for a := range apps {
			app := c.app()
			app.Name = fmt.Sprintf("shop-%d", a)
			c.create(app)
			for f := range flags {
				group.Go(func() error {
					flag := c.flag(fmt.Sprintf("a%d-f%d", a, f))
					flag.Spec.DeploymentRef.Name = fmt.Sprintf("shop-%d", a)
					return c.Create(b.Context(), flag)
				})
			}
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		c.start()
		c.untilPublished(apps * flags)
		b.ReportMetric(time.Since(began).Seconds(), "cold-s")
		if done := c.allPublished(); done != apps*flags {
			b.Fatalf("%d flags are published", done)
		}
		writes := 0
		for _, write := range c.writes.Accepted() {
			if strings.Contains(write, "-flags") && !strings.HasPrefix(write, "patch *v1alpha1") {
				writes++
			}
		}
		b.ReportMetric(float64(writes), "configmap-writes")
		b.ReportMetric(float64(c.edit("a3-f500").Microseconds())/1000, "edit-ms")
		c.stop()
	}
}

// untilPublished waits until so many statuses are written, and checks that all
// of them say published. Looking at all flags all the time would measure the
// looking.
func (c *cluster) untilPublished(count int) {
	c.tb.Helper()
	for written := 0; written < count; time.Sleep(100 * time.Millisecond) {
		written = 0
		for _, write := range c.writes.Accepted() {
			if strings.Contains(write, "*v1alpha1.FeatureFlag") {
				written++
			}
		}
	}
}

// allPublished counts the flags that are published, page by page.
func (c *cluster) allPublished() (done int) {
	c.tb.Helper()
	var list v1alpha1.FeatureFlagList
	for {
		if err := c.List(c.tb.Context(), &list, client.InNamespace(c.namespace), client.Limit(500), client.Continue(list.Continue)); err != nil {
			c.tb.Fatal(err)
		}
		for i := range list.Items {
			if apimeta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionPublished) {
				done++
			}
		}
		if list.Continue == "" {
			return done
		}
	}
}

// edit flips a flag and returns how long it takes until it is published.
func (c *cluster) edit(name string) time.Duration {
	c.tb.Helper()
	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	var flag v1alpha1.FeatureFlag
	if err := c.Get(c.tb.Context(), key, &flag); err != nil {
		c.tb.Fatal(err)
	}
	flag.Spec.DefaultVariant = v1alpha1.VariantEnabled
	began := time.Now()
	if err := c.Update(c.tb.Context(), &flag); err != nil {
		c.tb.Fatal(err)
	}
	for {
		var now v1alpha1.FeatureFlag
		if err := c.Get(c.tb.Context(), key, &now); err != nil {
			c.tb.Fatal(err)
		}
		published := apimeta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionPublished)
		if now.Status.ObservedGeneration == now.Generation && now.Status.Default == v1alpha1.VariantEnabled && published != nil && published.Status == metav1.ConditionTrue {
			return time.Since(began)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
