package flags

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Match is what the app's images say about one flag: whether they know it, and
// as what.
type Match struct {
	// Reason is empty when the app knows the flag by this key and type.
	// Otherwise it is a reason of v1alpha1.
	Reason  string
	Message string
}

// Catalog is what the images of an app know: the type of each flag by its key.
type Catalog struct {
	types map[string]string
	keys  []string
	// asked tells that an image has said what it knows, whole that all of it
	// is in here.
	asked, whole bool
}

// CatalogOf reads the catalogue that the preflights of an app's images left in
// its status. While one image takes over from another, both count.
func CatalogOf(app *v1alpha1.RsolvDeployment) Catalog {
	c := Catalog{types: map[string]string{}, whole: true}
	for _, record := range []*v1alpha1.CatalogRecord{app.Status.LastGoodCatalog, app.Status.Catalog} {
		if record == nil {
			continue
		}
		c.asked = true
		c.whole = c.whole && int(record.Count) <= len(record.Known)
		for _, known := range record.Known {
			c.types[known.Key] = known.Type
		}
	}
	c.keys = slices.Sorted(maps.Keys(c.types))
	return c
}

// Match compares a flag with what the app knows. A flag under nearly the right
// name is the usual mistake, so the nearest one is named.
func (c Catalog) Match(key string, kind v1alpha1.FlagType) Match {
	known, ok := c.types[key]
	switch {
	case !c.asked || !ok && !c.whole:
		return Match{v1alpha1.ReasonCatalogUnavailable, fmt.Sprintf("no image of the app has said yet whether it knows %q; its preflight will", key)}
	case !ok:
		if near := flagd.Nearest(key, c.keys); near != "" {
			return Match{v1alpha1.ReasonUnknownToApp, fmt.Sprintf("the app knows no flag %q, so nobody asks for it; did you mean %q?", key, near)}
		}
		return Match{v1alpha1.ReasonUnknownToApp, fmt.Sprintf("the app knows no flag %q, nor any like it, so nobody asks for it; app flags catalog lists those it knows", key)}
	case known != "" && known != string(kind):
		return Match{v1alpha1.ReasonTypeMismatch, fmt.Sprintf(
			"the app asks for %q as a %s, and the flag is of type %s, so the app uses its default; types are immutable: delete this FeatureFlag and make one of type %s",
			key, known, kind, known)}
	default:
		return Match{Message: fmt.Sprintf("the app knows %q as a %s", key, kind)}
	}
}

// Needed are the keys of the flags that images cannot do without which run, or
// would run again after a rollback. Nil while nothing runs.
func Needed(app *v1alpha1.RsolvDeployment) []string {
	status, needed := &app.Status, map[string]bool{}
	if status.Image == "" {
		return nil
	}
	add := func(record *v1alpha1.CatalogRecord) {
		for _, flag := range record.Required {
			needed[flag.Key] = true
		}
	}
	if status.LastGoodCatalog != nil {
		add(status.LastGoodCatalog)
	}
	// The newest catalogue is that of an image which may not run yet.
	if asked := status.Preflight; status.Catalog != nil && asked != nil && asked.Hash == status.Catalog.Hash &&
		(status.Image == asked.Image || status.Image == asked.Pinned) {
		add(status.Catalog)
	}
	return slices.Sorted(maps.Keys(needed))
}
