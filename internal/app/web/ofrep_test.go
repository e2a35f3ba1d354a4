package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const ofrepFlags = `{"flags":{
	"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled","metadata":{"object":"blog"},"targeting":{"if":[{"==":[{"var":"plan"},"gold"]},"enabled"]}},
	"limit":{"state":"ENABLED","variants":{"low":1.50,"high":10},"defaultVariant":"low"},
	"theme":{"state":"ENABLED","variants":{"a":{"z":1,"a":"<b>"}},"defaultVariant":"a"},
	"open":{"state":"ENABLED","variants":{"x":"X"}},
	"off":{"state":"DISABLED","variants":{"x":"X"},"defaultVariant":"x"},
	"bad":{"state":"ENABLED","variants":{"x":"X"},"defaultVariant":"x","targeting":{"var":"variant"}}
}}`

// ofrepSite is a site with flags from a file that tests replace.
type ofrepSite struct {
	*site
	dir string
	key string
}

func newOFREP(t *testing.T, public ...string) *ofrepSite {
	t.Helper()
	o := &ofrepSite{dir: t.TempDir()}
	o.publish(t, ofrepFlags)
	store, err := flags.Open(o.dir, slog.New(slog.DiscardHandler))
	if err != nil || store.Status().Error != "" {
		t.Fatal(err, store.Status().Error)
	}
	go func() { _ = store.Run(t.Context()) }()
	o.site = newSite(t, dbtest.URL(t), func(d *Deps) { d.Evaluator, d.PublicFlags, d.Stopping = store, public, t.Context().Done() })
	o.key = o.onboard(http.DefaultClient, "ops@kiln.example")
	return o
}

func (o *ofrepSite) publish(t *testing.T, file string) {
	t.Helper()
	next := filepath.Join(o.dir, "next")
	if err := os.WriteFile(next, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(o.dir, contract.FlagsFile)); err != nil {
		t.Fatal(err)
	}
}

func (o *ofrepSite) evaluate(path, body string, headers ...string) answer {
	o.t.Helper()
	return o.do(http.DefaultClient, http.MethodPost, path, body, headers...)
}

func TestOFREPSingle(t *testing.T) {
	t.Parallel()
	o := newOFREP(t, "limit")
	const gold, nobody = `{"context":{"targetingKey":"u1","plan":"gold"}}`, `{"context":{}}`
	for _, test := range []struct {
		key, body string
		status    int
		want      string
	}{
		{"blog", gold, 200, `{"key":"blog","value":true,"variant":"enabled","reason":"TARGETING_MATCH","metadata":{"object":"blog"}}`},
		{"blog", `{"context":{"targetingKey":"u1"}}`, 200, `{"key":"blog","value":false,"variant":"disabled","reason":"UNKNOWN","metadata":{"object":"blog","reason":"DEFAULT"}}`},
		{"limit", nobody, 200, `{"key":"limit","value":1.50,"variant":"low","reason":"STATIC"}`},
		{"theme", nobody, 200, `{"key":"theme","value":{"a":"\u003cb\u003e","z":1},"variant":"a","reason":"STATIC"}`},
		{"open", nobody, 200, `{"key":"open","reason":"UNKNOWN","metadata":{"reason":"DEFAULT"}}`},
		{"off", nobody, 200, `{"key":"off","reason":"DISABLED"}`},
		{"team_size_field", nobody, 200, `{"key":"team_size_field","value":true,"reason":"UNKNOWN","metadata":{"reason":"DEFAULT"}}`},
		{"blog", nobody, 400, `{"key":"blog","errorCode":"TARGETING_KEY_MISSING","errorDetails":"the flag has rules, and the context has no targetingKey; add one","metadata":{"object":"blog"}}`},
		{"bad", `{"context":{"targetingKey":"u1","variant":"none"}}`, 400, `{"key":"bad","errorCode":"GENERAL","errorDetails":"the rules give \"none\", which is not a variant"}`},
		{"rsolv_blog", gold, 404, `{"key":"rsolv_blog","errorCode":"FLAG_NOT_FOUND","errorDetails":"flag \"rsolv_blog\" was not found"}`},
		{"blog", `{"context"`, 400, `{"key":"blog","errorCode":"PARSE_ERROR","errorDetails":"the request is no JSON object; send {\"context\": {\"targetingKey\": \"customer:42\"}}"}`},
		{"blog", `[]`, 400, `{"key":"blog","errorCode":"PARSE_ERROR","errorDetails":"the request is no JSON object; send {\"context\": {\"targetingKey\": \"customer:42\"}}"}`},
		{"blog", gold + gold, 400, `{"key":"blog","errorCode":"PARSE_ERROR","errorDetails":"the request goes on after its end"}`},
		{"blog", `{"context":[]}`, 400, `{"key":"blog","errorCode":"INVALID_CONTEXT","errorDetails":"context is no JSON object; write one"}`},
		{"blog", `{}`, 400, `{"key":"blog","errorCode":"INVALID_CONTEXT","errorDetails":"the request has no context; send {\"context\": {\"targetingKey\": \"customer:42\"}}"}`},
		{"blog", `{"context":{"targetingKey":7}}`, 400, `{"key":"blog","errorCode":"INVALID_CONTEXT","errorDetails":"context.targetingKey is no text; put it in quotes"}`},
		{"blog", `{"context":{"a":"` + strings.Repeat("x", maxContextBytes) + `"}}`, 413, `{"key":"blog","errorCode":"INVALID_CONTEXT","errorDetails":"the request is longer than 65536 bytes; send fewer attributes"}`},
	} {
		a := o.evaluate(ofrepBulk+"/"+test.key, test.body, "X-Api-Key", o.key)
		if a.status != test.status || strings.TrimSpace(a.body) != test.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %.60s: %d %s\nwant %d %s", test.key, test.body, a.status, a.body, test.status, test.want)
		}
	}
	o.settle()
	if calls := strings.Count(o.log.String(), `"customer_id"`); calls != 0 {
		t.Errorf("%d evaluations count as calls of a customer", calls)
	}
}

func TestOFREPNeedsAKeyOrAPublicFlag(t *testing.T) {
	t.Parallel()
	o := newOFREP(t, "limit")
	const body = `{"context":{"targetingKey":"u1"}}`
	for _, test := range []struct {
		path    string
		headers []string
		status  int
	}{
		{ofrepBulk + "/limit", nil, 200},
		{ofrepBulk + "/blog", nil, 404}, // not even its existence
		{ofrepBulk + "/limit", []string{"Authorization", "Bearer wrong"}, 401},
		{ofrepBulk + "/blog", []string{"Authorization", "Bearer " + o.key}, 200},
		{ofrepBulk, []string{"X-Api-Key", "wrong"}, 401},
	} {
		if a := o.evaluate(test.path, body, test.headers...); a.status != test.status {
			t.Errorf("%s %v: %d %s", test.path, test.headers, a.status, a.body)
		}
	}
	if keys := bulkKeys(t, o.evaluate(ofrepBulk, body)); !slices.Equal(keys, []string{"limit"}) {
		t.Errorf("without a key: %v", keys)
	}
	closed := newOFREP(t)
	if a := closed.evaluate(ofrepBulk, body); a.status != 401 || a.problem(t).Code != string(app.CodeAuthRequired) {
		t.Errorf("without public flags: %d %s", a.status, a.body)
	}
}

func bulkKeys(t *testing.T, a answer) (keys []string) {
	t.Helper()
	var body struct {
		Flags []struct{ Key, ErrorCode, Reason string }
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	for _, flag := range body.Flags {
		if (flag.ErrorCode == "") != slices.Contains([]string{"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"}, flag.Reason) {
			t.Errorf("outside of the protocol: %+v", flag)
		}
		keys = append(keys, flag.Key)
	}
	return keys
}

func TestOFREPBulk(t *testing.T) {
	t.Parallel()
	o := newOFREP(t)
	ask := func(context string, headers ...string) answer {
		return o.evaluate(ofrepBulk, `{"context":`+context+`}`, append(headers, "X-Api-Key", o.key)...)
	}
	first := ask(`{"targetingKey":"u1","n":1}`)
	keys := bulkKeys(t, first)
	if first.status != 200 || !slices.IsSorted(keys) || len(keys) != len(flags.Catalogue())+5 {
		t.Errorf("%d, %d flags: %v", first.status, len(keys), keys)
	}
	if want := `"eventStreams":[{"type":"sse","endpoint":{"requestUri":"/ofrep/v1/events"},"inactivityDelaySec":120}]`; !strings.Contains(first.body, want) {
		t.Errorf("no %s in %s", want, first.body)
	}
	if !strings.Contains(first.body, `{"key":"bad","value":"X","variant":"x","reason":"UNKNOWN"`) {
		t.Errorf("%s", first.body)
	}
	etag := first.header.Get("ETag")
	if len(etag) < 34 || !strings.HasPrefix(etag, `"`) {
		t.Fatalf("ETag %s", etag)
	}
	for name, test := range map[string]struct {
		context, match string
		status         int
	}{
		"same":                   {`{"n": 1, "targetingKey": "u1"}`, etag, 304},
		"weak":                   {`{"targetingKey":"u1","n":1}`, "W/" + etag, 304},
		"one of several":         {`{"targetingKey":"u1","n":1}`, `"x", ` + etag, 304},
		"without quotes":         {`{"targetingKey":"u1","n":1}`, strings.Trim(etag, `"`), 304},
		"any":                    {`{"targetingKey":"u1","n":1}`, "*", 304},
		"another":                {`{"targetingKey":"u1","n":1}`, `"x"`, 200},
		"another answer":         {`{"targetingKey":"u1","n":1,"plan":"gold"}`, etag, 200},
		"another, same answers":  {`{"targetingKey":"u2","n":1}`, etag, 200},
		"a more precise context": {`{"targetingKey":"u1","n":1.0}`, etag, 200},
	} {
		a := ask(test.context, "If-None-Match", test.match)
		if a.status != test.status || (a.body == "") != (test.status == 304) || a.header.Get("ETag") == "" {
			t.Errorf("%s: %d %.80s", name, a.status, a.body)
		}
	}
	o.publish(t, strings.Replace(ofrepFlags, `"low":1.50`, `"low":1.75`, 1)) // the same variant
	deadline := time.Now().Add(time.Minute)
	for ask(`{"targetingKey":"u1","n":1}`, "If-None-Match", etag).status == 304 {
		if time.Now().After(deadline) {
			t.Fatal("another value under the same variant goes unnoticed")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if a := ask(`7`); a.status != 400 || strings.TrimSpace(a.body) != `{"errorCode":"INVALID_CONTEXT","errorDetails":"context is no JSON object; write one"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// events reads a stream event by event.
func (o *ofrepSite) events(headers ...string) (next func() string) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.url+ofrepEvents, http.NoBody)
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		o.t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	return func() string {
		var event []string
		for lines.Scan() && lines.Text() != "" {
			event = append(event, lines.Text())
		}
		return strings.Join(event, "\n")
	}
}

func TestOFREPStream(t *testing.T) {
	t.Parallel()
	o := newOFREP(t)
	before, after := contract.FlagsDigest([]byte(ofrepFlags)), contract.FlagsDigest([]byte(`{"flags":{}}`))
	next := o.events()
	if diff := cmp.Diff("retry: 1000\nid: "+before, next()); diff != "" {
		t.Error(diff)
	}
	current := o.events("Last-Event-ID", before)
	if diff := cmp.Diff("retry: 1000\nid: "+before, current()); diff != "" {
		t.Error(diff)
	}
	o.publish(t, `{"flags":{}}`)
	for name, event := range map[string]string{"one": next(), "two": current()} {
		var data struct {
			Type, Etag   string
			LastModified int64
		}
		_, raw, _ := strings.Cut(event, "\ndata: ")
		if err := json.Unmarshal([]byte(raw), &data); err != nil || data.Type != "refetchEvaluation" || data.Etag != after || time.Since(time.Unix(data.LastModified, 0)) > time.Minute ||
			!strings.HasPrefix(event, "event: message\nid: "+after+"\n") {
			t.Errorf("%s: %s (%v)", name, event, err)
		}
	}
	if missed := o.events("Last-Event-ID", before)(); !strings.Contains(missed, `"refetchEvaluation"`) {
		t.Errorf("a client that missed the change is told %s", missed)
	}
	// Other clients still find room when one has all that it may have.
	here, there := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")
	for o.server.streams.enter(here) {
		continue
	}
	if !o.server.streams.enter(there) {
		t.Error("one client takes the room of all")
	}
	if a := o.get(ofrepEvents); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != fmt.Sprint(streamRetrySeconds) {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestFlagsAreListedForAdmins(t *testing.T) {
	t.Parallel()
	o := newOFREP(t)
	if a := o.get("/api/feature-flags", "Authorization", "Bearer "+o.key); a.status != http.StatusForbidden {
		t.Errorf("full access: %d %s", a.status, a.body)
	}
	o.onboard(http.DefaultClient, "admin@rsolv.dev")
	if _, err := o.store.GrantPermission(t.Context(), "ops@kiln.example", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	a := o.get("/api/feature-flags", "Authorization", "Bearer "+o.key)
	for ; a.status != http.StatusOK; a = o.get("/api/feature-flags", "Authorization", "Bearer "+o.key) {
		if time.Now().After(deadline) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	var body FlagsBody
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	if len(body.FeatureFlags) != len(flags.Catalogue())+5 || len(body.Flags) != len(body.FeatureFlags) || body.Overrides == nil ||
		body.Digest != contract.FlagsDigest([]byte(ofrepFlags)) || !slices.Contains(body.FeatureFlags, "public_site") {
		t.Errorf("%s", a.body)
	}
	for _, flag := range body.Flags {
		if flag.Key == "theme" && (string(flag.Value) != `{"a":"\u003cb\u003e","z":1}` && string(flag.Value) != `{"a":"<b>","z":1}` || flag.Variant != "a" || flag.Reason != "STATIC" || flag.Targeted) || flag.Key == "blog" && !flag.Targeted {
			t.Errorf("%+v", flag)
		}
	}
}
