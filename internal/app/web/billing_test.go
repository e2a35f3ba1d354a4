package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stripe/stripe-go/v83/webhook"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

const webhookSecret = "whsec_0123456789abcdefghijklmnopqrstuv"

// stripeServer speaks the wire format of Stripe's API, as far as it is asked.
type stripeServer struct {
	*httptest.Server
	mu            sync.Mutex
	byKey         map[string]string // idempotency key to answer
	charges       []url.Values
	made          int
	decline       bool
	failures      int
	subscriptions map[string]string
}

func newStripe(t *testing.T) *stripeServer {
	t.Helper()
	s := &stripeServer{byKey: map[string]string{}, subscriptions: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/customers", s.once(func(form url.Values) (int, string) {
		s.made++
		return 200, fmt.Sprintf(`{"id":"cus_%s","object":"customer","email":%q}`, form.Get("metadata[rsolv_customer_id]"), form.Get("email"))
	}))
	mux.HandleFunc("POST /v1/payment_intents", s.once(func(form url.Values) (int, string) {
		if s.decline {
			return 402, `{"error":{"type":"card_error","code":"card_declined","message":"Your card was declined."}}`
		}
		s.charges = append(s.charges, form)
		return 200, `{"id":"pi_1","object":"payment_intent","status":"succeeded"}`
	}))
	mux.HandleFunc("POST /v1/checkout/sessions", s.once(func(form url.Values) (int, string) {
		return 200, `{"id":"cs_1","object":"checkout.session","url":"https://checkout.stripe.com/c/` + form.Get("mode") + `"}`
	}))
	mux.HandleFunc("GET /v1/subscriptions/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, ok := s.subscriptions[r.PathValue("id")]
		if !ok {
			w.WriteHeader(404)
			body = `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such subscription"}}`
		}
		_, _ = w.Write([]byte(body))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// once answers the same key the same way, as Stripe does.
func (s *stripeServer) once(answer func(form url.Values) (int, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if user, _, ok := r.BasicAuth(); r.Header.Get("Authorization") != "Bearer sk_test_key" && (!ok || user != "sk_test_key") {
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: sk_test_***key"}}`))
			return
		}
		if s.failures > 0 {
			s.failures--
			w.WriteHeader(500)
			_, _ = w.Write([]byte(`{"error":{"type":"api_error","message":"try again"}}`))
			return
		}
		key := r.Header.Get("Idempotency-Key")
		if body, ok := s.byKey[key]; ok && key != "" {
			_, _ = w.Write([]byte(body))
			return
		}
		_ = r.ParseForm()
		status, body := answer(r.PostForm)
		if status == 200 {
			s.byKey[key] = body
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// till is a site with billing and the customer cus_1.
type till struct {
	*site
	stripe *stripeServer
	conn   *pgx.Conn
	key    string
}

func newTill(t *testing.T) *till {
	t.Helper()
	databaseURL := dbtest.URL(t)
	x := &till{stripe: newStripe(t)}
	x.site = newPayingSite(t, databaseURL, nil, func(o *billing.Options) {
		o.Secrets = []string{"whsec_old", webhookSecret}
		o.Stripe = billing.NewAPI("sk_test_key", x.stripe.URL)
		o.ProPrice, o.SiteURL = "price_pro", "https://rsolv.dev"
	})
	var err error
	if x.conn, err = pgx.Connect(t.Context(), databaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.conn.Close(context.WithoutCancel(t.Context())) })
	x.key = x.onboard(http.DefaultClient, "ops@kiln.example")
	x.exec(x.conn, "UPDATE customers SET stripe_customer_id = 'cus_1' WHERE email = 'ops@kiln.example'")
	return x
}

func (x *till) sign(body string, at time.Time, secrets ...string) string {
	header := fmt.Sprintf("t=%d", at.Unix())
	for _, secret := range secrets {
		header += fmt.Sprintf(", v1=%x", webhook.ComputeSignature(at, []byte(body), secret))
	}
	return header
}

// deliver sends a signed event.
func (x *till) deliver(body string) answer {
	x.t.Helper()
	return x.do(http.DefaultClient, http.MethodPost, stripePath, body, "Stripe-Signature", x.sign(body, time.Now(), webhookSecret))
}

func stripeEvent(id, kind string, created time.Time, object string) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","api_version":"2019-01-01","created":%d,"type":%q,"data":{"object":%s}}`, id, created.Unix(), kind, object)
}

// finished waits until an event has a status.
func (x *till) finished(id, status string) {
	x.t.Helper()
	var got, problem string
	if !await(func() bool {
		_ = x.conn.QueryRow(x.t.Context(), "SELECT status, problem FROM billing_events WHERE id = $1", id).Scan(&got, &problem)
		return got == status
	}) {
		x.t.Fatalf("the event %s is %q (%s), want %q\n%s", id, got, problem, status, x.log)
	}
}

func (x *till) one(sql string) string {
	x.t.Helper()
	var value *string
	if err := x.conn.QueryRow(x.t.Context(), sql).Scan(&value); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
	if value == nil {
		return "null"
	}
	return *value
}

func (x *till) balance() string {
	return x.one("SELECT credit_balance::text FROM customers WHERE stripe_customer_id = 'cus_1'")
}

func (x *till) state() string {
	return x.one(`SELECT concat_ws(' ', subscription_type, coalesce(subscription_state, '-'), coalesce(stripe_subscription_id, '-'), cancel_at_period_end)
		FROM customers WHERE stripe_customer_id = 'cus_1'`)
}

// counter sums a family over the series that carry all the labels.
func (s *site) counter(name string, labels ...string) (total float64) {
	s.t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			has := map[string]string{}
			for _, l := range metric.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			match := true
			for i := 0; i+1 < len(labels); i += 2 {
				match = match && has[labels[i]] == labels[i+1]
			}
			if match {
				total += metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

const proInvoice = `{"id":"in_1","customer":"cus_1","amount_paid":59900,"amount_due":59900,"currency":"usd","billing_reason":"subscription_cycle",
	"lines":{"data":[{"pricing":{"price_details":{"price":"price_pro"}}}]}}`

func TestWebhookSignatures(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	body := stripeEvent("evt_sig", "charge.updated", time.Now(), `{}`)
	now := time.Now()
	send := func(body, header string) answer {
		if header == "" {
			return x.do(http.DefaultClient, http.MethodPost, stripePath, body)
		}
		return x.do(http.DefaultClient, http.MethodPost, stripePath, body, "Stripe-Signature", header)
	}
	for _, tt := range []struct {
		about, body, header string
		status              int
		text, reason        string
	}{
		{"no header", body, "", 401, "Missing signature", "missing_signature"},
		{"nonsense", body, "nonsense", 401, "Invalid signature", "invalid_signature"},
		{"no code", body, fmt.Sprintf("t=%d", now.Unix()), 401, "Invalid signature", "invalid_signature"},
		{"wrong secret", body, x.sign(body, now, "whsec_wrong"), 401, "Invalid signature", "invalid_signature"},
		{"another body", body + " ", x.sign(body, now, webhookSecret), 401, "Invalid signature", "invalid_signature"},
		{"too old", body, x.sign(body, now.Add(-302*time.Second), webhookSecret), 400, "Signature expired", "signature_expired"},
		{"of the future", body, x.sign(body, now.Add(600*time.Second), webhookSecret), 400, "Signature expired", "signature_expired"},
		{"old and wrong", body, x.sign(body, now.Add(-time.Hour), "x"), 400, "Signature expired", "signature_expired"},
		{"no JSON", "hello", x.sign("hello", now, webhookSecret), 400, "Processing failed: the body is not the JSON of an event", "invalid_payload"},
		{"no id", `{"type":"x"}`, x.sign(`{"type":"x"}`, now, webhookSecret), 400, "Processing failed: the event has no usable id", "invalid_payload"},
		{"too large", strings.Repeat("x", maxWebhookBody+1), "t=1,v1=x", 413, "The body is larger than this endpoint takes: send less", "body_too_large"},
	} {
		before := x.counter("rsolv_billing_stripe_webhook_received_total", "status", "failed", "failure_reason", tt.reason, "event_type", "unknown")
		a := send(tt.body, tt.header)
		if a.status != tt.status || a.problem(t).Message != tt.text {
			t.Errorf("%s: %d %s", tt.about, a.status, a.body)
		}
		if after := x.counter("rsolv_billing_stripe_webhook_received_total", "status", "failed", "failure_reason", tt.reason, "event_type", "unknown"); after != before+1 {
			t.Errorf("%s: counted %v times", tt.about, after-before)
		}
	}
	if n := x.one("SELECT count(*)::text FROM billing_events"); n != "0" {
		t.Errorf("%s refused events are stored", n)
	}
	for _, header := range []string{
		x.sign(body, now.Add(-200*time.Second), webhookSecret), x.sign(body, now.Add(200*time.Second), webhookSecret),
		x.sign(body, now, "whsec_wrong", webhookSecret), x.sign(body, now, "whsec_old"), strings.ReplaceAll(x.sign(body, now, webhookSecret), ", ", ","),
	} {
		if a := send(body, header); a.status != 200 || !strings.Contains(a.body, `"status":"success"`) {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
	x.finished("evt_sig", "ignored")
}

// Stripe delivers events more than once, and tells of one payment in two of
// them.
func TestWebhookEffectsHappenOnce(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	var group sync.WaitGroup
	for i := range 24 {
		kind, id := "invoice.paid", "evt_a"
		if i%2 == 1 {
			kind, id = "invoice.payment_succeeded", "evt_b"
		}
		group.Go(func() {
			if a := x.deliver(stripeEvent(id, kind, time.Now(), proInvoice)); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	group.Wait()
	x.finished("evt_a", "processed")
	x.finished("evt_b", "processed")
	if got := x.balance(); got != "65" {
		t.Errorf("the balance is %s, want 65", got)
	}
	if got := x.one("SELECT string_agg(amount || ' ' || balance_after || ' ' || source, ', ' ORDER BY id) FROM credit_transactions"); got != "5 5 trial_signup, 60 65 pro_subscription_payment" {
		t.Errorf("the ledger: %s", got)
	}
	for name, want := range map[string]float64{
		"rsolv_billing_payment_processed_total": 1, "rsolv_billing_invoice_paid_total": 1, "rsolv_billing_subscription_renewed_total": 1,
		"rsolv_billing_invoice_paid_amount_cents": 1, "rsolv_billing_credits_added_quantity": 2, // one for the signup
		"rsolv_billing_stripe_webhook_processed_total":                 2,
		"rsolv_billing_stripe_webhook_processed_duration_milliseconds": 2,
	} {
		if !await(func() bool { return x.counter(name) == want }) {
			t.Errorf("%s is %v, want %v", name, x.counter(name), want)
		}
	}
}

func TestSubscriptionEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	began := time.Now().Add(-time.Hour)
	object := func(status string, cancel bool) string {
		return fmt.Sprintf(`{"id":"sub_1","object":"subscription","customer":{"id":"cus_1"},"status":%q,"cancel_at_period_end":%t}`, status, cancel)
	}
	step := func(id, kind string, after time.Duration, object, want string) {
		t.Helper()
		x.deliver(stripeEvent(id, kind, began.Add(after), object))
		x.finished(id, "processed")
		if got := x.state(); got != want {
			t.Errorf("after %s: %s, want %s", id, got, want)
		}
	}
	active := func(want int64) {
		t.Helper()
		if got, err := x.store.Subscriptions(t.Context()); err != nil || got[app.PlanPro] != want {
			t.Errorf("active subscriptions: %v, %v; want %d", got, err, want)
		}
	}
	step("evt_1", "customer.subscription.created", 0, object("incomplete", false), "pro incomplete sub_1 f")
	active(0)
	step("evt_3", "customer.subscription.updated", 2*time.Minute, object("active", true), "pro active sub_1 t")
	// An older one only says that something changed: Stripe knows what.
	x.stripe.mu.Lock()
	x.stripe.subscriptions["sub_1"] = object("active", true)
	x.stripe.mu.Unlock()
	step("evt_2", "customer.subscription.updated", time.Minute, object("past_due", false), "pro active sub_1 t")
	step("evt_4", "customer.subscription.updated", 3*time.Minute, object("active", false), "pro active sub_1 f")
	failed := `{"id":"in_9","customer":"cus_1","amount_paid":0,"amount_due":59900,"currency":"usd","attempt_count":1,"next_payment_attempt":1893456000}`
	step("evt_5", "invoice.payment_failed", 4*time.Minute, failed, "pro past_due sub_1 f")
	if got := x.one("SELECT amount_cents::text FROM billing_events WHERE id = 'evt_5'"); got != "59900" {
		t.Errorf("the amount of a failed invoice is %s", got)
	}
	active(1)
	step("evt_6", "customer.subscription.deleted", 5*time.Minute, object("canceled", false), "pay_as_you_go - - f")
	if got := x.balance(); got != "5" {
		t.Errorf("the credits went with the subscription: %s", got)
	}
	for name, want := range map[string]float64{
		"rsolv_billing_subscription_created_total": 1, "rsolv_billing_subscription_cancelled_total": 1,
		"rsolv_billing_invoice_failed_total": 1,
	} {
		if !await(func() bool { return x.counter(name) == want }) {
			t.Errorf("%s is %v, want %v", name, x.counter(name), want)
		}
	}
}

func TestPaymentMethodCredits(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	attached := func(id, method string) {
		t.Helper()
		x.deliver(stripeEvent(id, "payment_method.attached", time.Now(), `{"id":"`+method+`","type":"card","customer":"cus_1"}`))
		x.finished(id, "processed")
	}
	attached("evt_1", "pm_1")
	if got := x.balance() + " " + x.state(); got != "5 pay_as_you_go - - f" {
		t.Errorf("without consent: %s", got)
	}
	checkout := func(body string) answer {
		return x.do(http.DefaultClient, http.MethodPost, "/api/v1/billing/checkout", body, "X-Api-Key", x.key)
	}
	if a := checkout(`{"plan":"pro","billing_consent":false}`); a.status != 422 {
		t.Errorf("no consent: %d %s", a.status, a.body)
	}
	for plan, mode := range map[string]string{"pro": "subscription", "pay_as_you_go": "setup"} {
		a := checkout(`{"plan":"` + plan + `","billing_consent":true}`)
		var body struct{ URL string }
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 200 || body.URL != "https://checkout.stripe.com/c/"+mode {
			t.Errorf("%s: %d %s", plan, a.status, a.body)
		}
	}
	attached("evt_2", "pm_2")
	if got := x.balance(); got != "10" {
		t.Errorf("credits for the first payment method: %s, want 10", got)
	}
}

// Nobody has this Stripe customer yet: it is tried again, and does not go away.
func TestUnknownCustomersWait(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	x.deliver(stripeEvent("evt_1", "invoice.paid", time.Now(), strings.ReplaceAll(proInvoice, "cus_1", "cus_late")))
	if !await(func() bool {
		return x.one("SELECT problem FROM billing_events") == "No customer has this Stripe customer id"
	}) {
		t.Fatalf("the event says %q", x.one("SELECT problem FROM billing_events"))
	}
	if got := x.counter("rsolv_billing_stripe_webhook_processed_total"); got != 0 {
		t.Errorf("counted %v times before it is over", got)
	}
	// The last attempt parks it, where an administrator sees it.
	x.exec(x.conn, "UPDATE river.river_job SET attempt = 7, scheduled_at = now(), state = 'available' WHERE kind = 'stripe_event' AND finalized_at IS NULL")
	x.finished("evt_1", "parked")
	if !await(func() bool { return x.counter("rsolv_billing_stripe_webhook_processed_total", "status", "failed") == 1 }) {
		t.Error("the failure is not counted")
	}
	if _, err := x.store.GrantPermission(t.Context(), "ops@kiln.example", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	if !await(func() bool {
		return strings.Contains(x.get("/api/admin/billing/parked", "X-Api-Key", x.key).body, "No customer has this Stripe customer id")
	}) {
		t.Error("the parked event is not listed")
	}
	x.exec(x.conn, "UPDATE customers SET stripe_customer_id = 'cus_late'")
	retry := func() int {
		return x.do(http.DefaultClient, http.MethodPost, "/api/admin/billing/events/evt_1/retry", "", "X-Api-Key", x.key).status
	}
	if status := retry(); status != http.StatusAccepted {
		t.Errorf("retrying: %d", status)
	}
	x.finished("evt_1", "processed")
	if status := retry(); status != http.StatusNotFound {
		t.Errorf("retrying what is done: %d", status)
	}
}

func TestFixesNeverOverdraw(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	record := func(id string) answer {
		return x.do(http.DefaultClient, http.MethodPost, "/api/v1/fixes", `{"fix_id":"`+id+`"}`, "X-Api-Key", x.key)
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			a := record(fmt.Sprintf("fix-%d", i%10)) // each of ten twice
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	group.Wait()
	if got := x.one("SELECT count(*) || ' ' || min(balance_after) FROM credit_transactions WHERE source = 'fix_deployed'"); got != "5 0" || x.balance() != "0" {
		t.Errorf("ten fixes with five credits: %s, balance %s, answers %v", got, x.balance(), statuses)
	}
	if statuses[200] != 10 || statuses[402] != 10 {
		t.Errorf("answers %v", statuses)
	}
	// With a payment method it is charged once, whatever Stripe's network does.
	x.exec(x.conn, "UPDATE customers SET stripe_payment_method_id = 'pm_1', billing_consent_at = now()")
	x.stripe.mu.Lock()
	x.stripe.failures = 1
	x.stripe.mu.Unlock()
	if a := record("fix-paid"); a.status != 200 || !strings.Contains(a.body, `"charging"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := record("fix-paid"); !strings.Contains(a.body, `"repeated"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !await(func() bool {
		return x.one("SELECT count(*)::text FROM credit_transactions WHERE source = 'purchased'") == "1"
	}) {
		t.Fatal("the fix is not charged")
	}
	x.stripe.mu.Lock()
	defer x.stripe.mu.Unlock()
	if len(x.stripe.charges) != 1 || x.stripe.charges[0].Get("amount") != "2900" || x.stripe.charges[0].Get("customer") != "cus_1" {
		t.Errorf("charges: %v", x.stripe.charges)
	}
	if x.balance() != "0" {
		t.Errorf("balance %s", x.balance())
	}
}

// A declined card is told of, and charged again later, with whatever card is
// stored by then; nothing is given for it meanwhile.
func TestDeclinedCards(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	x.exec(x.conn, "UPDATE customers SET credit_balance = 0, stripe_payment_method_id = 'pm_1', billing_consent_at = now() WHERE stripe_customer_id = 'cus_1'")
	x.stripe.mu.Lock()
	x.stripe.decline = true
	x.stripe.mu.Unlock()
	if a := x.do(http.DefaultClient, http.MethodPost, "/api/v1/fixes", `{"fix_id":"fix-1"}`, "X-Api-Key", x.key); a.status != 200 || !strings.Contains(a.body, `"charging"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	const (
		mails = `SELECT coalesce(string_agg(concat_ws(' ', args->>'fix_id', args->>'amount_cents', args->>'attempt',
			(args->>'next_attempt')::timestamptz > now()), ', ' ORDER BY id), '') FROM river.river_job WHERE kind = 'dunning_mail'`
		charges = `SELECT coalesce(string_agg(concat_ws(' ', args->>'round', state, scheduled_at > now() + interval '20 hours'), ', ' ORDER BY id), '')
			FROM river.river_job WHERE kind = 'fix_charge'`
		due = "UPDATE river.river_job SET scheduled_at = now(), state = 'available' WHERE kind = 'fix_charge' AND state = 'scheduled'"
	)
	see := func(wantMails, wantCharges string) {
		t.Helper()
		if !await(func() bool { return x.one(mails) == wantMails && x.one(charges) == wantCharges }) {
			t.Fatalf("mails %q, want %q; charges %q, want %q", x.one(mails), wantMails, x.one(charges), wantCharges)
		}
	}
	see("fix-1 2900 1 t", "completed f, 1 scheduled t")
	if got := x.counter("rsolv_billing_payment_processed_total", "status", "failed", "payment_method", "card"); got != 1 {
		t.Errorf("%v failed payments are counted, want 1", got)
	}
	if n := x.counter("rsolv_billing_payment_processed_duration_milliseconds", "payment_method", "card"); n != 1 {
		t.Errorf("the time of %v payments is known, want 1", n)
	}
	if n := x.counter("rsolv_billing_usage_tracked_total", "resource_type", "fix"); n != 1 {
		t.Errorf("%v fixes are counted as used, want 1", n)
	}
	x.exec(x.conn, due)
	see("fix-1 2900 1 t, fix-1 2900 2 t", "completed f, 1 completed f, 2 scheduled t")
	x.exec(x.conn, due)
	see("fix-1 2900 1 t, fix-1 2900 2 t, fix-1 2900 3 t", "completed f, 1 completed f, 2 completed f, 3 scheduled t")
	// Another card.
	x.exec(x.conn, "UPDATE customers SET stripe_payment_method_id = 'pm_2' WHERE stripe_customer_id = 'cus_1'")
	x.stripe.mu.Lock()
	x.stripe.decline = false
	x.stripe.mu.Unlock()
	x.exec(x.conn, due)
	see("fix-1 2900 1 t, fix-1 2900 2 t, fix-1 2900 3 t", "completed f, 1 completed f, 2 completed f, 3 completed f")
	x.stripe.mu.Lock()
	defer x.stripe.mu.Unlock()
	if len(x.stripe.charges) != 1 || x.stripe.charges[0].Get("payment_method") != "pm_2" {
		t.Errorf("charges: %v", x.stripe.charges)
	}
	if got := x.one("SELECT count(*)::text FROM credit_transactions WHERE source = 'purchased'"); got != "1" || x.balance() != "0" {
		t.Errorf("%s credits were bought, the balance is %s", got, x.balance())
	}
}
