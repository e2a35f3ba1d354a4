package drill

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Load sends requests to an app as customers and Stripe do.
type Load struct {
	base, webhookSecret string
	now                 func() time.Time
	client              *http.Client
	keys                []string
	events              atomic.Int64

	// Forged makes every webhook one of somebody else's; Unstorable sends, beside
	// the others, events whose effects cannot be stored; Paused sends nothing.
	Forged, Unstorable, Paused atomic.Bool

	cancel  context.CancelFunc
	running sync.WaitGroup
}

const (
	// customers of the load; each may exchange credentials a few times a minute.
	customers = 6
	// browsers ask at the same time, each again two seconds after it began. They
	// are four for each of the app's connections to the database: one that
	// answers late has them all in use.
	browsers = 4 * poolSize
	poolSize = 8
)

// StartLoad signs customers up and begins.
func StartLoad(ctx context.Context, base, webhookSecret string, now func() time.Time) (*Load, error) {
	l := &Load{
		base: base, webhookSecret: webhookSecret, now: now,
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 2 * browsers}},
	}
	for i := range customers {
		key, err := l.signUp(ctx, fmt.Sprintf("drill-%d-%d@customers.example.org", i, now().UnixNano()))
		if err != nil {
			return nil, err
		}
		l.keys = append(l.keys, key)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	for i := range browsers {
		key := l.keys[i%customers]
		l.running.Go(func() {
			l.each(ctx, 2*time.Second, func(int) { l.ask(ctx, http.MethodGet, "/api/v1/customers/me", key, nil, "") })
		})
	}
	// The others do not wait for an answer.
	l.apart(ctx, 2*time.Second, func(n int) {
		l.ask(ctx, http.MethodPost, "/api/v1/credentials/exchange", l.keys[n%customers], []byte(`{"providers":[]}`), "")
	})
	l.apart(ctx, time.Second, func(n int) {
		finding := fmt.Sprintf(`{"file":"a.js","content":"eval(req.body.x%d)","vulnerabilityType":"eval-injection"}`, n)
		l.ask(ctx, http.MethodPost, "/api/v1/vulnerabilities/validate", l.keys[0], []byte(finding), "")
	})
	l.apart(ctx, 2*time.Second, func(int) { l.webhook(ctx, "product.created", "{}") })
	l.apart(ctx, time.Second, func(int) {
		if l.Unstorable.Load() {
			l.webhook(ctx, "invoice.paid", `{"id":["not","an","id"]}`)
		}
	})
	return l, nil
}

// Stop ends the load.
func (l *Load) Stop() {
	l.cancel()
	l.running.Wait()
}

// each does something again and again, at the latest an interval after it began.
func (l *Load) each(ctx context.Context, interval time.Duration, do func(n int)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		if !l.Paused.Load() {
			do(n)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// apart is each, without waiting for what was begun before.
func (l *Load) apart(ctx context.Context, interval time.Duration, do func(n int)) {
	l.running.Go(func() {
		var inFlight sync.WaitGroup
		defer inFlight.Wait()
		l.each(ctx, interval, func(n int) { inFlight.Go(func() { do(n) }) })
	})
}

// webhook sends an event as Stripe signs it, or as somebody else would.
func (l *Load) webhook(ctx context.Context, kind, object string) {
	now := l.now().Unix()
	payload := fmt.Appendf(nil, `{"id":"evt_drill_%d_%d","object":"event","type":%q,"created":%d,"data":{"object":%s}}`,
		now, l.events.Add(1), kind, now, object)
	secret := l.webhookSecret
	if l.Forged.Load() {
		secret = "whsec_of_somebody_else" //nolint:gosec // wrong on purpose
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s", now, payload)
	l.ask(ctx, http.MethodPost, "/api/webhooks/stripe", "", payload, fmt.Sprintf("t=%d,v1=%s", now, hex.EncodeToString(mac.Sum(nil))))
}

// ask sends one request; what comes of it is the app's metrics' to tell.
func (l *Load) ask(ctx context.Context, method, path, key string, body []byte, signature string) {
	request, err := http.NewRequestWithContext(ctx, method, l.base+path, bytes.NewReader(body))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	if signature != "" {
		request.Header.Set("Stripe-Signature", signature)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body) // for the connection to be used again
	_ = response.Body.Close()
}

func (l *Load) signUp(ctx context.Context, email string) (string, error) {
	raw, err := json.Marshal(map[string]string{"name": "Drill", "email": email})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+"/api/v1/customers/onboard", bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("signing up: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	var customer struct {
		APIKey string `json:"api_key"`
	}
	if err := json.NewDecoder(response.Body).Decode(&customer); err != nil || customer.APIKey == "" {
		return "", fmt.Errorf("signing up answers %s without an API key (%w)", response.Status, err)
	}
	return customer.APIKey, nil
}
