package analysis

import (
	"context"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
)

func TestCache(t *testing.T) {
	now := time.Unix(0, 0)
	c := NewCache(2, time.Minute, func() time.Time { return now })
	f := judge.Finding{Type: "sql-injection", File: "a.js", Line: 1, Code: "x"}
	keys := map[string]Key{"": KeyOf(1, f, digest("a"))}
	for name, change := range map[string]func() Key{
		"customer": func() Key { return KeyOf(2, f, digest("a")) },
		"content":  func() Key { return KeyOf(1, f, digest("b")) },
		"line":     func() Key { g := f; g.Line = 2; return KeyOf(1, g, digest("a")) },
		"code":     func() Key { g := f; g.Code = "y"; return KeyOf(1, g, digest("a")) },
		"file":     func() Key { g := f; g.File = "b.js"; return KeyOf(1, g, digest("a")) },
		"type":     func() Key { g := f; g.Type = "xss"; return KeyOf(1, g, digest("a")) },
	} {
		for other, k := range keys {
			if k == change() {
				t.Errorf("another %s has the key of %q", name, other)
			}
		}
		keys[name] = change()
	}
	if g := (judge.Finding{Type: "SqlInjection", File: "a.js", Line: 1, Code: "x"}); KeyOf(1, g, digest("a")) != keys[""] {
		t.Error("another spelling of the type has another key")
	}
	c.Put(keys[""], judge.Verdict{Reason: "1"})
	if v, ok := c.Get(keys[""]); !ok || v.Reason != "1" {
		t.Error("a verdict is not kept")
	}
	c.Put(keys["line"], judge.Verdict{})
	c.Get(keys[""]) // the most recently used stays
	c.Put(keys["code"], judge.Verdict{})
	if _, ok := c.Get(keys["line"]); ok || c.Len() != 2 {
		t.Errorf("%d verdicts are kept", c.Len())
	}
	if _, ok := c.Get(keys[""]); !ok {
		t.Error("the one in use was dropped")
	}
	now = now.Add(time.Minute)
	if _, ok := c.Get(keys[""]); ok || c.Len() != 1 {
		t.Error("an expired verdict is still there")
	}
}

// failing is a runner whose workers crash over one file.
type failing struct{}

func (failing) Do(_ context.Context, job *worker.Job) (worker.Result, error) {
	if job.Path == "bad.js" {
		return worker.Result{}, worker.ErrFailed
	}
	return worker.Run(job), nil
}

func TestACrashCostsOneFile(t *testing.T) {
	s := New(failing{}, NewCache(10, time.Minute, time.Now))
	in := Validation{Files: map[string]string{"bad.js": "eval(req.body.x)", "good.js": "eval(req.body.x)"}}
	for _, file := range []string{"bad.js", "good.js"} {
		in.Findings = append(in.Findings, Finding{ID: file, Finding: judge.Finding{Type: "eval", File: file, Line: 1, Code: "eval(req.body.x)"}})
	}
	for range 2 {
		got, stats, err := s.Validate(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if !got[0].Valid || got[0].Confidence != 0.4 || got[0].FromCache || got[1].Confidence != 0.95 {
			t.Errorf("%+v, %+v", got, stats)
		}
	}
}

// late is a runner that runs out of time at the first try.
type late struct{ tries int }

func (l *late) Do(_ context.Context, job *worker.Job) (worker.Result, error) {
	l.tries++
	if l.tries == 1 {
		return worker.Result{Verdicts: []judge.Verdict{judge.NotJudged(job.Findings[0], "the file's other findings took too long")}}, nil
	}
	return worker.Run(job), nil
}

func TestWantOfTimeIsNotKept(t *testing.T) {
	s := New(&late{}, NewCache(10, time.Minute, time.Now))
	in := Validation{
		Files:    map[string]string{"a.js": "eval(req.body.x)"},
		Findings: []Finding{{Finding: judge.Finding{Type: "eval", File: "a.js", Line: 1, Code: "eval(req.body.x)"}}},
	}
	for i, want := range []struct {
		confidence float64
		cached     bool
	}{{0.4, false}, {0.95, false}, {0.95, true}} {
		got, _, err := s.Validate(t.Context(), in)
		if err != nil || got[0].Confidence != want.confidence || got[0].FromCache != want.cached {
			t.Errorf("try %d: %v, %+v", i, err, got)
		}
	}
}
