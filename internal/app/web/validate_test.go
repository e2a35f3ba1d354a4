package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
)

// testAnalysis runs the analysis as the app does, in processes of their own.
func testAnalysis(tb testing.TB, reg prometheus.Registerer, log *slog.Logger) *AnalysisDeps {
	tb.Helper()
	m, err := metrics.NewAnalysis(reg)
	if err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	pool, err := worker.NewPool(worker.Options{Command: self, Args: []string{worker.Command}, Size: 2, Timeout: 30 * time.Second, Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return &AnalysisDeps{Service: analysis.New(pool, analysis.NewCache(1000, time.Minute, time.Now)), Metrics: m}
}

func (s *site) validate(path, key, body string) (validateResponse, answer) {
	s.t.Helper()
	a := s.do(http.DefaultClient, http.MethodPost, path, body, "x-api-key", key)
	var out validateResponse
	if a.status == http.StatusOK {
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			s.t.Fatalf("%v: %s", err, a.body)
		}
	}
	return out, a
}

func TestValidate(t *testing.T) {
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "validate@kiln.example")
	const body = `{"repository":"kiln/app","extra":1,"vulnerabilities":[
		{"id":"a","type":"SqlInjection","file":"src/a.js","line":2,"code":"db.query('SELECT ' + id)","severity":"high"},
		{"id":"b","type":"sql-injection","filePath":"src/a.js","line":"3","code":"db.query('SELECT ?', [id])"},
		{"id":"c","type":"xss","file":"gone.js","line":1,"code":"x"},
		{"id":"a2","type":"sql_injection","file":"src/a.js","line":2,"code":"db.query('SELECT ' + id)"},
		{"id":"d","type":"sql_injection","file":"src/b.js","code":"db.query('SELECT ' + req.query.x)"}],
		"files":{"src/a.js":{"content":"function f(req) { const id = req.query.id\n  db.query('SELECT ' + id)\n  db.query('SELECT ?', [id]) }","hash":"sha256:00"},
		"src/b.js":"\n\ndb.query('SELECT ' + req.query.x)"}}`
	for _, path := range []string{validatePath, validateAliasPath} {
		out, a := s.validate(path, key, body)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		var ids []string
		var valid []bool
		for _, v := range out.Validated {
			ids, valid = append(ids, v.ID), append(valid, v.IsValid)
			if v.IsVulnerable != v.IsValid || v.FalsePositive == v.IsValid || v.Reason == "" || v.FilePath != v.File {
				t.Errorf("%+v", v)
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "a2", "d"}, ids) + cmp.Diff([]bool{true, false, true, true, true}, valid); diff != "" {
			t.Error(diff)
		}
		if v := out.Validated[0]; v.Confidence != 0.85 || v.ASTContext.EnclosingFunction != "f" || !strings.Contains(v.Reason, "req.query") {
			t.Errorf("%+v, %+v", v, v.ASTContext)
		}
		if v := out.Validated[2]; v.Reason != "File content unavailable" || v.Confidence != 0.5 || v.ASTContext != nil {
			t.Errorf("without content: %+v", v)
		}
		if diff := cmp.Diff(validateStats{Total: 5, Validated: 4, Rejected: 1, TruePositives: 4, FalsePositives: 1}, out.Stats); diff != "" {
			t.Error(diff)
		}
		want := analysis.CacheStats{Misses: 4, Internal: 1}
		if path == validateAliasPath { // asked before
			want = analysis.CacheStats{Hits: 3, Misses: 1, Internal: 1}
		}
		if diff := cmp.Diff(want, out.Cache); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	other := s.onboard(http.DefaultClient, "other@kiln.example")
	if out, _ := s.validate(validatePath, other, body); out.Cache.Hits != 0 {
		t.Error("another customer's verdicts are shared")
	}
	changed := strings.ReplaceAll(body, "= req.query.id", "= 7")
	if out, _ := s.validate(validatePath, key, changed); out.Validated[0].IsValid || out.Validated[0].FromCache {
		t.Errorf("a changed file: %+v", out.Validated[0])
	}
}

func TestValidateRefuses(t *testing.T) {
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "refuses@kiln.example")
	if a := s.do(http.DefaultClient, http.MethodPost, validatePath, ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a key and a body: %d", a.status)
	}
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		``:                                     {400, "send a JSON object"},
		`[1]`:                                  {400, "send a JSON object"},
		`{"vulnerabilities":`:                  {400, "not JSON"},
		`{}`:                                   {422, "vulnerabilities is required"},
		`{"vulnerabilities":[]}`:               {422, "vulnerabilities is required"},
		`{"vulnerabilities":"x"}`:              {422, "vulnerabilities must be of the JSON type array"},
		`{"vulnerabilities":[{}]}`:             {422, "vulnerabilities[0].type is required"},
		`{"vulnerabilities":[{"type":"xss"}]}`: {422, "vulnerabilities[0].file is required"},
		`{"vulnerabilities":[{"type":"xss","file":"a"}],"files":{"a":[]}}`: {422, "files must hold strings"},
	} {
		_, a := s.validate(validatePath, key, body)
		if a.status != want.status || !strings.Contains(a.body, want.text) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	_, a := s.validate(validatePath, key, `{"vulnerabilities":[{"type":"xss","file":"a"}],"pad":"`+strings.Repeat("x", maxAnalysisBytes)+`"}`)
	if a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", a.status)
	}
	if _, a := s.validate(validatePath, key, `{"file":"a.js","content":"eval(req.body.x)","vulnerabilityType":"eval-injection"}`); a.status != http.StatusOK {
		t.Errorf("one file: %d %s", a.status, a.body)
	}
}
