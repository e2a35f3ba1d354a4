package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/smoketest"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Whatever goes wrong on the way, the problem names the step and the status and
// no key, and nothing stays behind.
func TestSmokeTestFailures(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	target, err := url.Parse(s.public)
	if err != nil {
		t.Fatal(err)
	}
	var lastCall atomic.Value // the body that the app last answered a call with
	keep := func(r *http.Response) error {
		if r.Request.Method != http.MethodGet {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		lastCall.Store(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err
	}
	calls := func(r *http.Request) bool { return r.Method == http.MethodGet }
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tt := range map[string]struct {
		// answers is given the number of calls so far; nil passes them on.
		answers func(r *http.Request, n int64) http.HandlerFunc
		want    string
	}{
		"signup fails": {func(r *http.Request, _ int64) http.HandlerFunc {
			return answer(500, `{"code":"INTERNAL_ERROR","error":"hunter2"}`)
		}, "Signup: POST /api/v1/customers/onboard answered 500 INTERNAL_ERROR, not 201"},
		"an odd code": {
			func(r *http.Request, _ int64) http.HandlerFunc { return answer(400, `{"code":"hunter2"}`) },
			"Signup: POST /api/v1/customers/onboard answered 400, not 201",
		},
		"a redirect": {func(r *http.Request, _ int64) http.HandlerFunc {
			return http.RedirectHandler("/elsewhere", http.StatusMovedPermanently).ServeHTTP
		}, "Signup: POST /api/v1/customers/onboard answered 301, not 201"},
		"no key in the answer": {
			func(r *http.Request, _ int64) http.HandlerFunc { return answer(201, `{}`) },
			"Key: POST /api/v1/customers/onboard answered 201 without a usable customer.id and api_key",
		},
		"the header is lost": {
			func(r *http.Request, _ int64) http.HandlerFunc { r.Header.Del(app.SmokeTestHeader); return nil },
			"Key: POST /api/v1/customers/onboard did not mark the customer",
		},
		"first call": {func(r *http.Request, _ int64) http.HandlerFunc {
			if calls(r) {
				return answer(401, `{"code":"INVALID_API_KEY","key":"`+r.Header.Get("X-Api-Key")+`"}`)
			}
			return nil
		}, "FirstCall: GET /api/v1/customers/me answered 401 INVALID_API_KEY, not 200"},
		"another customer": {func(r *http.Request, _ int64) http.HandlerFunc {
			if calls(r) {
				return answer(200, `{"id":1}`)
			}
			return nil
		}, "FirstCall: GET /api/v1/customers/me answered 200 with another customer"},
		"second call": {func(r *http.Request, n int64) http.HandlerFunc {
			if n > 2 {
				return answer(200, `<html>`)
			}
			return nil
		}, "SecondCall: GET /api/v1/customers/me answered 200 with a body that is not the JSON expected"},
		"never up": {
			func(r *http.Request, _ int64) http.HandlerFunc { return answer(503, `{"code":"SERVICE_UNAVAILABLE"}`) },
			"Signup: POST /api/v1/customers/onboard answered 503 SERVICE_UNAVAILABLE, not 201, until the time was up",
		},
		"the funnel misses a call": {func(r *http.Request, n int64) http.HandlerFunc {
			if n > 2 { // the second call is answered by somebody else
				return func(w http.ResponseWriter, _ *http.Request) {
					body, _ := lastCall.Load().([]byte)
					_, _ = w.Write(body)
				}
			}
			return nil
		}, "Funnel: the calls were answered, but the funnel does not know of the second call, until the time was up"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.ModifyResponse = keep
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if other := tt.answers(r, n.Add(1)); other != nil {
					other(w, r)
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			defer front.Close()
			env := map[string]string{contract.EnvDatabaseURL: s.env[contract.EnvDatabaseURL], contract.EnvSmokeTestURL: front.URL}
			l := oneShot(t, env, "smoke-test", "--timeout", "2s")
			expect(t, l.messages(), tt.want)
			if l.code != contract.ExitFailed || strings.Contains(l.text, "hunter2") || strings.Contains(l.text, "rsolv_") {
				t.Errorf("exit code %d\n%s", l.code, l.text)
			}
			s.clean()
		})
	}
}

// A moment without an answer is no failure, and a signup whose answer was lost
// leaves nothing behind.
func TestSmokeTestOutlastsAMoment(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	target, err := url.Parse(s.public)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var n atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1: // handled, but the answer is lost
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	result := s.walk(t, t.Context(), front.URL, s.store)
	if len(result.Problems) > 0 || n.Load() != 5 {
		t.Errorf("%+v after %d requests", result, n.Load())
	}
	s.clean()
}

// Ended from outside, the test still cleans up.
func TestSmokeTestCleansUpWhenEnded(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	target, err := url.Parse(s.public)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			end()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	result := s.walk(t, ctx, front.URL, s.store)
	if len(result.Problems) != 1 || result.Problems[0].Check != smoketest.StepFirstCall {
		t.Errorf("%+v", result)
	}
	s.clean()
}

// What a killed test left is removed by the next; nobody else is.
func TestSmokeTestSweeps(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	execute(t, s.env[contract.EnvDatabaseURL],
		`INSERT INTO customers (name, email, internal, source, inserted_at, updated_at) VALUES
			('old', 'old@x.invalid', true, 'smoke-test', now() - interval '2 hours', now() - interval '2 hours'),
			('young', 'young@x.invalid', true, 'smoke-test', now(), now()),
			('liar', 'liar@x.invalid', false, 'smoke-test', now() - interval '2 hours', now() - interval '2 hours'),
			('staff', 'staff@x.invalid', true, 'direct', now() - interval '2 hours', now() - interval '2 hours')`,
		`INSERT INTO smoke_test_tokens VALUES (repeat('a', 64), now() - interval '1 minute'), (repeat('b', 64), now() + interval '1 minute')`)
	if result := s.walk(t, t.Context(), s.public, s.store); len(result.Problems) > 0 {
		t.Fatalf("%+v", result)
	}
	var got string
	err := s.connect(t.Context()).QueryRow(t.Context(), `SELECT concat_ws(' ',
		(SELECT string_agg(name, ' ' ORDER BY name) FROM customers WHERE email LIKE '%@x.invalid'),
		(SELECT string_agg(left(token_hash, 1), '') FROM smoke_test_tokens))`).Scan(&got)
	if err != nil || got != "liar staff young b" {
		t.Errorf("left are %q, %v", got, err)
	}
}

// A database that is away says nothing about the app, and has a check of its
// own, whoever notices.
func TestSmokeTestTellsTheDatabaseApart(t *testing.T) {
	t.Parallel()
	s := newSmokeSite(t)
	env := map[string]string{contract.EnvDatabaseURL: "postgres://u:hunter2@127.0.0.1:1/x", contract.EnvSmokeTestURL: s.public}
	l := oneShot(t, env, "smoke-test", "--timeout", "300ms")
	expect(t, l.messages(), "Database: the smoke test's token cannot be stored: the database does not answer: the connection is refused")
	gone, err := newProgram(t, env).openStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gone.Close)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer front.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	result := s.walk(t, ctx, front.URL, &leaving{s.store, gone})
	expect(t, left{Report: contract.Report{Problems: result.Problems}}.messages(),
		"Database: the database does not answer: the connection is refused")
	if text := result.Problems[0].Message; !strings.HasSuffix(text, "(Signup: POST /api/v1/customers/onboard answered 503, not 201, until the time was up)") {
		t.Error(text)
	}
	s.clean()
}

// leaving is a database that is away when it is asked for a sign of life.
type leaving struct {
	*postgres.Store
	gone *postgres.Store
}

func (l *leaving) Ping(ctx context.Context) error { return l.gone.Ping(ctx) }
