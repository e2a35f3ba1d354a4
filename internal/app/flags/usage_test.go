package flags

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

const usedFlags = `{"flags":{
"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"enabled"},
"api_access":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled","targeting":{"if":[{"==":[{"var":"plan"},"gold"]},"enabled"]}}
}}`

func used(t *testing.T, clock *time.Time) *Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, contract.FlagsFile), []byte(usedFlags), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store.now = func() time.Time { return *clock }
	store.usage.since = *clock
	return store
}

func TestUsage(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := began
	store := used(t, &now)
	store.Blog()
	store.Blog()
	now = began.Add(time.Minute)
	gold := &flagd.Context{TargetingKey: "customer:1", Attributes: map[string]any{"plan": "gold", "email": "ada@example.com"}}
	store.For(gold).APIAccess()
	store.For(&flagd.Context{TargetingKey: "customer:2"}).APIAccess()
	store.Evaluate("blog", gold)
	store.Evaluate("core_features", nil)
	store.Evaluate("blog_enabled", nil)
	store.Evaluate("blog_enabled", nil)
	store.Evaluate("no key\n", nil)
	store.All(gold) // no question
	store.Booleans(func(string, bool) {})
	want := contract.FlagsUsage{
		Since: began, Unknown: []string{"blog_enabled"}, UnknownAsked: 3,
		Evaluations: []contract.FlagEvaluations{
			{Flag: "api_access", Variant: "disabled", Reason: "DEFAULT", Count: 1, Last: now},
			{Flag: "api_access", Variant: "enabled", Reason: "TARGETING_MATCH", Count: 1, Last: now},
			{Flag: "blog", Variant: "enabled", Reason: "STATIC", Count: 3, Last: now},
			{Flag: "core_features", Reason: "DEFAULT", Count: 1, Last: now},
		},
	}
	if diff := cmp.Diff(want, store.Usage()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// When something was last seen does not move by itself.
	seen := now
	now = began.Add(time.Hour)
	if got := store.Usage().Evaluations[2]; !got.Last.Equal(seen) {
		t.Errorf("blog was last seen at %s", got.Last)
	}
	all := store.EvaluateAll(gold)
	if got := store.Usage().Evaluations; len(all) != len(catalogue) || len(got) < len(catalogue) {
		t.Errorf("%d flags, %d outcomes", len(all), len(got))
	}
	counted := map[string]uint64{}
	unknown := store.CountEvaluations(func(flag, variant, reason string, count uint64) { counted[flag+"/"+variant+"/"+reason] += count })
	if counted["blog/enabled/STATIC"] != 4 || counted["api_access/enabled/TARGETING_MATCH"] != 2 || unknown != 3 {
		t.Errorf("%v, %d unknown", counted, unknown)
	}
}

// TestUsageIsBounded asks for far more than is told apart.
func TestUsageIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store := used(t, &now)
	for i := range 2 * outcomesLimit {
		store.usage.count(&flagd.Result{Key: fmt.Sprintf("flag_%d", i), Reason: flagd.Static}, nil, nil)
		store.Evaluate(fmt.Sprintf("unknown_%d", i), nil)
	}
	usage := store.Usage()
	var other uint64
	for _, e := range usage.Evaluations {
		if e.Flag == beyondLimit {
			other = e.Count
		}
	}
	if len(usage.Evaluations) > outcomesLimit+1 || other == 0 || len(usage.Unknown) != unknownLimit || usage.UnknownAsked != 2*outcomesLimit {
		t.Errorf("%d outcomes, %d others, %d unknown of %d", len(usage.Evaluations), other, len(usage.Unknown), usage.UnknownAsked)
	}
}

// TestContextsHoldWhatRulesAskFor looks for what clients send along.
func TestContextsHoldWhatRulesAskFor(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := began
	store := used(t, &now)
	ask := func(n int) {
		store.Evaluate("api_access", &flagd.Context{TargetingKey: fmt.Sprintf("customer:%d", n), Attributes: map[string]any{
			"plan": "gold", "groups": []any{"vip"}, "email": "ada@example.com", "ip": "192.0.2.7",
		}})
	}
	ask(1)
	want := contract.FlagContexts{Flag: "api_access", Evaluations: 1, Contexts: []map[string]any{
		{"targetingKey": "customer:1", "plan": "gold", "groups": []any{"vip"}},
	}}
	contexts := func() contract.FlagContexts {
		for _, flag := range store.Contexts().Flags {
			if flag.Flag == "api_access" {
				return flag
			}
		}
		t.Fatal("no contexts")
		return contract.FlagContexts{}
	}
	if diff := cmp.Diff(want, contexts()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	store.Evaluate("api_access", &flagd.Context{TargetingKey: strings.Repeat("x", 1000), Attributes: map[string]any{
		"plan": strings.Repeat("x", 1000), "groups": make([]any, 1000),
	}})
	if got := contexts().Contexts[1]; len(got) != 0 {
		t.Errorf("kept what is too long: %v", got)
	}
	for n := range 100 * contract.FlagContextsLimit {
		ask(n)
	}
	if got := contexts(); len(got.Contexts) != contract.FlagContextsLimit || got.Evaluations != 2+100*contract.FlagContextsLimit {
		t.Errorf("%d contexts of %d evaluations", len(got.Contexts), got.Evaluations)
	}
	now = began.Add(sampleLife + time.Second)
	if got := contexts(); len(got.Contexts) != 0 {
		t.Errorf("%d contexts are older than an hour", len(got.Contexts))
	}
	store.SampleContexts(false)
	ask(1)
	if got := contexts(); len(got.Contexts) != 0 {
		t.Errorf("contexts are kept although they are not to be: %v", got.Contexts)
	}
}

func BenchmarkAccessorStatic(b *testing.B) {
	store := Defaults(slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		if store.Blog() {
			b.Fatal("the blog is on by default")
		}
	}
}
