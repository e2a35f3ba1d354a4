package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// billing are the collectors about payments. No label names a customer, and
// each has known values only.
type billing struct {
	received, processed                 *prometheus.CounterVec
	receivedTook, processedTook         *prometheus.HistogramVec
	refused                             *prometheus.CounterVec
	payments, invoicesPaid, invoicesBad *prometheus.CounterVec
	paymentCents, invoiceCents          *prometheus.HistogramVec
	subscribed, renewed, cancelled      *prometheus.CounterVec
	creditsAdded, creditsUsed           *prometheus.CounterVec
	creditsAddedN, paymentTook          *prometheus.HistogramVec
	usage                               *prometheus.CounterVec
	parked                              prometheus.Gauge
	subscriptions                       *prometheus.GaugeVec
}

// centBuckets are the bounds of amounts, with the prices among them.
var centBuckets = []float64{100, 500, 1500, 2900, 4900, 10000, 59900, 100000}

func newBilling() *billing {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	b := &billing{
		received: counter(contract.MetricWebhookReceived,
			"Stripe webhooks that came in, by status (success, failed) and by why they were refused.", "event_type", "status", "failure_reason"),
		receivedTook: histogram(contract.MetricWebhookDuration,
			"Duration of receiving Stripe webhooks in milliseconds: checking and storing them.", contract.WebhookBucketsMS, "event_type", "status"),
		refused: counter("rsolv_billing_stripe_webhook_failed_total", "Stripe webhooks that were refused.", "event_type", "failure_reason"),
		processed: counter(contract.MetricWebhookProcessed,
			"Events whose effects are stored (success), or that were given up (failed). Each counts once.", "event_type", "status"),
		processedTook: histogram(contract.MetricWebhookProcessedDuration,
			"Time in milliseconds from receiving an event until its effects were stored, or it was given up.", contract.WebhookBucketsMS, "event_type", "status"),
		payments:     counter(contract.MetricPaymentProcessed, "Payments, by status (success, failed).", "status", "payment_method"),
		paymentCents: histogram("rsolv_billing_payment_processed_amount_cents", "Amounts of payments in US cents.", centBuckets, "status", "payment_method"),
		paymentTook: histogram("rsolv_billing_payment_processed_duration_milliseconds",
			"Time in milliseconds that Stripe took for a payment, declined ones too.", []float64{100, 250, 500, 1000, 2000, 5000, 10000}, "payment_method"),
		usage:        counter("rsolv_billing_usage_tracked_total", "Deployed fixes that were recorded, whoever pays for them.", "plan", "resource_type"),
		invoicesPaid: counter("rsolv_billing_invoice_paid_total", "Invoices that were paid, by the plan of the customer.", "plan"),
		invoiceCents: histogram("rsolv_billing_invoice_paid_amount_cents", "Amounts of paid invoices in US cents.", centBuckets, "plan"),
		invoicesBad:  counter("rsolv_billing_invoice_failed_total", "Invoices whose payment failed.", "failure_code"),
		subscribed:   counter(contract.MetricSubscriptionCreated, "Subscriptions that began.", "plan"),
		renewed:      counter("rsolv_billing_subscription_renewed_total", "Subscriptions that were paid for another period.", "plan"),
		cancelled:    counter(contract.MetricSubscriptionCancelled, "Subscriptions that ended.", "plan"),
		creditsAdded: counter("rsolv_billing_credits_added_total", "Credits that were given, in fixes.", "reason"),
		creditsAddedN: histogram(contract.MetricCreditsAdded,
			"Credits that were given at once, in fixes.", contract.CreditBuckets, "reason"),
		creditsUsed: counter("rsolv_billing_credits_consumed_total", "Fixes that took a credit, or were free on a plan without limit.", "plan"),
	}
	b.parked = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rsolv_billing_events_parked", Help: "Events of Stripe's that were given up and wait for a person; looked up now and then.",
	})
	b.subscriptions = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: contract.MetricSubscriptions, Help: "Subscriptions that are active, by plan; looked up now and then, and the same in each process.",
	}, []string{"plan"})
	// Series that are there from the start: a first failure is an increase.
	for _, status := range []string{"success", "failed"} {
		b.payments.WithLabelValues(status, "invoice")
		b.payments.WithLabelValues(status, "card")
	}
	b.paymentTook.WithLabelValues("card")
	for _, kind := range webhookTypes {
		b.received.WithLabelValues(kind, "success", "")
		b.processed.WithLabelValues(kind, "success")
		b.processed.WithLabelValues(kind, "failed")
	}
	for _, reason := range webhookFailures {
		b.received.WithLabelValues("unknown", "failed", reason)
	}
	for _, plan := range app.Plans() {
		b.invoicesPaid.WithLabelValues(string(plan))
		b.invoiceCents.WithLabelValues(string(plan))
		b.creditsUsed.WithLabelValues(string(plan))
		b.usage.WithLabelValues(string(plan), "fix")
	}
	for _, code := range failureCodes {
		b.invoicesBad.WithLabelValues(code)
	}
	b.subscribed.WithLabelValues(string(app.PlanPro))
	b.cancelled.WithLabelValues(string(app.PlanPro))
	return b
}

// Values of labels; billing's tests hold them to what it counts.
var (
	webhookTypes = []string{
		"invoice.paid", "invoice.payment_succeeded", "invoice.payment_failed", "customer.subscription.created",
		"customer.subscription.updated", "customer.subscription.deleted", "payment_method.attached", "other",
	}
	webhookFailures = []string{
		"missing_signature", "invalid_signature", "signature_expired", "invalid_payload", "body_too_large",
		"storage_unavailable", "not_configured",
	}
	failureCodes = []string{"", "card_declined", "expired_card", "insufficient_funds", "authentication_required", "processing_error"}
)

func (b *billing) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		b.received, b.receivedTook, b.refused, b.processed, b.processedTook, b.payments, b.paymentCents, b.invoicesPaid,
		b.invoiceCents, b.invoicesBad, b.subscribed, b.renewed, b.cancelled, b.creditsAdded, b.creditsAddedN, b.creditsUsed, b.parked, b.subscriptions, b.paymentTook, b.usage,
	}
}

// known is value when it is one of the allowed, else other.
func known(value string, allowed []string) string {
	if slices.Contains(allowed, value) {
		return value
	}
	return "other"
}

func planLabel(plan string) string {
	for _, p := range app.Plans() {
		if string(p) == plan {
			return plan
		}
	}
	return "other"
}

// CountReceived counts a webhook that was answered.
func (m *Metrics) CountReceived(eventType, status, reason string, took time.Duration) {
	m.billing.received.WithLabelValues(eventType, status, reason).Inc()
	m.billing.receivedTook.WithLabelValues(eventType, status).Observe(milliseconds(took))
	if status == "failed" {
		m.billing.refused.WithLabelValues(eventType, reason).Inc()
	}
}

// SetSubscriptions tells how many subscriptions are active by plan.
func (m *Metrics) SetSubscriptions(counts map[app.Plan]int64) {
	for _, plan := range app.Plans() {
		m.billing.subscriptions.WithLabelValues(string(plan)).Set(float64(counts[plan]))
	}
}

// SetParked tells how many events are parked.
func (m *Metrics) SetParked(n int64) { m.billing.parked.Set(float64(n)) }

// CountProcessed counts an event that is finished.
func (m *Metrics) CountProcessed(eventType, status string, took time.Duration) {
	m.billing.processed.WithLabelValues(eventType, status).Inc()
	m.billing.processedTook.WithLabelValues(eventType, status).Observe(milliseconds(took))
}

// CountPayment counts a payment.
func (m *Metrics) CountPayment(status, method string, cents int64) {
	m.billing.payments.WithLabelValues(status, method).Inc()
	m.billing.paymentCents.WithLabelValues(status, method).Observe(float64(cents))
}

// ObservePayment observes how long a payment took.
func (m *Metrics) ObservePayment(method string, took time.Duration) {
	m.billing.paymentTook.WithLabelValues(method).Observe(milliseconds(took))
}

// CountUsage counts a deployed fix.
func (m *Metrics) CountUsage(plan string) {
	m.billing.usage.WithLabelValues(planLabel(plan), "fix").Inc()
}

// CountInvoice counts an invoice.
func (m *Metrics) CountInvoice(plan string, paid bool, cents int64, failureCode string) {
	if !paid {
		m.billing.invoicesBad.WithLabelValues(known(failureCode, failureCodes)).Inc()
		return
	}
	m.billing.invoicesPaid.WithLabelValues(planLabel(plan)).Inc()
	m.billing.invoiceCents.WithLabelValues(planLabel(plan)).Observe(float64(cents))
}

// CountSubscription counts a change (created, renewed, cancelled).
func (m *Metrics) CountSubscription(plan, change string) {
	switch change {
	case "created":
		m.billing.subscribed.WithLabelValues(planLabel(plan)).Inc()
	case "renewed":
		m.billing.renewed.WithLabelValues(planLabel(plan)).Inc()
	case "cancelled":
		m.billing.cancelled.WithLabelValues(planLabel(plan)).Inc()
	}
}

// CountCredits counts credits that were given.
func (m *Metrics) CountCredits(reason string, n int) {
	reason = known(reason, app.CreditSources())
	m.billing.creditsAdded.WithLabelValues(reason).Add(float64(n))
	m.billing.creditsAddedN.WithLabelValues(reason).Observe(float64(n))
}

// CountCreditUsed counts a fix that was paid for, or free.
func (m *Metrics) CountCreditUsed(plan string) {
	m.billing.creditsUsed.WithLabelValues(planLabel(plan)).Inc()
}
