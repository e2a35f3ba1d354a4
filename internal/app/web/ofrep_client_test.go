package web

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

// TestAnOpenFeatureClientEvaluates asks through OpenFeature's own SDK and its
// provider for the protocol, which know nothing of us.
func TestAnOpenFeatureClientEvaluates(t *testing.T) {
	t.Parallel()
	o := newOFREP(t)
	for name, option := range map[string]ofrep.Option{"api key": ofrep.WithApiKeyAuth(o.key), "bearer": ofrep.WithBearerToken(o.key)} {
		domain := "ofrep " + name
		if err := openfeature.SetNamedProviderWithContextAndWait(t.Context(), domain, ofrep.NewProvider(o.url, option)); err != nil {
			t.Fatal(err)
		}
		client := openfeature.NewClient(domain)
		gold := openfeature.NewEvaluationContext("customer:42", map[string]any{"plan": "gold"})
		plain := openfeature.NewEvaluationContext("customer:1", nil)

		on, err := client.BooleanValueDetails(t.Context(), "blog", false, gold)
		if err != nil || !on.Value || on.Variant != "enabled" || on.Reason != openfeature.TargetingMatchReason || on.FlagMetadata["object"] != "blog" {
			t.Errorf("%s: %+v, %v", name, on, err)
		}
		if off, err := client.BooleanValue(t.Context(), "blog", true, plain); err != nil || off {
			t.Errorf("%s: %v, %v", name, off, err)
		}
		if limit, err := client.FloatValue(t.Context(), "limit", 0, plain); err != nil || limit != 1.5 {
			t.Errorf("%s: %v, %v", name, limit, err)
		}
		theme, err := client.ObjectValue(t.Context(), "theme", nil, plain)
		if fields, ok := theme.(map[string]any); err != nil || !ok || fields["a"] != "<b>" || fields["z"] != 1.0 {
			t.Errorf("%s: %v, %v", name, theme, err)
		}
		// Without a value the default in the client's code applies.
		if text, err := client.StringValue(t.Context(), "off", "mine", plain); text != "mine" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		unknown, err := client.BooleanValueDetails(t.Context(), "rsolv_blog", true, plain)
		if err == nil || !unknown.Value || unknown.ErrorCode != openfeature.FlagNotFoundCode {
			t.Errorf("%s: an unknown flag: %+v, %v", name, unknown, err)
		}
	}
	if err := openfeature.SetNamedProviderWithContextAndWait(t.Context(), "ofrep stranger", ofrep.NewProvider(o.url)); err != nil {
		t.Fatal(err)
	}
	if value, err := openfeature.NewClient("ofrep stranger").BooleanValue(t.Context(), "blog", true, openfeature.NewEvaluationContext("customer:42", nil)); err == nil || !value {
		t.Errorf("without a key: %v, %v", value, err)
	}
}

func TestEvaluationLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var l evaluationLimits
	for range publicAtOnce {
		if wait := l.take("192.0.2.1", true, now); wait != 0 {
			t.Fatal(wait)
		}
	}
	if wait := l.take("192.0.2.1", true, now); wait <= 0 || wait > time.Second {
		t.Errorf("one more waits %s", wait)
	}
	if wait := l.take("192.0.2.2", true, now); wait != 0 {
		t.Errorf("another caller waits %s", wait)
	}
	if wait := l.take("192.0.2.1", true, now.Add(time.Second/publicPerSecond)); wait != 0 {
		t.Errorf("a little later it still waits %s", wait)
	}
	for i := range 3 * callersLimit {
		l.take(strconv.Itoa(i), true, now)
	}
	if len(l.callers) > callersLimit {
		t.Errorf("%d callers are remembered", len(l.callers))
	}
}

func TestTooManyEvaluationsAreToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	o := newOFREP(t, "limit")
	for _, path := range []string{ofrepBulk, ofrepBulk + "/limit"} {
		var a answer
		for range 3 * publicAtOnce {
			if a = o.evaluate(path, `{"context":{"targetingKey":"u"}}`); a.status != http.StatusOK {
				break
			}
		}
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, `"errorCode":"GENERAL","errorDetails":"too many evaluations; come back in 1 s`) {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
		}
	}
	if a := o.evaluate(ofrepBulk, `{"context":{"targetingKey":"u"}}`, "X-Api-Key", o.key); a.status != http.StatusOK {
		t.Errorf("a caller with a key: %d %s", a.status, a.body)
	}
}
