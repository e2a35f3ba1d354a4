package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

const onboardingPath = "/api/v1/customers/onboard"

// behindProxies lets a test come from many addresses.
func behindProxies(d *Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func (s *site) onboardFrom(address, body string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.DefaultClient, http.MethodPost, onboardingPath, body, append(headers, "X-Forwarded-For", address)...)
}

func TestOnboardingIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	if left := 60 - time.Now().Second(); left < 8 {
		time.Sleep(time.Duration(left) * time.Second)
	}
	s := newSite(t, dbtest.URL(t), behindProxies)
	var mu sync.Mutex
	statuses := map[int]int{}
	var refused answer
	var group sync.WaitGroup
	for i := range 15 {
		group.Go(func() {
			a := s.onboardFrom("203.0.113.9", fmt.Sprintf(`{"name":"K","email":"c%d@kiln.example"}`, i))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
			if a.status == 429 {
				refused = a
			}
		})
	}
	group.Wait()
	if statuses[201] != 10 || statuses[429] != 5 {
		t.Fatalf("fifteen at once: %v", statuses)
	}
	if p := refused.problem(t); p.Code != "RATE_LIMITED" || p.RetryAfter < 1 || refused.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", refused.header, refused.body)
	}
	if a := s.onboardFrom("203.0.113.10", `{"name":"K","email":"other@kiln.example"}`); a.status != 201 {
		t.Errorf("from another address: %d %s", a.status, a.body)
	}
	if n := s.counter("rsolv_customer_onboarding_failed_total", "reason", "rate_limited", "source", "direct"); n != 5 {
		t.Errorf("counted %v refusals", n)
	}
	// The address itself is nowhere.
	export, err := s.store.Export(t.Context(), 1)
	if raw, _ := json.Marshal(export); err != nil || strings.Contains(string(raw), "203.0.113.9") {
		t.Errorf("%v %s", err, raw)
	}
}

func TestOnboardingErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), behindProxies)
	if a := s.onboardFrom("192.0.2.1", `{"name":"K","email":"taken@kiln.example"}`); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for i, tt := range []struct {
		body   string
		status int
		text   string
		reason string
	}{
		{`{"name":"K"}`, 422, "email is required", ""},
		{`{"email":"a@kiln.example"}`, 422, "name is required", ""},
		{`{"name":"K","email":""}`, 422, "email is required", "email_validation"},
		{`{"name":"","email":"a@kiln.example"}`, 422, "name is required", "validation_error"},
		{`{"name":"K","email":"nobody"}`, 422, "email must be an e-mail address", "email_validation"},
		{`{"name":"K","email":"a b@kiln.example"}`, 422, "email must not contain spaces", "email_validation"},
		{`{"name":"K","email":["a@kiln.example"]}`, 422, "email must be of the JSON type string", ""},
		{`{"name":"K","email":"x@mailinator.com"}`, 422, "email is at a disposable mail service", "disposable_email"},
		{`{"name":"K","email":"TAKEN@kiln.example"}`, 422, "email has already been taken", "duplicate_error"},
		{`{"name":`, 400, "body is not the JSON", ""},
	} {
		reasons := func() float64 {
			return s.counter("rsolv_customer_onboarding_failed_total", "reason", tt.reason, "source", "direct")
		}
		before := reasons()
		a := s.onboardFrom(fmt.Sprintf("192.0.2.%d", i+10), tt.body)
		p := a.problem(t)
		if a.status != tt.status || !strings.HasPrefix(p.Message, tt.text) || tt.status == 422 && p.Code != "VALIDATION_FAILED" {
			t.Errorf("%s: %d %s", tt.body, a.status, a.body)
		}
		if tt.reason != "" && reasons() != before+1 {
			t.Errorf("%s: %s is not counted", tt.body, tt.reason)
		}
	}
}

// Whatever a stranger sends, only name, address, source and campaign are taken.
func TestOnboardingTakesNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	a := s.do(http.DefaultClient, http.MethodPost, onboardingPath, `{"name":"K","email":"k@kiln.example","credit_balance":9999,"monthly_limit":9999,
		"is_staff":true,"admin_level":"full","subscription_type":"pro","trial_fixes_limit":999,"active":false,"internal":true,
		"stripe_customer_id":"cus_x","email_verified_at":"2020-01-01T00:00:00Z","approved":true,"permissions":["admin"],"id":77}`)
	var body onboardBody
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 201 || body.Customer.ID == 77 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c, err := s.store.Customer(t.Context(), body.Customer.ID)
	if err != nil || c.CreditBalance != 5 || c.MonthlyLimit != 100 || c.SubscriptionType != "trial" || c.TrialFixesLimit != 5 ||
		!c.Active || c.Internal || c.EmailVerified || c.Approved {
		t.Errorf("%+v %v", c, err)
	}
	if a := s.get("/api/admin/customers", "X-Api-Key", body.APIKey); a.status != 403 {
		t.Errorf("an administrator was made: %d", a.status)
	}
}

func TestHundredOnboardingsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), behindProxies)
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			a := s.onboardFrom(fmt.Sprintf("198.51.100.%d", i), `{"name":"K","email":"one@kiln.example"}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	group.Wait()
	customers, err := s.store.Customers(t.Context(), 0, "one@kiln.example")
	if err != nil || len(customers) != 1 || statuses[201] != 1 || statuses[422] != 99 {
		t.Errorf("%d customers, answers %v, %v", len(customers), statuses, err)
	}
}

func TestOnboardingSentAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), behindProxies)
	const body, secret = `{"name":"K","email":"again@kiln.example"}`, "6d0f9a52-2a3e-4a42-9a55-6b2f4a4f6a01"
	var mu sync.Mutex
	keys := map[string]int{}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			a := s.onboardFrom(fmt.Sprintf("198.51.100.%d", i), body, "Idempotency-Key", secret)
			var b onboardBody
			_ = json.Unmarshal([]byte(a.body), &b)
			mu.Lock()
			defer mu.Unlock()
			keys[fmt.Sprint(a.status, b.APIKey, b.Customer.ID)]++
		})
	}
	group.Wait()
	if len(keys) != 1 || !strings.HasPrefix(fmt.Sprint(keys), "map[201rsolv_") {
		t.Fatalf("the same request eight times at once: %d different answers", len(keys))
	}
	a := s.onboardFrom("198.51.100.99", body, "Idempotency-Key", secret)
	if a.status != 201 || a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("later: %d %v", a.status, a.header)
	}
	if n := s.counter("rsolv_customer_onboarding_complete_total"); n != 1 {
		t.Errorf("counted %v signups", n)
	}
	if a := s.onboardFrom("198.51.100.98", `{"name":"L","email":"again@kiln.example"}`, "Idempotency-Key", secret); a.status != 409 {
		t.Errorf("another body: %d %s", a.status, a.body)
	}
	if a := s.onboardFrom("198.51.100.97", body, "Idempotency-Key", "1"); a.status != 422 {
		t.Errorf("a key that can be guessed: %d %s", a.status, a.body)
	}
	if a := s.onboardFrom("198.51.100.96", body, "Idempotency-Key", secret+"x"); a.status != 422 {
		t.Errorf("another key: %d %s", a.status, a.body)
	}
	opening, err := s.store.BeginOnboarding(t.Context(), "x", app.HashKey("idempotency:"+secret), time.Now())
	if err != nil || opening.Kept == nil || strings.Contains(string(opening.Kept.Sealed), "rsolv_") {
		t.Errorf("the kept answer is readable, or gone: %v %v", opening, err)
	}
}

// From the mailed link to a confirmed address, and the customer at Stripe.
func TestVerifyAddress(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	x.onboard(http.DefaultClient, "new@kiln.example")
	if !await(func() bool { return x.mails.link("new@kiln.example") != "" }) {
		t.Fatal("no link was mailed")
	}
	link, err := url.Parse(x.mails.link("new@kiln.example"))
	if err != nil || link.Host != "rsolv.dev" || link.Path != "/verify" {
		t.Fatalf("the link is %v", link)
	}
	if a := x.get("/verify?" + link.RawQuery); a.status != 200 || !strings.Contains(a.body, `value="`+link.Query().Get("token")+`"`) {
		t.Errorf("the page: %d", a.status)
	}
	verified := func() string {
		return x.one("SELECT (email_verified_at IS NOT NULL)::text FROM customers WHERE email LIKE 'new@%'")
	}
	if verified() != "false" {
		t.Error("looking at the page confirms the address")
	}
	confirm := func(token string) int {
		return x.do(http.DefaultClient, http.MethodPost, "/verify", "token="+token, "Content-Type", "application/x-www-form-urlencoded").status
	}
	if status := confirm("wrong"); status != 404 {
		t.Errorf("a wrong token: %d", status)
	}
	if status := confirm(link.Query().Get("token")); status != 200 || verified() != "true" {
		t.Errorf("confirming: %d, verified %s", status, verified())
	}
	if status := confirm(link.Query().Get("token")); status != 404 {
		t.Errorf("the link works twice: %d", status)
	}
	if !await(func() bool {
		return x.one("SELECT stripe_customer_id FROM customers WHERE email LIKE 'new@%'") == "cus_2"
	}) {
		t.Error("the customer is not known to Stripe")
	}
	if strings.Contains(x.log.String(), link.Query().Get("token")) {
		t.Error("the token is in the log")
	}
}

func (s *site) admin() string {
	s.t.Helper()
	key := s.onboard(http.DefaultClient, "admin@rsolv.example")
	if _, err := s.store.GrantPermission(s.t.Context(), "admin@rsolv.example", app.PermissionAdmin); err != nil {
		s.t.Fatal(err)
	}
	if !await(func() bool { return s.get("/api/admin/customers", "X-Api-Key", key).status == 200 }) {
		s.t.Fatal("the grant does not take effect")
	}
	return key
}

func TestAdministrators(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	admin := x.admin()
	do := func(method, path, body string) answer {
		return x.do(http.DefaultClient, method, "/api/admin/customers"+path, body, "X-Api-Key", admin)
	}
	var list struct{ Customers []AdminCustomer }
	if err := json.Unmarshal([]byte(do(http.MethodGet, "?search=OPS@kiln", "").body), &list); err != nil || len(list.Customers) != 1 || list.Customers[0].Email != "ops@kiln.example" {
		t.Fatalf("the search found %+v", list)
	}
	one := fmt.Sprintf("/%d", list.Customers[0].ID)
	var c AdminCustomer
	a := do(http.MethodPatch, one, `{"plan":"beta","approved":true,"monthly_limit":7,"name":"Kiln Works"}`)
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.Plan.Type != "beta" || !c.Approved || c.Limits.MonthlyLimit != 7 || c.Name != "Kiln Works" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for body, want := range map[string]string{
		`{"plan":"gold"}`: "plan ", `{"monthly_limit":-1}`: "monthly_limit must be from", `{"email":"admin@rsolv.example"}`: "email has already been taken",
		`{"email":"x"}`: "email must be",
	} {
		if a := do(http.MethodPatch, one, body); a.status != 422 || !strings.HasPrefix(a.problem(t).Message, want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := do(http.MethodPost, one+"/credits", `{"amount":20,"reason":"goodwill"}`); a.status != 200 || x.balance() != "25" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := do(http.MethodPost, one+"/credits", `{"amount":-26,"reason":"mistake"}`); a.status != 409 || x.balance() != "25" {
		t.Errorf("below zero: %d %s", a.status, a.body)
	}
	made := x.makeKey(admin, "/api/admin/customers"+one+"/keys", `{"name":"second","permissions":["full_access","admin"]}`)
	if x.get("/api/admin/customers", "X-Api-Key", made.APIKey).status != 200 {
		t.Error("an administrator cannot make another")
	}
	if a := do(http.MethodDelete, fmt.Sprintf("%s/keys/%d", one, made.Key.ID), ""); a.status != 204 || !await(func() bool { return !x.works(made.APIKey) }) {
		t.Errorf("revoking: %d", a.status)
	}
	if a := do(http.MethodPatch, one, `{"active":false}`); a.status != 200 || !await(func() bool { return !x.works(x.key) }) {
		t.Errorf("an inactive customer's key works: %d", a.status)
	}
	for _, tt := range [][2]string{{http.MethodGet, "/999"}, {http.MethodPatch, "/999"}, {http.MethodDelete, "/999"}, {http.MethodGet, "/999/export"}} {
		if a := do(tt[0], tt[1], map[bool]string{true: "{}"}[tt[0] == http.MethodPatch]); a.status != 404 {
			t.Errorf("%s %s: %d %s", tt[0], tt[1], a.status, a.body)
		}
	}
	stranger := x.onboard(http.DefaultClient, "stranger@kiln.example")
	for _, path := range []string{"", one, one + "/keys", one + "/export"} {
		if a := x.get("/api/admin/customers"+path, "X-Api-Key", stranger); a.status != 403 {
			t.Errorf("a stranger at %s: %d", path, a.status)
		}
	}
}

// Nothing is left of an erased customer, in whatever table.
func TestExportAndErase(t *testing.T) {
	t.Parallel()
	x := newTill(t)
	client := visitor(t)
	x.do(client, http.MethodGet, "/", "", "User-Agent", browser)
	key := x.onboard(client, "leaving@kiln.example")
	x.exec(x.conn, "UPDATE customers SET stripe_customer_id = 'cus_9' WHERE email LIKE 'leaving@%'")
	x.deliver(stripeEvent("evt_9", "invoice.paid", time.Now(), strings.ReplaceAll(proInvoice, "cus_1", "cus_9")))
	x.finished("evt_9", "processed")
	x.exchange(key, `{"providers":[]}`)
	x.do(http.DefaultClient, http.MethodPost, "/api/v1/usage/report", `{"provider":"openai","tokens_used":2000,"request_count":1}`, "X-Api-Key", key)
	x.do(http.DefaultClient, http.MethodPost, "/api/v1/phases/store", `{"phase":"scan","repo":"kiln/shop","commitSha":"abc","data":{"findings":1}}`, "X-Api-Key", key)
	const leaving = "(SELECT id FROM customers WHERE email LIKE 'leaving@%')"
	x.exec(x.conn, "INSERT INTO credentials (id, customer_id, provider, mode, secret_hash, reference, github_job, github_run, expires_at, inserted_at) VALUES "+
		"('cred_9', "+leaving+", 'openai', 'static', repeat('a', 64), '', '', '', now() + interval '1 hour', now())")
	x.exec(x.conn, "INSERT INTO idempotency_keys (key_hash, body_hash, customer_id, sealed, expires_at) VALUES "+
		"(repeat('b', 64), repeat('c', 64), "+leaving+", 'sealed', now() + interval '1 day')")
	x.exec(x.conn, "INSERT INTO river.river_job (kind, args, max_attempts, queue, state, finalized_at) SELECT 'fix_charge', "+
		"jsonb_build_object('customer_id', id, 'fix_id', 'fix-9'), 1, 'none', 'discarded', now() FROM customers WHERE email LIKE 'leaving@%'")
	x.settle()
	a := x.get("/api/v1/customers/me/export", "X-Api-Key", key)
	var export map[string][]map[string]any
	if err := json.Unmarshal([]byte(a.body), &export); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for table, rows := range map[string]int{
		"customers": 1, "api_keys": 1, "credit_transactions": 2, "usage_reports": 1, "billing_events": 1, "customer_journeys": 1,
		"phase_data": 1, "credentials": 1, "idempotency_keys": 1,
	} {
		if len(export[table]) != rows {
			t.Errorf("the export has %d rows of %s, want %d", len(export[table]), table, rows)
		}
	}
	if strings.Contains(a.body, app.HashKey(key)) {
		t.Error("the hash of the key is exported")
	}
	if !slices.ContainsFunc(export["jobs"], func(job map[string]any) bool { return job["kind"] == "fix_charge" && job["state"] == "discarded" }) {
		t.Errorf("the jobs that are exported are %v", export["jobs"])
	}
	delete(export, "jobs") // which is no table of ours; it is looked at below
	erase := func(body string) answer {
		return x.do(http.DefaultClient, http.MethodDelete, "/api/v1/customers/me", body, "X-Api-Key", key)
	}
	if a := erase(`{"confirm":"yes"}`); a.status != 422 {
		t.Errorf("without the address: %d %s", a.status, a.body)
	}
	if a := erase(`{"confirm":"leaving@kiln.example"}`); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := export["customers"][0]["id"]
	for table := range export {
		column := "customer_id"
		if table == "customers" {
			column = "id"
		}
		if n := x.one(fmt.Sprintf("SELECT count(*)::text FROM %s WHERE %s = %v", table, column, id)); n != "0" {
			t.Errorf("%s rows are left in %s", n, table)
		}
	}
	for _, query := range []string{
		"SELECT count(*)::text FROM billing_events WHERE payload::text LIKE '%cus_9%'",
		fmt.Sprintf("SELECT count(*)::text FROM river.river_job WHERE args->>'customer_id' = '%v'", id),
		"SELECT count(*)::text FROM funnel_events WHERE event_type = 'page_view'",
	} {
		if n := x.one(query); n != "0" {
			t.Errorf("%s gives %s", query, n)
		}
	}
	if !await(func() bool { return !x.works(key) }) {
		t.Error("the key works on")
	}
}
