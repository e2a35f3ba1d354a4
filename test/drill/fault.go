package drill

import (
	"context"
	"fmt"
	"time"
)

// fault is a thing that goes wrong, and the alerts that must tell of it.
type fault struct {
	name  string
	begin func(*Drill, context.Context) error
	// meanwhile is done again and again until all of it was told; may be nil.
	meanwhile func(*Drill, context.Context) error
	alerts    []string
}

// faults in order. Each ends the one before.
var faults = []fault{
	{
		"what Stripe tells cannot be stored", (*Drill).unstorable, (*Drill).hurryRetries,
		[]string{"StripeWebhookFailureRateHigh", "StripeWebhookProcessingDurationHigh"},
	},
	{
		"the database answers slowly", (*Drill).slowDatabase, nil,
		[]string{
			"APIP95LatencyHigh", "CredentialExchangeLatencyHigh", "DatabaseQueryLatencyHigh", "DatabaseQueryLatencyCritical",
			"DatabaseConnectionPoolExhausted", "WebhookProcessingLatencyHigh",
		},
	},
	{
		"the database answers nothing, and webhooks are forged", (*Drill).silentDatabase, nil,
		[]string{
			"APIErrorRateHigh", "APIErrorRateCritical", "APIP95LatencyCritical", "VulnerabilityValidationLatencyHigh",
			"WebhookProcessingFailures",
		},
	},
	{
		"nobody comes", (*Drill).nobody, nil,
		[]string{"APIRequestsStopped", "APIRequestRateAnomalyLow", "StripeWebhooksStalled"},
	},
	{"the app is gone", (*Drill).noApp, nil, []string{"APIMetricsAbsent", "StripeWebhookMetricsAbsent"}},
}

// unstorable has Stripe send, among others, events whose objects are none.
func (d *Drill) unstorable(context.Context) error {
	d.load.Unstorable.Store(true)
	return nil
}

// hurryRetries shortens the pauses between the attempts at an event, as the
// factor shortens all other times: an event is given up after the eighth, which
// takes more than two hours.
func (d *Drill) hurryRetries(ctx context.Context) error {
	_, err := d.direct.Exec(ctx, `update river.river_job set state = 'available', scheduled_at = now()
		where queue = 'webhooks' and attempt > 0 and scheduled_at > now() and state in ('available', 'retryable', 'scheduled')`)
	if err != nil {
		return fmt.Errorf("shortening the pauses between attempts: %w", err)
	}
	return nil
}

// slowDatabase delays each answer so much that all connections are in use, and
// so little that requests are still answered.
func (d *Drill) slowDatabase(context.Context) error {
	d.load.Unstorable.Store(false)
	d.proxy.Slow(300 * time.Millisecond)
	return nil
}

func (d *Drill) silentDatabase(context.Context) error {
	d.proxy.Slow(0)
	d.proxy.Silent(true)
	d.load.Forged.Store(true)
	return nil
}

func (d *Drill) nobody(context.Context) error {
	d.load.Paused.Store(true)
	d.load.Forged.Store(false)
	d.proxy.Silent(false)
	return nil
}

func (d *Drill) noApp(ctx context.Context) error {
	// Traffic first, for an app that is gone is another thing than nobody.
	d.load.Paused.Store(false)
	if err := d.until(ctx, func() error {
		d.readMails()
		return d.told("APIRequestsStopped", true)
	}); err != nil {
		return err
	}
	d.began = d.Now()
	return d.scale(ctx, 0)
}

// allWell ends what is left of the faults.
func (d *Drill) allWell(ctx context.Context) error { return d.scale(ctx, 1) }

func (d *Drill) scale(ctx context.Context, pods int) error {
	_, err := d.Cluster.Kubectl(ctx, nil, "-n", namespace, "scale", "rd/"+App, fmt.Sprintf("--replicas=%d", pods))
	return err
}
