package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// labelled is one finding of the corpus: real or not, and why.
type labelled struct {
	Finding
	language syntax.Language
	content  string
	real     bool
	why      string
	place    string
}

var extensions = map[string]string{
	"js": "src/app.js", "ts": "src/app.ts", "tsx": "src/app.tsx", "py": "app/views.py", "rb": "app/controllers/app_controller.rb",
	"php": "src/app.php", "java": "src/main/java/App.java", "go": "internal/web/app.go", "ex": "lib/app_web/controllers/app_controller.ex",
}

// corpus reads testdata/corpus: a file for each type, in it pieces of source
// that begin with "== extension [path]". A reported line ends with § and T or F,
// real or a false alarm, and says why.
func corpus(tb testing.TB) []labelled {
	tb.Helper()
	files, err := filepath.Glob("../testdata/corpus/*.txt")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no corpus: %v", err)
	}
	var out []labelled
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		kind := strings.TrimSuffix(filepath.Base(file), ".txt")
		for i, piece := range strings.Split("\n"+string(raw), "\n== ")[1:] {
			head, body, _ := strings.Cut(piece, "\n")
			extension, path, _ := strings.Cut(head, " ")
			if path == "" {
				path = extensions[extension]
			}
			var source []string
			var found []labelled
			for n, line := range strings.Split(body, "\n") {
				text, mark, reported := strings.Cut(line, "§")
				text = strings.TrimRight(text, " ")
				source = append(source, text)
				if !reported {
					continue
				}
				found = append(found, labelled{
					Finding: Finding{Type: kind, File: path, Line: n + 1, Code: strings.TrimSpace(text)}, language: syntax.LanguageOf(path),
					real: strings.HasPrefix(mark, "T"), why: strings.TrimSpace(mark[1:]), place: fmt.Sprintf("%s piece %d line %d", kind, i+1, n+1),
				})
			}
			for _, f := range found {
				f.content = strings.Join(source, "\n")
				out = append(out, f)
			}
		}
	}
	return out
}

// score counts what a judge makes of labelled findings.
type score struct{ hit, miss, alarm, quiet int }

func (s *score) add(real, valid bool) {
	switch {
	case real && valid:
		s.hit++
	case real:
		s.miss++
	case valid:
		s.alarm++
	default:
		s.quiet++
	}
}

func ratio(a, b int) float64 {
	if a+b == 0 {
		return 1
	}
	return float64(a) / float64(a+b)
}

func (s score) recall() float64      { return ratio(s.hit, s.miss) }
func (s score) falseAlarms() float64 { return 1 - ratio(s.quiet, s.alarm) }
func (s score) precision() float64   { return ratio(s.hit, s.alarm) }
func (s score) youden() float64      { return s.recall() - s.falseAlarms() }

// compared are the scores of ours and of the original's rules.
type compared struct{ ours, original score }

func compare(tb testing.TB, report func(labelled, Verdict)) (all compared, classes map[string]*compared) {
	tb.Helper()
	classes = map[string]*compared{}
	files := map[string]*File{}
	for _, l := range corpus(tb) {
		key := l.File + "\x00" + l.content
		if files[key] == nil {
			files[key] = NewFile(l.File, l.content)
		}
		v := files[key].Judge(l.Finding)
		o := original(l.Finding, l.content)
		if report != nil {
			report(l, v)
		}
		for _, name := range []string{"type " + l.Type, "language " + string(l.language), "class " + string(l.language) + " " + l.Type} {
			if classes[name] == nil {
				classes[name] = &compared{}
			}
			classes[name].ours.add(l.real, v.Valid)
			classes[name].original.add(l.real, o)
		}
		all.ours.add(l.real, v.Valid)
		all.original.add(l.real, o)
	}
	return all, classes
}

func TestCorpus(t *testing.T) {
	all, classes := compare(t, func(l labelled, v Verdict) {
		if l.real != v.Valid {
			t.Logf("%s (%s): %s\n\treal %v, because %s\n\tours %v %.2f: %s", l.place, l.language, l.Code, l.real, l.why, v.Valid, v.Confidence, v.Reason)
		}
		if v.Reason == "" {
			t.Errorf("%s: no reason", l.place)
		}
	})
	count := all.ours.hit + all.ours.miss + all.ours.alarm + all.ours.quiet
	t.Logf("%d findings: recall %.3f, false alarms %.3f, precision %.3f; original: recall %.3f, false alarms %.3f", count,
		all.ours.recall(), all.ours.falseAlarms(), all.ours.precision(), all.original.recall(), all.original.falseAlarms())
	if count < 300 {
		t.Errorf("only %d findings", count)
	}
	if all.ours.recall() < 0.95 || all.ours.falseAlarms() >= 0.10 {
		t.Error("recall has to be at least 0.95, and the rate of false alarms below 0.10")
	}
	names := make([]string, 0, len(classes))
	for name := range classes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := classes[name]
		if strings.HasPrefix(name, "language ") && (c.ours.recall() < 0.95 || c.ours.falseAlarms() >= 0.10) {
			t.Errorf("%s: recall %.2f, false alarms %.2f", name, c.ours.recall(), c.ours.falseAlarms())
		}
		if c.ours.youden() < c.original.youden() {
			t.Errorf("%s: ours %.2f is worse than the original's %.2f", name, c.ours.youden(), c.original.youden())
		}
	}
}
