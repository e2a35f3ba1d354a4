package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v83/webhook"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

const contractSecret = "whsec_0123456789abcdefghijklmnopqrstuv"

// call is one request of a client, and what it is answered.
type call struct {
	about, method, path, body string
	headers                   []string
	status                    int
	// want are fragments of the answer.
	want []string
}

// What shipping clients send, to the real program on a real database, and what
// they read of its answers: success and each kind of error, endpoint by
// endpoint. Every error is a problem with a text, a code and a request id.
func TestContract(t *testing.T) {
	databaseURL := dbtest.URL(t)
	p := newPod(t, buildApp(t), databaseURL, envStatic+"=anthropic", "ANTHROPIC_API_KEY=sk-ant-0123456789abcdefghijklmnopqrstuv",
		"STRIPE_WEBHOOK_SECRET="+contractSecret)
	p.awaitReady()
	key := signUp(t, p, "ops@kiln.example")
	for _, c := range contractCalls(key) {
		t.Run(c.about, func(t *testing.T) { c.check(t, "http://"+p.public) })
	}
	p.end(syscall.SIGTERM)
	if strings.Contains(p.log.String(), key) || strings.Contains(p.log.String(), "sk-ant-0123") {
		t.Error("the log has a secret")
	}
}

func (c call) check(t *testing.T, base string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(c.headers); i += 2 {
		r.Header.Set(c.headers[i], c.headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != c.status {
		t.Fatalf("%d %s, want %d; %v", response.StatusCode, body, c.status, err)
	}
	for _, want := range c.want {
		if !strings.Contains(string(body), want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	if c.status < 400 {
		return
	}
	var problem struct {
		Error, Code, RequestID string
	}
	if err := json.Unmarshal(body, &problem); err != nil || problem.Error == "" || problem.Code == "" ||
		problem.RequestID == "" || problem.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf("no problem, or without text, code or request id: %s", body)
	}
}

func contractCalls(key string) []call {
	with := func(about, method, path, body string, status int, want ...string) call {
		return call{about, method, path, body, []string{"X-Api-Key", key}, status, want}
	}
	without := func(about, method, path, body string, status int, want ...string) call {
		return call{about, method, path, body, nil, status, want}
	}
	const (
		exchange, refresh, usage = "/api/v1/credentials/exchange", "/api/v1/credentials/refresh", "/api/v1/usage/report"
		validate, alias          = "/api/v1/vulnerabilities/validate", "/api/v1/ast/validate"
		analyze, naming          = "/api/v1/test-integration/analyze", "/api/v1/test-integration/naming"
		generate, detect         = "/api/v1/test-integration/generate", "/api/v1/framework/detect"
		store, retrieve          = "/api/v1/phases/store", "/api/v1/phases/retrieve"
		onboard, stripe          = "/api/v1/customers/onboard", "/api/webhooks/stripe"
	)
	event := fmt.Sprintf(`{"id":"evt_1","object":"event","type":"charge.refunded","created":%d,"data":{"object":{}}}`, time.Now().Unix())
	signed := func(about, body string, at time.Time, status int, want ...string) call {
		header := fmt.Sprintf("t=%d,v1=%x", at.Unix(), webhook.ComputeSignature(at, []byte(body), contractSecret))
		return call{about, http.MethodPost, stripe, body, []string{"Stripe-Signature", header}, status, want}
	}
	calls := []call{
		with("exchange", "POST", exchange, `{"api_key":"`+key+`","providers":[],"ttl_minutes":60}`, 200, `"credentials":{}`, `"remaining_fixes":100`, `"reset_at"`),
		{"exchange by bearer", "POST", exchange, `{"providers":[]}`, []string{"Authorization", "Bearer " + key}, 200, []string{`"usage"`}},
		with("exchange before the address is confirmed", "POST", exchange, `{"providers":["anthropic"]}`, 503, "needs a confirmed e-mail address"),
		with("exchange of nothing", "POST", exchange, `{}`, 422, "providers"),
		with("exchange of an unknown provider", "POST", exchange, `{"providers":["x"]}`, 422, "providers"),
		with("exchange for too long", "POST", exchange, `{"providers":["openai"],"ttl_minutes":241}`, 422, "240"),
		with("refresh of nothing", "POST", refresh, `{}`, 422, "credential_id"),
		with("refresh of an unknown credential", "POST", refresh, `{"credential_id":"cred_x"}`, 404, "Credential not found"),
		with("usage", "POST", usage, `{"provider":"openai","tokens_used":5999,"request_count":2,"job_id":"rsolv"}`, 200, `"status":"recorded"`),
		with("usage of an unknown provider", "POST", usage, `{"provider":"x","tokens_used":1,"request_count":1}`, 422, "provider"),
		with("usage without numbers", "POST", usage, `{"provider":"openai"}`, 422, "tokens_used"),

		without("onboarding without an address", "POST", onboard, `{"name":"K"}`, 422, "VALIDATION_FAILED", "email is required"),
		without("onboarding at a disposable address", "POST", onboard, `{"name":"K","email":"a@mailinator.com"}`, 422, "VALIDATION_FAILED", "disposable"),
		without("onboarding twice", "POST", onboard, `{"name":"K","email":"ops@kiln.example"}`, 422, "has already been taken"),
		without("onboarding with an address that is no text", "POST", onboard, `{"name":"K","email":{}}`, 422, "email"),

		with("validate by path to text", "POST", validate, `{"vulnerabilities":[{"id":"q7","type":"sql-injection","file":"a.js","line":1,"code":"// x","severity":"high"}],"files":{"a.js":"// db.query(x)\n"}}`,
			200, `"id":"q7"`, `"isValid":false`, `"stats":`, `"cache_stats":`),
		with("validate by path to object, old names", "POST", alias, `{"repository":"o/r","vulnerabilities":[{"id":"vuln-0","type":"SqlInjection","filePath":"a.js","line":1,"code":"x"}],"files":{"a.js":{"content":"// db.query(x)\n","hash":"sha256:00"}}}`,
			200, `"filePath":"a.js"`, `"falsePositive":`),
		with("validate without files", "POST", validate, `{"vulnerabilities":[{"id":"q","type":"xss","file":"a.js"}]}`, 200, `"validated":[`),
		with("validate nothing", "POST", validate, `{"vulnerabilities":[]}`, 422, "vulnerabilities"),
		with("validate without a file's name", "POST", validate, `{"vulnerabilities":[{"id":"q","type":"xss"}]}`, 422, "file"),

		with("analyze", "POST", analyze, `{"vulnerableFile":"app/models/user.rb","candidateTestFiles":["spec/models/user_spec.rb"],"framework":"rspec"}`, 200, `"recommendations":[`, `"fallback":`),
		with("analyze nothing", "POST", analyze, `{}`, 400, "INVALID_REQUEST", "Missing required fields"),
		with("analyze without candidates", "POST", analyze, `{"vulnerableFile":"a.rb","candidateTestFiles":[],"framework":"rspec"}`, 400, "at least one candidate"),
		with("analyze with an unknown framework", "POST", analyze, `{"vulnerableFile":"a.rb","candidateTestFiles":["b"],"framework":"x"}`, 400, "unsupported framework"),
		with("naming", "POST", naming, `{"vulnerableFile":"app/models/user.rb","type":"sql_injection","framework":"rspec"}`, 200, `"testFileName":`, `"testPath":`),
		with("naming of nothing", "POST", naming, `{}`, 422, "VALIDATION_ERROR", "vulnerableFile is required"),
		with("generate", "POST", generate, `{"requestId":"r-9","framework":"jest","language":"javascript","targetFileContent":"describe('a', () => {\n  it('b', () => {});\n});\n",
			"testSuite":{"redTests":[{"testName":"t","testCode":"expect(1).toBe(2);","attackVector":"x"}]}}`, 200, `"requestId":"r-9"`, `"integratedContent":`, `"method":`, `"totalTimeMs":`),
		with("generate nothing", "POST", generate, `{}`, 400, "INVALID_REQUEST", "Missing required fields"),
		with("generate without tests", "POST", generate, `{"targetFileContent":"","testSuite":{"redTests":[]},"framework":"jest","language":"javascript"}`, 400, "must not be empty"),

		without("detect", "POST", detect, `{"packageJson":{"devDependencies":{"vitest":"^1.2.0","jest":"29"}}}`, 200, `"framework":"vitest"`, `"version":"1.2.0"`, `"compatibleWith":`),
		without("detect in nothing", "POST", detect, `{}`, 400, "error"),
		without("detect nothing", "POST", detect, `{"gemfile":"gem 'rails'"}`, 422, "No test framework detected"),

		with("store a phase", "POST", store, `{"phase":"scan","repo":"kiln/shop","commitSha":"abc","branch":"main","data":{"findings":1}}`, 200, `"success":true`, `"phase":"scan"`),
		with("store for an issue", "POST", store, `{"phase":"validation","repo":"kiln/shop","commit_sha":"abc","issueNumber":12,"data":{"ok":true}}`, 200, `"phase":"validation"`),
		with("store an unknown phase", "POST", store, `{"phase":"x","repo":"kiln/shop","commitSha":"abc","data":{}}`, 400, "phase"),
		with("store without a commit", "POST", store, `{"phase":"scan","repo":"kiln/shop","data":{}}`, 400, "commitSha"),
		with("retrieve", "GET", retrieve+"?repo=kiln/shop&issue=12&commit=abc", "", 200, `"scan":`, `"issue-12":`),
		with("retrieve without an issue, as the client does", "GET", retrieve+"?repo=kiln/shop&commit=abc", "", 200, `"scan":`),
		with("retrieve nothing", "GET", retrieve+"?repo=kiln/other&issue=1&commit=abc", "", 200, `{}`),
		with("retrieve without a repository", "GET", retrieve, "", 400, "repo"),

		with("a customer", "GET", "/api/v1/customers/me", "", 200, "ops@kiln.example"),
		with("credits", "GET", "/api/v1/credits", "", 200, "5"),
		with("flags without admin", "GET", "/api/feature-flags", "", 403, "FORBIDDEN"),
		with("the funnel without admin", "GET", "/api/v1/funnel/summary", "", 403, "FORBIDDEN"),

		without("an event of the browser", "POST", "/api/track", `{"type":"page_view","data":{"path":"/"}}`, 201, `"success":true`),
		without("health", "GET", "/api/health", "", 200, `"service":"rsolv-api"`, `"status":"healthy"`),
		without("health of the old probes", "GET", "/health", "", 200, `"status":"ok"`),
		without("OpenAPI", "GET", "/api/openapi", "", 200, `"openapi":"3.1`),
		without("the documentation", "GET", "/api/docs", "", 200, "/api/v1/credentials/exchange"),
		without("nothing", "GET", "/api/nothing", "", 404, "NOT_FOUND"),
		with("patterns", "GET", "/api/v1/patterns?language=ruby", "", 404, "NOT_FOUND"),
		without("another method", "GET", exchange, "", 405, "METHOD_NOT_ALLOWED"),

		signed("a webhook", event, time.Now(), 200, `"status":"success"`),
		signed("a webhook again", event, time.Now(), 200, `"status":"success"`),
		signed("an old webhook", event, time.Now().Add(-time.Hour), 400, "Signature expired"),
		without("an unsigned webhook", "POST", stripe, event, 401, "Missing signature"),
		{"a webhook of somebody else's", "POST", stripe, event, []string{"Stripe-Signature", fmt.Sprintf("t=%d,v1=00", time.Now().Unix())}, 401, []string{"Invalid signature"}},
	}
	// The key comes before the body, whatever the endpoint.
	for _, path := range []string{exchange, refresh, usage, validate, alias, analyze, naming, generate, store} {
		calls = append(calls,
			without("no key at "+path, "POST", path, "", 401, "AUTH_REQUIRED", "API key must be provided"),
			call{"a wrong key at " + path, "POST", path, "", []string{"X-Api-Key", "rsolv_x"}, 401, []string{"INVALID_API_KEY", "Invalid or expired API key"}})
	}
	return calls
}
