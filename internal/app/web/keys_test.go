package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

type madeKey struct {
	Key    KeyBody `json:"key"`
	APIKey string  `json:"api_key"`
}

func (s *site) makeKey(key, path, body string) madeKey {
	s.t.Helper()
	a := s.do(http.DefaultClient, http.MethodPost, path, body, "X-Api-Key", key)
	var made madeKey
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusCreated || len(made.APIKey) != 49 {
		s.t.Fatalf("making a key: %d %s", a.status, a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("a new key may be cached: %v", a.header)
	}
	return made
}

func (s *site) works(key string) bool {
	return s.get("/api/v1/customers/me", "X-Api-Key", key).status == http.StatusOK
}

func TestKeysOfACustomer(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	first := s.onboard(http.DefaultClient, "ops@kiln.example")
	ci := s.makeKey(first, "/api/v1/keys", `{"name":" CI ","permissions":["account","credentials"]}`)
	if ci.Key.Name != "CI" || !s.works(ci.APIKey) {
		t.Errorf("the new key: %+v", ci.Key)
	}
	if a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/keys", `{"name":"x"}`, "X-Api-Key", ci.APIKey); a.status != 403 {
		t.Errorf("a key without the permission makes keys: %d %s", a.status, a.body)
	}
	for body, want := range map[string]string{
		`{}`: "name is required", `{"name":" "}`: "name is required: say what the key is for, such as CI",
		`{"name":"x","permissions":["admin"]}`:             "permissions may contain full_access, credentials, analysis, account, keys only",
		`{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`: "expires_at must be in the future",
		`{"name":"` + strings.Repeat("x", 101) + `"}`:      "name must be plain text of at most 100 characters",
		`{"name":"x","permissions":"full_access"}`:         "permissions must be of the JSON type array",
		`{"name":"x","expires_at":"tomorrow"}`:             "expires_at ",
		`{"name":"x","permissions":["` + first + `"]}`:     "permissions may contain",
	} {
		a := s.do(http.DefaultClient, http.MethodPost, "/api/v1/keys", body, "X-Api-Key", first)
		if p := a.problem(t); a.status != 422 || !strings.HasPrefix(p.Message, want) || strings.Contains(a.body, first) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	rotated := s.makeKey(first, "/api/v1/keys/"+strconv.FormatInt(ci.Key.ID, 10)+"/rotate", `{"grace_minutes":5}`)
	if !s.works(ci.APIKey) || !s.works(rotated.APIKey) || rotated.Key.Name != "CI" || len(rotated.Key.Permissions) != 2 {
		t.Errorf("during the grace: %+v", rotated.Key)
	}
	again := s.makeKey(first, "/api/v1/keys/"+strconv.FormatInt(rotated.Key.ID, 10)+"/rotate", "")
	if !await(func() bool { return !s.works(rotated.APIKey) }) || !s.works(again.APIKey) {
		t.Error("a key that was rotated without grace goes on working")
	}
	path := "/api/v1/keys/" + strconv.FormatInt(again.Key.ID, 10)
	if a := s.do(http.DefaultClient, http.MethodDelete, path, "", "X-Api-Key", first); a.status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", a.status, a.body)
	}
	if !await(func() bool { return !s.works(again.APIKey) }) {
		t.Error("a revoked key goes on working")
	}
	if a := s.do(http.DefaultClient, http.MethodPost, path+"/rotate", "", "X-Api-Key", first); a.status != http.StatusConflict {
		t.Errorf("rotating a revoked key: %d %s", a.status, a.body)
	}
	stranger := s.onboard(http.DefaultClient, "other@kiln.example")
	for _, method := range []string{http.MethodDelete, http.MethodPost} {
		p := path
		if method == http.MethodPost {
			p += "/rotate"
		}
		if a := s.do(http.DefaultClient, method, p, "", "X-Api-Key", stranger); a.status != http.StatusNotFound {
			t.Errorf("%s of somebody else's key: %d %s", method, a.status, a.body)
		}
	}
	s.server.flushUse(t.Context())
	var list struct {
		Keys []KeyBody `json:"keys"`
	}
	a := s.get("/api/v1/keys", "X-Api-Key", first)
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list.Keys) != 4 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if k := list.Keys[0]; k.Active || k.RevokedAt == nil {
		t.Errorf("the revoked key: %+v", k)
	}
	if k := list.Keys[3]; !k.Active || k.LastUsedAt == nil || time.Since(*k.LastUsedAt) > time.Minute {
		t.Errorf("the first key: %+v", k)
	}
	for _, raw := range []string{first, ci.APIKey, rotated.APIKey, again.APIKey, stranger} {
		if strings.Contains(s.log.String(), raw) || strings.Contains(s.log.String(), raw[:16]) || strings.Contains(a.body, raw) {
			t.Error("a key, or the beginning of one, is in the log or in a list")
		}
	}
}

func await(met func() bool) bool {
	deadline := time.Now().Add(time.Minute)
	for !met() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	first := s.onboard(http.DefaultClient, "ops@kiln.example")
	at := time.Now().Add(5 * time.Second)
	short := s.makeKey(first, "/api/v1/keys", `{"name":"short","expires_at":"`+at.Format(time.RFC3339Nano)+`"}`)
	if !s.works(short.APIKey) {
		t.Fatal("the key does not work yet")
	}
	time.Sleep(time.Until(at))
	if s.works(short.APIKey) {
		t.Error("the key works after its expiry, from the cache")
	}
}

// A change is told to every process; none waits until its memory fades.
func TestChangesOfKeysAreToldToAllProcesses(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	one, two := newSite(t, url, nil), newSite(t, url, nil)
	first := one.onboard(http.DefaultClient, "ops@kiln.example")
	made := one.makeKey(first, "/api/v1/keys", `{"name":"CI"}`)
	if !two.works(made.APIKey) || !two.works(first) {
		t.Fatal("the other process does not know the keys")
	}
	began := time.Now()
	one.do(http.DefaultClient, http.MethodDelete, "/api/v1/keys/"+strconv.FormatInt(made.Key.ID, 10), "", "X-Api-Key", first)
	if !await(func() bool { return !two.works(made.APIKey) }) || time.Since(began) > keyFresh/2 {
		t.Errorf("the other process believes a revoked key for %v", time.Since(began))
	}
	if _, err := one.store.GrantPermission(t.Context(), "ops@kiln.example", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	if !await(func() bool { return two.get("/api/v1/funnel/summary", "X-Api-Key", first).status == 200 }) {
		t.Error("the other process does not learn of a grant")
	}
}

func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	// At the end of a minute a new window would begin within the test.
	if left := 60 - time.Now().Second(); left < 12 {
		time.Sleep(time.Duration(left) * time.Second)
	}
	s := newSite(t, dbtest.URL(t), nil)
	key := s.onboard(http.DefaultClient, "ops@kiln.example")
	a := s.get("/api/v1/customers/me", "X-Api-Key", key)
	if h := a.header; h.Get("X-Ratelimit-Limit") != "500" || h.Get("X-Ratelimit-Remaining") != "499" || h.Get("Retry-After") != "" {
		t.Errorf("the first answer: %v", h)
	}
	if reset, err := strconv.ParseInt(a.header.Get("X-Ratelimit-Reset"), 10, 64); err != nil || time.Until(time.Unix(reset, 0)) > time.Minute {
		t.Errorf("reset is %s", a.header.Get("X-Ratelimit-Reset"))
	}
	principal := app.Principal{CustomerID: 1}
	for range 498 {
		s.server.limits.Take(t.Context(), actionRequest, strconv.FormatInt(principal.CustomerID, 10), 500)
	}
	if a = s.get("/api/v1/customers/me", "X-Api-Key", key); a.status != 200 || a.header.Get("X-Ratelimit-Remaining") != "0" || a.header.Get("Retry-After") == "" {
		t.Errorf("the last: %d %v", a.status, a.header)
	}
	a = s.get("/api/v1/customers/me", "X-Api-Key", key)
	p := a.problem(t)
	if a.status != 429 || p.Code != "RATE_LIMIT_EXCEEDED" || p.RetryAfter < 1 || strconv.Itoa(p.RetryAfter) != a.header.Get("Retry-After") {
		t.Errorf("one too many: %d %v %s", a.status, a.header, a.body)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), func(d *Deps) { d.CORSOrigins = []string{"https://app.rsolv.dev"} })
	preflight := func(path, origin string) answer {
		return s.do(http.DefaultClient, http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "content-type")
	}
	const allow = "Access-Control-Allow-Origin"
	if a := preflight("/ofrep/v1/evaluate/flags", "https://app.rsolv.dev"); a.header.Get(allow) != "https://app.rsolv.dev" ||
		a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	for path, origin := range map[string]string{
		"/ofrep/v1/evaluate/flags": "https://evil.example", "/api/v1/keys": "https://app.rsolv.dev", "/": "https://app.rsolv.dev",
	} {
		if a := preflight(path, origin); a.header.Get(allow) != "" {
			t.Errorf("%s from %s: %v", path, origin, a.header)
		}
	}
}

func TestDocsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	a := s.get("/api/docs")
	for _, want := range []string{"/api/v1/customers/onboard", "/api/v1/keys/{id}/rotate", "grace_minutes", "x-api-key", "trial_fixes_limit"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if a.status != 200 || strings.Contains(a.body, "https://") || strings.Contains(a.body, "<script") {
		t.Errorf("%d: the page loads from elsewhere", a.status)
	}
	if a := s.get("/api/openapi"); a.status != 200 || !strings.Contains(a.body, `"openapi":"3.1`) {
		t.Errorf("the old address of the document: %d", a.status)
	}
}
