package featureflag

import (
	"fmt"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// runs says in the app's status that an image runs which needs these flags.
func (c *cluster) runs(needed ...string) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		app := &v1alpha1.RsolvDeployment{}
		if err := c.Get(c.tb.Context(), c.at("shop"), app); err != nil {
			return err
		}
		record := &v1alpha1.CatalogRecord{Hash: "h", Count: int32(len(needed))}
		for _, key := range needed {
			record.Required = append(record.Required, v1alpha1.RequiredFlag{Key: key, Type: "Boolean"})
			record.Known = append(record.Known, v1alpha1.KnownFlag{Key: key, Type: "Boolean"})
		}
		app.Status.Image, app.Status.LastGoodCatalog = app.Spec.Image, record
		return c.Status().Update(c.tb.Context(), app)
	})
}

func TestADeletedFlagStaysWhileAnImageNeedsIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog", byDefault("enabled")), c.flag("other"))
	c.start()
	c.serves(map[string]string{"blog": "enabled", "other": "disabled"})
	c.runs("blog")
	c.delete(c.flag("blog"))
	c.delete(c.flag("other"))
	c.serves(map[string]string{"blog": "enabled"})
	if kept := workload.KeptFlags(c.file()); !kept["blog"] {
		t.Errorf("the file does not say that the flag was deleted: %s", c.file())
	}
	c.quiet()
	// Neither a restart nor an edit of the ConfigMap loses it.
	c.stop()
	c.start()
	c.create(c.flag("third"))
	c.serves(map[string]string{"blog": "enabled", "third": "disabled"})

	// One that is declared wrongly does not take its place, a right one does.
	c.create(c.flag("again", key("blog"), variants(v1alpha1.FlagBoolean, "enabled", `"yes"`, "disabled", "false")))
	c.awaits("again", v1alpha1.ConditionReady, "False/InvalidDefinition")
	c.awaits("again", v1alpha1.ConditionPublished, "False/LastGoodPublished")
	c.serves(map[string]string{"blog": "enabled", "third": "disabled"})
	c.delete(c.flag("again"))
	c.create(c.flag("blog"))
	c.serves(map[string]string{"blog": "disabled", "third": "disabled"})
	testenv.Eventually(t, func() error {
		if kept := workload.KeptFlags(c.file()); kept["blog"] {
			return fmt.Errorf("a flag that is declared again still counts as deleted: %s", c.file())
		}
		return nil
	})

	// An image that does not need it sets it free.
	c.delete(c.flag("blog"))
	testenv.Eventually(t, func() error {
		if kept := workload.KeptFlags(c.file()); !kept["blog"] {
			return fmt.Errorf("not kept: %s", c.file())
		}
		return nil
	})
	c.runs("third")
	c.serves(map[string]string{"third": "disabled"})
	c.quiet()
}

func TestFlagsAreMatchedWithTheCatalogue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"), c.flag("blog-enabled"), c.flag("digest", variants(v1alpha1.FlagString, "weekly", `"w"`), byDefault("weekly")))
	c.start()
	c.awaits("blog", v1alpha1.ConditionCatalogMatched, "Unknown/CatalogUnavailable")
	c.awaits("blog", v1alpha1.ConditionReady, "True")
	c.runs("blog", "digest")
	says(t, c.awaits("blog", v1alpha1.ConditionCatalogMatched, "True"), v1alpha1.ConditionCatalogMatched, `the app knows "blog" as a Boolean`)
	says(t, c.awaits("blog-enabled", v1alpha1.ConditionCatalogMatched, "False/UnknownToApp"), v1alpha1.ConditionCatalogMatched,
		`the app knows no flag "blog_enabled", so nobody asks for it; did you mean "blog"?`)
	c.awaits("blog-enabled", v1alpha1.ConditionReady, "True")
	says(t, c.awaits("digest", v1alpha1.ConditionReady, "False/TypeMismatch"), v1alpha1.ConditionCatalogMatched,
		`the app asks for "digest" as a Boolean, and the flag is of type String`)
	c.quiet()
}
