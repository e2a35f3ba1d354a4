package flagdiff

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func file(flags ...string) []byte { return []byte(`{"flags":{` + strings.Join(flags, ",") + "}}\n") }

func boolean(key, rest string) string {
	return fmt.Sprintf(`%q:{"state":"ENABLED","variants":{"enabled":true,"disabled":false},%s}`, key, rest)
}

func asked(flag string, evaluations uint64, contexts ...map[string]any) contract.FlagContexts {
	return contract.FlagContexts{Flag: flag, Evaluations: evaluations, Contexts: contexts}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	off, on := `"defaultVariant":"disabled"`, `"defaultVariant":"enabled"`
	who := func(key string) map[string]any { return map[string]any{"targetingKey": key} }
	gold := map[string]any{"targetingKey": "customer:3", "plan": "gold"}
	samples := []contract.FlagsSample{
		{Flags: []contract.FlagContexts{asked("api_access", 60, who("customer:1"), gold), asked("blog", 100)}},
		{Flags: []contract.FlagContexts{asked("api_access", 40, who("customer:2"), who("customer:42")), asked("same", 200, who("customer:1"))}},
	}
	report, err := Compare(
		file(boolean("api_access", off+`,"targeting":{"if":[{"==":[{"var":"plan"},"gold"]},"enabled"]}`), boolean("blog", off), boolean("same", off), boolean("gone", on), boolean("quiet", on)),
		file(boolean("api_access", off+`,"targeting":{"if":[{"in":[{"var":"targetingKey"},["customer:42"]]},"enabled",{"==":[{"var":"seats"},9]},"enabled"]}`), boolean("blog", on), boolean("same", off), boolean("quiet", off)),
		samples, now)
	if err != nil {
		t.Fatal(err)
	}
	want := `api_access: would change 50.0 % of recent evaluations (2 of 4 sampled of 100): true (enabled) -> false (disabled)
blog: would change 100.0 % of recent evaluations (1 of 1 sampled of 100): false (disabled) -> true (enabled)
gone: its definition changes, and no pod was asked for it lately
quiet: its definition changes, and no pod was asked for it lately
note: the new rules ask for seats, which pods do not keep as no rule asks for it yet; they count as absent
all flags: would change 37.5 % of 400 recent evaluations
`
	if diff := cmp.Diff(want, report.Text()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var metrics strings.Builder
	if err := report.WriteMetrics(&metrics, "prod", "rsolv"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`rsolv_flags_diff_changed_ratio{namespace="prod",deployment="rsolv",flag="api_access"} 0.5`,
		`rsolv_flags_diff_all_changed_ratio{namespace="prod",deployment="rsolv"} 0.375`,
	} {
		if !strings.Contains(metrics.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, metrics.String())
		}
	}
}

func TestCompareNothing(t *testing.T) {
	t.Parallel()
	same := file(boolean("blog", `"defaultVariant":"disabled"`))
	report, err := Compare(same, same, nil, time.Time{})
	if err != nil || report.Text() != "no flag changes\n" || report.Share() != 0 {
		t.Errorf("%q, %v", report.Text(), err)
	}
	if _, err := Compare([]byte("{"), same, nil, time.Time{}); err == nil || !strings.Contains(err.Error(), "the published flags") {
		t.Error(err)
	}
	if _, err := Compare(same, []byte("{"), nil, time.Time{}); err == nil || !strings.Contains(err.Error(), "the new flags") {
		t.Error(err)
	}
}
