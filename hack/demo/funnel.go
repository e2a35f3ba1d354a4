package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// How many of the demo's visitors come how far.
const (
	visitors  = 40
	signups   = 8
	activated = 5
	retained  = 3
)

// customer is somebody who signed up.
type customer struct {
	email string
	key   string
}

// summary is the part of the funnel's summary that the demo checks.
type summary struct {
	Visits    int `json:"website_visits"`
	Visitors  int `json:"unique_visitors"`
	Signups   int `json:"signups"`
	Keys      int `json:"api_keys_created"`
	Activated int `json:"activated_users"`
	Retained  int `json:"retained_users"`
}

// walkFunnel sends visitors through the five stages and compares the funnel
// before and after.
func (d *demo) walkFunnel(ctx context.Context) error {
	if err := d.becomeAdmin(ctx); err != nil {
		return err
	}
	before, err := d.settledSummary(ctx)
	if err != nil {
		return err
	}
	if err := d.traffic(ctx); err != nil {
		return err
	}
	want := summary{
		Visits: before.Visits + visitors, Visitors: before.Visitors + visitors,
		Signups: before.Signups + signups, Keys: before.Keys + signups,
		Activated: before.Activated + activated, Retained: before.Retained + retained,
	}
	if err := d.awaitSummary(ctx, want); err != nil {
		return err
	}
	d.say(fmt.Sprintf("%d visitors came, %d signed up, %d made a call, %d came back; all counted", visitors, signups, activated, retained))
	d.ran("kubectl exec deploy/" + app + " -- /app funnel summary --days 30")
	out, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "exec", "deploy/"+app, "--", "/app", "funnel", "summary", "--days", "30")
	if err != nil {
		return err
	}
	d.block(out)
	return nil
}

// becomeAdmin signs up once and is granted the permission to read the funnel.
// The grant is given at the pod, for nobody has it yet.
func (d *demo) becomeAdmin(ctx context.Context) error {
	client, err := d.visitor()
	if err != nil {
		return err
	}
	if d.admin, err = d.onboard(ctx, client, "founder"); err != nil {
		return err
	}
	// Two calls now, so that reading the summary later changes no number.
	for range 2 {
		if err := d.call(ctx, d.admin); err != nil {
			return err
		}
	}
	d.ran("kubectl exec deploy/" + app + " -- /app admin grant --email " + d.admin.email)
	_, err = d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "exec", "deploy/"+app, "--", "/app", "admin", "grant", "--email", d.admin.email)
	return err
}

func (d *demo) traffic(ctx context.Context) error {
	for i := range visitors {
		client, err := d.visitor()
		if err != nil {
			return err
		}
		if err := d.visit(ctx, client); err != nil {
			return err
		}
		if i >= signups {
			continue
		}
		who, err := d.onboard(ctx, client, fmt.Sprintf("visitor-%d", i))
		if err != nil {
			return err
		}
		calls := 0
		if i < activated {
			calls++
		}
		if i < retained {
			calls++
		}
		for range calls {
			if err := d.call(ctx, who); err != nil {
				return err
			}
		}
	}
	return nil
}

// browser is a visitor's own: without cookies, the app tells visitors apart by
// address and user agent, and the demo has one address.
type browser struct{ agent string }

// RoundTrip implements http.RoundTripper.
func (b browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", b.agent)
	return http.DefaultTransport.RoundTrip(r)
}

func (d *demo) visitor() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second, Transport: browser{
		fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 Visitor/%d", d.now().UnixNano()),
	}}, nil
}

func (d *demo) visit(ctx context.Context, client *http.Client) error {
	_, err := d.request(ctx, client, http.MethodGet, "/?utm_source=demo&utm_campaign=launch", "", nil)
	return err
}

func (d *demo) onboard(ctx context.Context, client *http.Client, name string) (customer, error) {
	who := customer{email: fmt.Sprintf("%s-%d@customers.example.org", name, d.now().UnixNano())}
	body, err := d.request(ctx, client, http.MethodPost, "/api/v1/customers/onboard", "", map[string]any{"name": name, "email": who.email})
	if err != nil {
		return who, err
	}
	if who.key = findKey(body); who.key == "" {
		return who, errors.New("the answer to signing up holds no API key")
	}
	return who, nil
}

func (d *demo) call(ctx context.Context, who customer) error {
	_, err := d.request(ctx, http.DefaultClient, http.MethodGet, "/api/v1/customers/me", who.key, nil)
	return err
}

// findKey looks for the API key by its prefix, wherever the answer has it.
func findKey(body []byte) string {
	for part := range strings.SplitSeq(string(body), `"`) {
		if strings.HasPrefix(part, "rsolv_") && len(part) == 49 {
			return part
		}
	}
	return ""
}

func (d *demo) summary(ctx context.Context) (summary, error) {
	var s summary
	body, err := d.request(ctx, http.DefaultClient, http.MethodGet, "/api/v1/funnel/summary?days=30", d.admin.key, nil)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("reading the funnel summary: %w", err)
	}
	return s, nil
}

// settledSummary waits until two looks, a second apart, agree: a grant takes a
// moment to reach every pod, and calls are counted off the request path.
func (d *demo) settledSummary(ctx context.Context) (summary, error) {
	const looks = 15
	last, err := d.summary(ctx)
	for range looks {
		time.Sleep(time.Second)
		next, nextErr := d.summary(ctx)
		if err == nil && nextErr == nil && next == last {
			return next, nil
		}
		last, err = next, nextErr
	}
	return last, fmt.Errorf("the funnel summary does not settle: %w", errOrNone(err))
}

func (d *demo) awaitSummary(ctx context.Context, want summary) error {
	deadline := d.now().Add(20 * time.Second)
	for {
		got, err := d.summary(ctx)
		if err == nil && got == want {
			return nil
		}
		if d.now().After(deadline) {
			return fmt.Errorf("the funnel counts %+v (error: %w), want %+v", got, errOrNone(err), want)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (d *demo) status(ctx context.Context, path string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return 0, fmt.Errorf("asking for %s: %w", path, err)
	}
	// A visit by the demo itself is no visit.
	request.Header.Set("User-Agent", "rsolv-demo-bot")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking for %s: %w", path, err)
	}
	return response.StatusCode, response.Body.Close()
}

// request sends one request and returns the body of a 2xx answer.
func (d *demo) request(ctx context.Context, client *http.Client, method, path, key string, body any) ([]byte, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("writing the body for %s: %w", path, err)
		}
		payload = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.base+path, payload)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // the body was read to its end
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s answers %s: %.300s", method, path, response.Status, answer)
	}
	return answer, nil
}
