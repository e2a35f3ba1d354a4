package flags

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// targetedBlog is the boolean flag blog with rules.
func targetedBlog(targeting string) string {
	return `"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled","targeting":` + targeting + `}`
}

func opened(tb testing.TB, log *slog.Logger, flags ...string) *Store {
	tb.Helper()
	m := &mount{tb: tb, dir: tb.TempDir()}
	m.publish(file(flags...))
	s, err := Open(m.dir, log)
	must(tb, err)
	if problem := s.Status().Error; problem != "" {
		tb.Fatal(problem)
	}
	return s
}

func TestScheduledFlagFollowsTheClock(t *testing.T) {
	t.Parallel()
	s := opened(t, slog.New(slog.DiscardHandler), targetedBlog(`{"if":[{">=":[{"var":"$flagd.timestamp"},1000]},"enabled"]}`))
	now := time.Unix(999, 0)
	s.now = func() time.Time { return now }
	if s.Blog() {
		t.Error("the blog is on too early")
	}
	now = time.Unix(1000, 0)
	if result := s.Evaluate("blog", nil); !s.Blog() || result.Value != true {
		t.Errorf("the blog is not on in time: %+v", result)
	}
	if result := s.Evaluate("blog", &flagd.Context{Time: time.Unix(5, 0)}); result.Value != false {
		t.Errorf("the time that was given does not count: %+v", result)
	}
}

func TestEvaluateWithContext(t *testing.T) {
	t.Parallel()
	s := opened(t, slog.New(slog.DiscardHandler),
		targetedBlog(`{"if":[{"in":[{"var":"targetingKey"},["customer:42"]]},"enabled"]}`),
		`"limit":{"state":"ENABLED","variants":{"low":1,"high":10},"defaultVariant":"low"}`)
	for _, test := range []struct {
		key, who, want string
		value          any
	}{
		{"blog", "customer:42", "TARGETING_MATCH", true},
		{"blog", "customer:1", "DEFAULT", false},
		{"limit", "", "STATIC", 1.0},
		{"team_size_field", "", "DEFAULT", true}, // known, not declared
		{"rsolv_blog", "", "FLAG_NOT_FOUND", nil},
	} {
		result := s.Evaluate(test.key, &flagd.Context{TargetingKey: test.who})
		if result.Why() != test.want || result.Value != test.value || result.Key != test.key {
			t.Errorf("%s for %q: %+v", test.key, test.who, result)
		}
	}
	if s.Blog() {
		t.Error("the blog is on for nobody")
	}
	all := s.All(&flagd.Context{TargetingKey: "customer:42"})
	keys := make([]string, len(all))
	for i, result := range all {
		keys[i] = result.Key
		if diff := cmp.Diff(s.Evaluate(result.Key, &flagd.Context{TargetingKey: "customer:42"}), result); diff != "" {
			t.Errorf("%s: %s", result.Key, diff)
		}
	}
	if !slices.IsSorted(keys) || len(slices.Compact(keys)) != int(flagCount)+1 {
		t.Errorf("%d flags: %v", len(keys), keys)
	}
}

func TestRulesThatFailMeanTheDefault(t *testing.T) {
	t.Parallel()
	log := &journal{}
	s := opened(t, log.logger(), targetedBlog(`{"cat":["no ","variant"]}`))
	for range 3 {
		if s.Blog() {
			t.Error("the blog is on")
		}
	}
	if n := log.count(`"flag":"blog","default":false,"reason":"GENERAL"`); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

func TestChangedTellsOfOtherFlags(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	m.publish(file(boolean("blog", "disabled")))
	s, err := Open(m.dir, slog.New(slog.DiscardHandler))
	must(t, err)
	isClosed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	changed := s.Changed()
	s.reload()
	m.publish([]byte("no flags"))
	s.reload()
	if isClosed(changed) {
		t.Error("told of a change when the flags stayed as they were")
	}
	m.publish(file(boolean("blog", "enabled")))
	s.reload()
	if !isClosed(changed) || isClosed(s.Changed()) {
		t.Error("a change was not told, or told for ever")
	}
}
