package featureflag

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestTooManyBytes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app())
	c.start()
	value := `"` + strings.Repeat(`\"`, 31<<10) + `"`
	for i := range 15 {
		name := fmt.Sprintf("text-%02d", i)
		c.create(c.flag(name, variants(v1alpha1.FlagString, "long", value), byDefault("long")))
		want := "True"
		if i >= 14 { // 14 of 62 KiB fit into 900
			want = "False/FlagsTooLarge"
		}
		c.awaits(name, v1alpha1.ConditionReady, want)
	}
	c.create(c.flag("small"))
	c.awaits("small", v1alpha1.ConditionReady, "True")
	says(t, c.awaits("text-14", v1alpha1.ConditionPublished, "False/FlagsTooLarge"), v1alpha1.ConditionReady, "shorten its values or those of other flags")
	c.delete(c.flag("text-03"))
	c.awaits("text-14", v1alpha1.ConditionReady, "True")
	c.quiet()
}

func TestManyFlagsAtOnceMakeFewWrites(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app())
	c.start()
	c.serves(map[string]string{})
	watcher, err := client.NewWithWatch(testenv.Config(), client.Options{Scheme: testenv.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := watcher.Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(c.namespace), client.MatchingFields{"metadata.name": "shop-flags"})
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()

	const count = 200
	want := map[string]string{}
	for i := range count {
		want[fmt.Sprintf("flag_%d", i)] = "disabled"
		c.create(c.flag(fmt.Sprintf("flag-%d", i)))
	}
	c.serves(want)
	for i := range count {
		c.awaits(fmt.Sprintf("flag-%d", i), v1alpha1.ConditionReady, "True")
	}
	last, writes := c.configMap().ResourceVersion, 0
	for seen := ""; seen != last; {
		select {
		case e := <-changes.ResultChan():
			seen = e.Object.(*corev1.ConfigMap).ResourceVersion
			if e.Type == watch.Modified {
				writes++
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the watch does not end where the ConfigMap is")
		}
	}
	t.Logf("%d flags made %d writes", count, writes)
	if writes < 1 || writes > count/8 {
		t.Errorf("%d flags made %d writes of the ConfigMap", count, writes)
	}
	c.quiet()
}

func TestTransitionsMakeEvents(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.flag("blog"))
	c.start()
	c.awaits("blog", v1alpha1.ConditionReady, "False/DeploymentNotFound")
	c.create(c.app())
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.editBlog(byDefault("enabled"))
	c.quiet()
	testenv.Eventually(t, func() error {
		var list corev1.EventList
		if err := c.List(t.Context(), &list, client.InNamespace(c.namespace)); err != nil {
			return err
		}
		got := map[string]int{}
		for _, e := range list.Items {
			if e.InvolvedObject.Kind == v1alpha1.KindFeatureFlag {
				got[e.Type+" "+e.Reason+" "+e.Message]++
			}
		}
		want := map[string]int{
			fmt.Sprintf(`Warning DeploymentNotFound there is no RsolvDeployment "shop" in namespace %q; create it, or make this flag anew with the right spec.deploymentRef.name`, c.namespace): 1,
			`Normal Succeeded the pods of "shop" are given variant "disabled" of "blog"`:                                                                                                        1,
			`Normal Succeeded the pods of "shop" are given variant "enabled" of "blog"`:                                                                                                         1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("events:\n%s", diff)
		}
		return nil
	})
}
