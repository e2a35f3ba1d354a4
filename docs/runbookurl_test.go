package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
)

// TestRunbookURLsLeadHere: the annotation of each alert that the samples become
// leads to a file of this folder.
func TestRunbookURLsLeadHere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../config/samples/*alertbaseline*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no AlertBaseline among the samples (%v)", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var baseline v1alpha1.AlertBaseline
		if err := yaml.UnmarshalStrict(raw, &baseline); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		checked := 0
		for _, group := range alerts.Rules(&baseline, time.Unix(1_800_000_000, 0)).Groups {
			for _, rule := range group.Rules {
				if rule.Alert == "" {
					continue
				}
				checked++
				url := rule.Annotations["runbook_url"]
				_, path, found := strings.Cut(url, "/docs/")
				if !found || path != "runbooks/"+rule.Alert+".md" {
					t.Errorf("%s of %s leads to %q", rule.Alert, baseline.Name, url)
					continue
				}
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s of %s leads nowhere: %v", rule.Alert, baseline.Name, err)
				}
			}
		}
		if checked == 0 {
			t.Errorf("%s becomes no alert", file)
		}
	}
}
