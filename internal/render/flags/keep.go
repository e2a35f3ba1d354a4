package flags

import (
	"maps"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// keep returns the published definitions that no FeatureFlag declares any more
// and that images which run still need. They are marked, so that the app's
// FlagsReady says so.
func keep(candidates []*candidate, published map[string]publishedFlag, needed []string) []flagd.Entry {
	declared := make(map[string]bool, len(candidates))
	for _, c := range candidates {
		declared[c.verdict.Key] = declared[c.verdict.Key] || c.entry != nil || c.lastGood != nil
	}
	var kept []flagd.Entry
	for _, key := range needed {
		old, ok := published[key]
		if !ok || declared[key] {
			continue
		}
		definition := old.definition
		definition.Metadata = maps.Clone(definition.Metadata)
		if definition.Metadata == nil {
			definition.Metadata = map[string]any{}
		}
		definition.Metadata[contract.FlagMetadataDeleted] = true
		if entry, err := definition.Entry(); err == nil {
			kept = append(kept, entry)
		}
	}
	return kept
}
