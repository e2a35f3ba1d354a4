package judge

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// dense is a file of 300 lines with something to follow in each, and findings
// in it.
func dense(n, findings int) (path, content string, found []Finding) {
	var b strings.Builder
	path = fmt.Sprintf("src/routes%d.js", n)
	line := 0
	put := func(format string, args ...any) {
		fmt.Fprintf(&b, format+"\n", args...)
		line++
	}
	put("const { exec } = require('child_process'), db = require('./db'), ALLOWED = ['name', 'email', 'created_at']")
	for i := 0; line < 298; i++ {
		put("app.get('/items%d/:id', async (req, res, next) => {", i)
		put("  const { sort = 'id', page, filter: { name, tags = [] } = {} } = req.query, limit%d = parseInt(page, 10) * 20 + %d", i, i)
		put("  const column%d = ALLOWED.includes(sort) ? sort : ALLOWED[%d %% ALLOWED.length]; let where%d = `status = '${req.params.id}'`", i, i, i)
		put("  if (name && name.length > 2 && tags.every((t) => typeof t === 'string')) { where%d += ' AND name LIKE \\'%%' + name.trim() + '%%\\'' }", i)
		put("  const rows%d = await db.query('SELECT id, name FROM items WHERE ' + where%d + ' ORDER BY ' + column%d + ' LIMIT ' + limit%d)", i, i, i, i)
		found = append(found, Finding{Type: "sql_injection", File: path, Line: line, Code: fmt.Sprintf("const rows%d = await db.query(", i)})
		put("  res.send(`<ul>${rows%d.map((r) => `<li data-id=\"${Number(r.id)}\">${escapeHtml(r.name)}</li>`).join('')}</ul>` + req.query.footer)", i)
		found = append(found, Finding{Type: "xss", File: path, Line: line, Code: "res.send("})
		put("  exec(`convert ${req.body.size} -resize ${Math.min(limit%d, 400)}x in%d.png out%d.png`, (err, out) => err ? next(err) : log(out))", i, i, i)
		found = append(found, Finding{Type: "command_injection", File: path, Line: line, Code: "exec("})
		put("})")
	}
	return path, b.String(), found[:min(findings, len(found))]
}

type batch struct {
	path, content string
	findings      []Finding
}

func batches() []batch {
	out := make([]batch, 5)
	for i := range out {
		out[i].path, out[i].content, out[i].findings = dense(i, 10)
	}
	return out
}

// p95 reports the 95th percentile of the processor time that something takes,
// the collector's included: what one core needs for it, whatever else runs; and
// of the time by the clock beside it.
func p95(b *testing.B, do func()) {
	b.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent)) // as in a worker
	var took, clock []time.Duration
	for b.Loop() {
		began, started := time.Now(), syntax.CPU()
		do()
		took, clock = append(took, syntax.CPU()-started), append(clock, time.Since(began))
	}
	slices.Sort(took)
	slices.Sort(clock)
	b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
	b.ReportMetric(float64(clock[len(clock)*95/100])/1e6, "p95-wall-ms")
}

// BenchmarkParseFive parses five dense files and does nothing with them.
func BenchmarkParseFive(b *testing.B) {
	files := batches()
	p95(b, func() {
		for _, f := range files {
			if _, err := syntax.Parse(syntax.JavaScript, f.path, []byte(f.content)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkJudgeFifty judges 50 findings in five dense files, parsing included.
func BenchmarkJudgeFifty(b *testing.B) {
	files := batches()
	p95(b, func() {
		for _, f := range files {
			file := NewFile(f.path, f.content)
			for _, finding := range f.findings {
				if v := file.Judge(finding); v.Reason == "" {
					b.Fatal("no verdict")
				}
			}
		}
	})
}

// BenchmarkCorpus reports how the judge and the original's rules do over the
// corpus, for each type and language.
func BenchmarkCorpus(b *testing.B) {
	all, classes := compare(b, nil)
	classes["all findings"] = &all
	for name, c := range classes {
		kind, rest, _ := strings.Cut(name, " ")
		if kind == "class" {
			continue
		}
		for who, s := range map[string]score{"ours": c.ours, "original": c.original} {
			b.Run(who+"/"+kind+"_"+strings.ReplaceAll(rest, " ", "_"), func(b *testing.B) {
				b.ReportMetric(s.precision(), "precision")
				b.ReportMetric(s.recall(), "recall")
				b.ReportMetric(s.youden(), "youden")
			})
		}
	}
}

// FuzzJudge judges anything, in all languages, without a panic.
func FuzzJudge(f *testing.F) {
	for i, l := range corpus(f) {
		if i%10 == 0 {
			f.Add(l.content, l.Code, l.Line, l.Type, l.File)
		}
	}
	f.Add("\x00\xff", "", -1, "", "")
	f.Fuzz(func(t *testing.T, content, code string, line int, kind, path string) {
		for _, ext := range []string{"", ".js", ".ts", ".tsx", ".py", ".rb", ".php", ".java", ".go", ".ex"} {
			file := NewFile("f"+ext, content)
			for _, k := range append([]Type{Type(kind)}, Types()...) {
				v := file.Judge(Finding{Type: string(k), File: path, Line: line, Code: code})
				if v.Reason == "" || v.Confidence <= 0 || v.Confidence > 1 {
					t.Fatalf("%+v", v)
				}
			}
		}
	})
}
