package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts/ruletest"
)

// writeRuleTests writes, for each threshold of the set, a rule file and the
// tests of it into a folder, and says on notes how to run them.
func writeRuleTests(dir string, set manifest.Set, now time.Time, notes io.Writer) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err // the error names operation and folder
	}
	tests := 0
	for _, baseline := range set.Baselines {
		for _, suite := range ruletest.Suites(baseline, now) {
			tests += len(suite.Tests.Tests)
			for name, content := range map[string]any{suite.Tests.RuleFiles[0]: suite.Rules, suite.Name + ".test.yaml": suite.Tests} {
				raw, err := yaml.Marshal(content)
				if err != nil {
					return fmt.Errorf("writing %s: %w", name, err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
					return err // the error names operation and file
				}
			}
		}
	}
	_, err := fmt.Fprintf(notes, "note: %d rule tests written; run them with: promtool test rules %s\n", tests, filepath.Join(dir, "*.test.yaml"))
	return err
}
