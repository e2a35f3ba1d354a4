package featureflag

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

func TestSamplesArePublished(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	app := c.app()
	app.Name = "rsolv"
	c.create(app)
	c.start()
	samples, err := filepath.Glob(filepath.Join(testenv.Root(), "config", "samples", "rsolv_v1alpha1_featureflag_*.yaml"))
	if err != nil || len(samples) < 2 {
		t.Fatalf("%d samples: %v", len(samples), err)
	}
	for _, sample := range samples {
		raw, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		flag := &v1alpha1.FeatureFlag{}
		if err := yaml.UnmarshalStrict(raw, flag); err != nil {
			t.Fatalf("%s: %v", sample, err)
		}
		flag.Namespace = c.namespace
		c.create(flag)
		got := c.awaits(flag.Name, v1alpha1.ConditionReady, "True")
		if got.Status.Key != strings.ReplaceAll(flag.Name, "-", "_") || got.Status.Default != flag.Spec.DefaultVariant {
			t.Errorf("%s: status %+v", sample, got.Status)
		}
	}
}

func TestAnAppWithoutFlagsHasAConfigMap(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app())
	c.start()
	c.serves(map[string]string{})
	c.quiet()
}

func TestFlagsComeChangeAndGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	app := c.app()
	c.create(app, c.flag("blog"), c.flag("display-draft-blog-posts"))
	c.start()
	c.serves(map[string]string{"blog": "disabled", "display_draft_blog_posts": "disabled"})
	for _, condition := range []string{v1alpha1.ConditionValid, v1alpha1.ConditionPublished, v1alpha1.ConditionReady} {
		c.awaits("blog", condition, "True")
	}
	c.quiet()

	neighbour := c.awaits("display-draft-blog-posts", v1alpha1.ConditionReady, "True").ResourceVersion
	c.editBlog(byDefault("enabled"))
	c.serves(map[string]string{"blog": "enabled", "display_draft_blog_posts": "disabled"})
	if flag := c.awaits("blog", v1alpha1.ConditionReady, "True"); flag.Status.Default != "enabled" || len(flag.Status.Conditions) != 5 {
		t.Errorf("status %+v", flag.Status)
	}
	if now := c.awaits("display-draft-blog-posts", v1alpha1.ConditionReady, "True").ResourceVersion; now != neighbour {
		t.Error("a change of one flag wrote the status of another")
	}

	found := c.configMap()
	if found.Annotations[contract.AnnotationFlagsDigest] != contract.FlagsDigest(c.file()) || !metav1.IsControlledBy(found, app) {
		t.Errorf("ConfigMap %+v", found.ObjectMeta)
	}
	c.delete(c.flag("blog"))
	c.serves(map[string]string{"display_draft_blog_posts": "disabled"})
	c.quiet()
}

func TestConfigMapIsRestored(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"))
	c.start()
	want := map[string]string{"blog": "disabled"}
	c.serves(want)
	c.delete(c.configMap())
	c.serves(want)
	c.editConfigMap(func(data map[string]string) { data["more.json"] = `{"flags":{"blog":{}}}` })
	testenv.Eventually(t, func() error {
		if found := c.configMap(); len(found.Data) != 1 {
			return fmt.Errorf("the added key is still there: %v", found.Data)
		}
		return nil
	})
	c.editConfigMap(func(data map[string]string) {
		data[contract.FlagsFile] = strings.Replace(data[contract.FlagsFile], `"disabled","metadata"`, `"enabled","metadata"`, 1)
	})
	c.serves(want)
	c.quiet()
}

// editConfigMap does what a hand would, again when the controller was quicker.
func (c *cluster) editConfigMap(change func(data map[string]string)) {
	c.tb.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		edited := c.configMap()
		change(edited.Data)
		return c.Update(c.tb.Context(), edited)
	})
	if err != nil {
		c.tb.Fatal(err)
	}
}

func TestForeignConfigMapIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	foreign := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "shop-flags", Namespace: c.namespace},
		Data:       map[string]string{contract.FlagsFile: "mine"},
	}
	c.create(foreign, c.app(), c.flag("blog"))
	c.start()
	flag := c.awaits("blog", v1alpha1.ConditionPublished, "False/OwnershipConflict")
	says(t, flag, v1alpha1.ConditionPublished, `ConfigMap "shop-flags" exists and is controlled by nobody: delete or rename it`)
	says(t, flag, v1alpha1.ConditionStalled, "delete or rename it")
	c.awaits("blog", v1alpha1.ConditionValid, "True")
	if flag.Status.Default != "" {
		t.Errorf("claims to give pods %q", flag.Status.Default)
	}
	c.quiet()
	if now := c.configMap(); now.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign ConfigMap was touched: %+v", now)
	}
	c.delete(foreign)
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "disabled"})
}

func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("first", key("blog")))
	c.start()
	c.awaits("first", v1alpha1.ConditionReady, "True")
	// Its name would win if the two counted as equally old.
	c.create(c.flag("also", key("blog"), byDefault("enabled")))
	also := c.awaits("also", v1alpha1.ConditionReady, "False/DuplicateKey")
	says(t, also, v1alpha1.ConditionValid, `key "blog" belongs to the older FeatureFlag "first"; delete one of the two`)
	c.awaits("first", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "disabled"})
	c.quiet()
	c.delete(c.flag("first"))
	c.awaits("also", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "enabled"})
}

func TestBadFlagKeepsItsLastGoodDefinition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog", byDefault("enabled")), c.flag("other"))
	c.start()
	c.serves(map[string]string{"blog": "enabled", "other": "disabled"})
	c.awaits("other", v1alpha1.ConditionReady, "True")
	file, neighbour := c.file(), c.awaits("other", v1alpha1.ConditionReady, "True").ResourceVersion

	c.editBlog(variants(v1alpha1.FlagBoolean, "enabled", `"yes"`, "disabled", "false"), byDefault("disabled"))
	flag := c.awaits("blog", v1alpha1.ConditionReady, "False/InvalidDefinition")
	says(t, flag, v1alpha1.ConditionValid, `spec.variants[enabled].value is a text ("yes") in a flag of type Boolean; write true or false`)
	says(t, flag, v1alpha1.ConditionReady, `until then the last good definition stays published, with variant "enabled"`)
	c.awaits("blog", v1alpha1.ConditionPublished, "False/LastGoodPublished")
	if flag.Status.Default != "enabled" {
		t.Errorf("status.default is %q", flag.Status.Default)
	}
	c.quiet()

	// Neither a restart nor an edit of the ConfigMap nor its loss forgets it.
	c.stop()
	c.start()
	c.create(c.flag("third"))
	c.awaits("third", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "enabled", "other": "disabled", "third": "disabled"})
	c.editConfigMap(func(data map[string]string) { data[contract.FlagsFile] = `{"flags":{}}` })
	c.serves(map[string]string{"blog": "enabled", "other": "disabled", "third": "disabled"})
	c.delete(c.configMap())
	c.serves(map[string]string{"blog": "enabled", "other": "disabled", "third": "disabled"})
	if now := c.awaits("other", v1alpha1.ConditionReady, "True").ResourceVersion; now != neighbour {
		t.Error("a bad flag disturbed its neighbour")
	}
	c.delete(c.flag("third"))
	c.serves(map[string]string{"blog": "enabled", "other": "disabled"})
	if !bytes.Equal(c.file(), file) {
		t.Errorf("the file changed:\n%s\n%s", file, c.file())
	}

	c.editBlog(variants(v1alpha1.FlagBoolean, "enabled", "true", "disabled", "false"))
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "disabled", "other": "disabled"})
}

func TestReservedPrefixOfTheApp(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app("prod_"), c.flag("prod-blog"), c.flag("product-page"))
	c.start()
	flag := c.awaits("prod-blog", v1alpha1.ConditionReady, "False/ReservedPrefix")
	says(t, flag, v1alpha1.ConditionValid, `key "prod_blog" begins with the reserved prefix "prod_"; use "blog"`)
	c.serves(map[string]string{"product_page": "disabled"})
	c.quiet()
}

// waitsByItself checks that nobody is told to act: a pipeline that applies the
// app next must not give up here.
func (c *cluster) waitsByItself(name, reason string) {
	c.tb.Helper()
	flag := c.awaits(name, v1alpha1.ConditionReconciling, "True")
	if found := apimeta.FindStatusCondition(flag.Status.Conditions, v1alpha1.ConditionReconciling); found.Reason != reason {
		c.tb.Errorf("%s waits for %s, want %s", name, found.Reason, reason)
	}
	if stalled := apimeta.FindStatusCondition(flag.Status.Conditions, v1alpha1.ConditionStalled); stalled != nil {
		c.tb.Errorf("%s is stalled: %+v", name, stalled)
	}
}

// TestPreviousAppIsWaitedFor makes an app anew where no garbage collector runs,
// so that the ConfigMap of the first stays until the test deletes it.
func TestPreviousAppIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"))
	c.start()
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	left := c.configMap()
	c.delete(c.app())
	c.awaits("blog", v1alpha1.ConditionReady, "False/DeploymentNotFound")
	c.create(c.app())
	flag := c.awaits("blog", v1alpha1.ConditionReady, "False/AwaitingDeletion")
	says(t, flag, v1alpha1.ConditionPublished, `ConfigMap "shop-flags" belongs to the RsolvDeployment shop that was deleted and is being garbage-collected`)
	c.waitsByItself("blog", v1alpha1.ReasonAwaitingDeletion)
	if now := c.configMap(); now.ResourceVersion != left.ResourceVersion {
		t.Error("what is being deleted was written")
	}
	c.delete(left)
	c.awaits("blog", v1alpha1.ConditionReady, "True")
}

func TestMissingAppIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.flag("blog"))
	c.start()
	flag := c.awaits("blog", v1alpha1.ConditionReady, "False/DeploymentNotFound")
	says(t, flag, v1alpha1.ConditionReady, `there is no RsolvDeployment "shop" in namespace "`+c.namespace+`"; create it`)
	c.waitsByItself("blog", v1alpha1.ReasonDeploymentMissing)
	c.awaits("blog", v1alpha1.ConditionPublished, "False/DeploymentNotFound")
	c.awaits("blog", v1alpha1.ConditionValid, "True")
	c.quiet()
	app := c.app()
	c.create(app)
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.serves(map[string]string{"blog": "disabled"})
	c.delete(app)
	c.awaits("blog", v1alpha1.ConditionReady, "False/DeploymentNotFound")
}
