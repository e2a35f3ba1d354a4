package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/insert"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

func TestTestIntegration(t *testing.T) {
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "integration@kiln.example")
	post := func(path, body string) answer {
		return s.do(http.DefaultClient, http.MethodPost, path, body, "x-api-key", key)
	}

	var ranked analyzeResponse
	a := post(analyzePath, `{"vulnerableFile":"app/models/basket.rb","candidateTestFiles":["spec/system/login_spec.rb","spec/models/basket_spec.rb"],"framework":"rspec","more":1}`)
	if err := json.Unmarshal([]byte(a.body), &ranked); err != nil || a.status != http.StatusOK || ranked.Recommendations[0].Score != 1.5 ||
		ranked.Recommendations[0].Path != "spec/models/basket_spec.rb" || ranked.Fallback.Path != "spec/security/models/basket_security_spec.rb" {
		t.Errorf("%v %d %s\n%s", err, a.status, a.body, s.log)
	}

	a = post(namingPath, `{"vulnerableFile":"src/ui/cart-line.tsx","type":"stored-xss","framework":"JEST"}`)
	if a.status != http.StatusOK || a.body != `{"testFileName":"CartLine.storedXss.test.tsx","testPath":"__tests__/security/CartLine.storedXss.test.tsx"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if p := post(namingPath, `{"vulnerableFile":"a.js","framework":"jest"}`).problem(t); p.Status != 422 || p.Code != "VALIDATION_ERROR" || p.Message != "type is required" {
		t.Errorf("%+v", p)
	}

	var made generateResponse
	a = post(generatePath, `{"requestId":"r-9","targetFileContent":"describe('a', () => {\n  it('b', f)\n})\n","framework":"vitest","language":"typescript",
		"testSuite":{"redTests":[{"testName":"n","testCode":"f()","attackVector":"v"}]}}`)
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusOK || made.RequestID != "r-9" || made.Method != "ast" ||
		!strings.Contains(made.Content, "describe('security'") {
		t.Errorf("%v %d %s\n%s", err, a.status, a.body, s.log)
	}
	if diff := cmp.Diff(&insert.Point{Line: 4, Strategy: "after_last_it_block", Parent: "describe_block"}, made.Point); diff != "" {
		t.Error(diff)
	}
	a = post(generatePath, `{"targetFileContent":"","framework":"pytest","language":"python","testSuite":{"redTests":[{"testName":"n","testCode":"assert 1","attackVector":"v"}]}}`)
	if !strings.Contains(a.body, `"insertionPoint":null`) || !strings.Contains(a.body, `"method":"append"`) || !strings.Contains(a.body, "test-int-") {
		t.Errorf("%d %s\n%s", a.status, a.body, s.log)
	}
}

func TestTestIntegrationRefuses(t *testing.T) {
	s := newSite(t, dbtest.URL(t), nil)
	for _, path := range []string{analyzePath, namingPath, generatePath} {
		if a := s.do(http.DefaultClient, http.MethodPost, path, ""); a.status != http.StatusUnauthorized {
			t.Errorf("%s without a key: %d", path, a.status)
		}
	}
	key := s.onboard(http.DefaultClient, "refused@kiln.example")
	const ok = `"framework":"jest","language":"javascript"`
	for _, c := range []struct {
		path, body string
		status     int
		text       string
	}{
		{analyzePath, `{}`, 400, "Missing required fields"},
		{analyzePath, `{"vulnerableFile":"","candidateTestFiles":[],"framework":"jest"}`, 400, "at least one candidate"},
		{analyzePath, `{"vulnerableFile":"a","candidateTestFiles":["b"],"framework":"ava"}`, 400, "unsupported framework"},
		{analyzePath, `{"vulnerableFile":"a","candidateTestFiles":"b","framework":"jest"}`, 400, "must be a list"},
		{generatePath, `{` + ok + `}`, 400, "Missing required fields"},
		{generatePath, `{"targetFileContent":1,"testSuite":{},` + ok + `}`, 400, "must be a binary"},
		{generatePath, `{"targetFileContent":"","testSuite":[],` + ok + `}`, 400, "must be a map"},
		{generatePath, `{"targetFileContent":"","testSuite":{"redTests":{}},` + ok + `}`, 400, "must be a list"},
		{generatePath, `{"targetFileContent":"","testSuite":{"redTests":[]},` + ok + `}`, 400, "must not be empty"},
		{generatePath, `{"targetFileContent":"","testSuite":{"redTests":[{"testName":"a"}]},` + ok + `}`, 400, "missing required fields"},
		{generatePath, `{"targetFileContent":"","testSuite":{"redTests":[{"testName":"a","testCode":"b","attackVector":"c"}]},"framework":"ava","language":"javascript"}`, 400, "framework must be one of"},
		{generatePath, `{"targetFileContent":"","testSuite":{"redTests":[{"testName":"a","testCode":"b(","attackVector":"c"}]},` + ok + `}`, 422, "redTests[0].testCode is no valid javascript"},
	} {
		p := s.do(http.DefaultClient, http.MethodPost, c.path, c.body, "x-api-key", key).problem(t)
		if p.Status != c.status || !strings.Contains(p.Message, c.text) || p.RequestID == "" {
			t.Errorf("%s %s: %+v", c.path, c.body, p)
		}
	}
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "status" && l.GetValue() == "validation_error" {
					counts[f.GetName()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	if counts["rsolv_test_integration_analyze_total"] != 4 || counts["rsolv_test_integration_generate_total"] != 8 {
		t.Errorf("%v", counts)
	}
}
