package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestFrameworkDetect(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	for _, c := range []struct {
		body   string
		status int
		text   string
	}{
		{`{"packageJson":{"name":"x","devDependencies":{"vitest":"^1.2.3","jest":"29"}}}`, 200, `{"framework":"vitest","version":"1.2.3","testDir":"test/","compatibleWith":["jest"]}`},
		{`{"configFiles":["pytest.ini"]}`, 200, `{"framework":"pytest","version":null,"testDir":"tests/","compatibleWith":[]}`},
		{`{}`, 400, "Nothing to look at"},
		{`{"gemfile":"","configFiles":[]}`, 400, "Nothing to look at"},
		{`{"packageJson":{}}`, 422, "No test framework detected"},
		{`{"composerJson":{"require":{}},"mixExs":"x"}`, 400, "Nothing to look at"},
		{`{"configFiles":["phpunit.xml"],"pomXml":"<xml>"}`, 422, "No test framework detected"},
		{`{"gemfile":7}`, 422, "gemfile must be of the JSON type string"},
	} {
		a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/framework/detect", c.body)
		if a.status != c.status || !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
		}
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	key, stranger := s.onboard(http.DefaultClient, "ops@kiln.example"), s.onboard(http.DefaultClient, "other@kiln.example")
	store := func(body string) answer {
		return s.do(http.DefaultClient, http.MethodPost, "/api/v1/phases/store", body, "X-Api-Key", key)
	}
	for _, body := range []string{
		`{"phase":"scan","repo":"kiln/shop","commitSha":"abc","branch":"main","data":{"n":1}}`,
		`{"phase":"scan","repo":"kiln/shop","commit_sha":"abc","data":{"n":2}}`,
		`{"phase":"scan","repo":"kiln/shop","commitSha":"def","data":{"n":3}}`,
		`{"phase":"validation","repo":"kiln/shop","commitSha":"abc","issueNumber":12,"data":{"v":1}}`,
		`{"phase":"mitigation","repo":"kiln/shop","commitSha":"abc","issueNumber":13,"data":{"m":1}}`,
	} {
		if a := store(body); a.status != 200 || !strings.Contains(a.body, `"success":true`) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for body, want := range map[string]string{
		`{"phase":"plan","repo":"kiln/shop","commitSha":"abc","data":{}}`:             "phase must be scan, validation or mitigation",
		`{"phase":"scan","repo":"shop","commitSha":"abc","data":{}}`:                  "repo is required, as owner/name",
		`{"phase":"scan","repo":"kiln/shop","data":{}}`:                               "commitSha is required",
		`{"phase":"validation","repo":"kiln/shop","commitSha":"abc","data":{}}`:       "issueNumber is required",
		`{"phase":"scan","repo":"kiln/shop","commitSha":"abc","data":[1]}`:            "data is required",
		`{"phase":"scan","repo":"kiln/shop","commitSha":"abc"}`:                       "data is required",
		`{"phase":"scan","repo":"kiln/shop","commitSha":"abc","data":{"x":"\u0000"}}`: "data must not contain NUL",
	} {
		if a := store(body); a.status != 400 || !strings.HasPrefix(a.problem(t).Message, want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := store(`{"phase":"scan","repo":"kiln/shop","commitSha":"abc","data":{"x":"` + strings.Repeat("x", maxPhaseBody) + `"}}`); a.status != 413 {
		t.Errorf("a large one: %d %s", a.status, a.body)
	}
	for query, want := range map[string]string{
		"repo=kiln/shop":                     `{"mitigation":{"issue-13":{"m":1}},"scan":{"n":3},"validation":{"issue-12":{"v":1}}}`,
		"repo=kiln/shop&issue=12&commit=abc": `{"scan":{"n":2},"validation":{"issue-12":{"v":1}}}`,
		"repo=kiln/other&issue=12&commit=x":  `{}`,
	} {
		a := s.get("/api/v1/phases/retrieve?"+query, "X-Api-Key", key)
		var got, wanted any
		if json.Unmarshal([]byte(a.body), &got) != nil || json.Unmarshal([]byte(want), &wanted) != nil || a.status != 200 {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		if x, _ := json.Marshal(got); string(x) != want {
			t.Errorf("%s: %s, want %s", query, x, want)
		}
	}
	if a := s.get("/api/v1/phases/retrieve?issue=12", "X-Api-Key", key); a.status != 400 {
		t.Errorf("without a repository: %d %s", a.status, a.body)
	}
	if a := s.get("/api/v1/phases/retrieve?repo=kiln/shop", "X-Api-Key", stranger); strings.TrimSpace(a.body) != "{}" {
		t.Errorf("a stranger reads %s", a.body)
	}
}

// TestPhasesAreCounted: what a phase says of itself becomes the metrics that
// alerts read, once however often a client sends it.
func TestPhasesAreCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	const (
		mitigation = `{"phase":"mitigation","repo":"kiln/shop","commitSha":"abc","issueNumber":13,"data":{"language":"ruby","durationMs":90000,"trustScore":87,"prUrl":"https://github.com/kiln/shop/pull/7"}}`
		failed     = `{"phase":"mitigation","repo":"kiln/shop","commitSha":"abc","issueNumber":14,"data":{"language":"cobol","fixed":false}}`
		validation = `{"phase":"validation","repo":"kiln/shop","commitSha":"abc","issueNumber":13,"data":{"language":"ruby","testExecutionMs":1200}}`
	)
	for _, body := range []string{mitigation, validation, mitigation, failed, validation, strings.Replace(mitigation, "abc", "def", 1)} {
		if a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/phases/store", body, "X-Api-Key", key); a.status != 200 {
			t.Fatalf("%s: %d %s", body, a.status, a.body)
		}
	}
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{contract.MetricMitigationExecutions, []string{"language", "ruby", "status", "completed"}, 2},
		{contract.MetricMitigationExecutions, []string{"language", "other", "status", "failed"}, 1},
		{contract.MetricMitigationDuration, []string{"language", "ruby", "status", "completed"}, 2},
		{contract.MetricMitigationDuration, nil, 2},
		{contract.MetricMitigationTrustScore, []string{"language", "ruby"}, 2},
		{contract.MetricPullRequestsCreated, nil, 2},
		{contract.MetricTestExecutionDuration, []string{"language", "ruby", "status", "completed"}, 1},
	} {
		if got := s.counter(test.name, test.labels...); got != test.want {
			t.Errorf("%s%v = %v; want %v", test.name, test.labels, got, test.want)
		}
	}
}
