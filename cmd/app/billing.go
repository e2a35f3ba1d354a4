package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
	"github.com/rsolv-dev/rsolv-operator/internal/app/mail"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/verify"
)

// Variables of Stripe and of mail.
const (
	envStripeKey     = "STRIPE_API_KEY"
	envStripeURL     = "STRIPE_BASE_URL"
	envStripeSecret  = "STRIPE_WEBHOOK_SECRET" //nolint:gosec // the name of a variable
	envStripePrice   = "STRIPE_PRO_PRICE_ID"
	envStripeCredits = "STRIPE_PRO_CREDITS" //nolint:gosec // the name of a variable
	envSMTPHost      = "SMTP_HOST"
	envSMTPPort      = "SMTP_PORT"
	envSMTPSecurity  = "SMTP_SECURITY"
	envSMTPUsername  = "SMTP_USERNAME"
	envSMTPPassword  = "SMTP_PASSWORD"
	envMailFrom      = "MAIL_FROM"
)

// billingSettings are what billing is set up with; every part may be missing.
type billingSettings struct {
	stripe     billing.Stripe
	secrets    []string
	proPrice   string
	proCredits int
	mailer     *mail.Sender
}

func (p *program) billingSettings() (billingSettings, error) {
	s := billingSettings{proPrice: p.getenv(envStripePrice), proCredits: app.ProMonthlyCredits}
	base := billing.StripeURL
	if text := p.getenv(envStripeURL); text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return s, usagef("%s is no http or https URL: use %s", envStripeURL, billing.StripeURL)
		}
		base = strings.TrimRight(text, "/")
	}
	if key := p.getenv(envStripeKey); key != "" {
		s.stripe = billing.NewAPI(key, base)
	}
	for secret := range strings.SplitSeq(p.getenv(envStripeSecret), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			s.secrets = append(s.secrets, secret)
		}
	}
	if text := p.getenv(envStripeCredits); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100000 {
			return s, usagef("%s is %q: use a whole number from 1 to 100000", envStripeCredits, text)
		}
		s.proCredits = n
	}
	var err error
	s.mailer, err = p.mailer()
	return s, err
}

// mailer is nil when SMTP_HOST is not set.
func (p *program) mailer() (*mail.Sender, error) {
	o := mail.Options{
		Host: p.getenv(envSMTPHost), Port: 587, Security: mail.Security(p.getenv(envSMTPSecurity)),
		Username: p.getenv(envSMTPUsername), Password: p.getenv(envSMTPPassword), From: p.getenv(envMailFrom),
	}
	if o.Host == "" {
		return nil, nil //nolint:nilnil // no mail is a setting like any other
	}
	switch o.Security {
	case "":
		o.Security = mail.SecuritySTARTTLS
	case mail.SecuritySTARTTLS, mail.SecurityTLS, mail.SecurityNone:
	default:
		return nil, usagef("%s is %q: use starttls, tls, or none", envSMTPSecurity, o.Security)
	}
	if text := p.getenv(envSMTPPort); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return nil, usagef("%s is %q: use a port, such as 587", envSMTPPort, text)
		}
		o.Port = port
	}
	site, err := p.siteURL()
	if err != nil {
		return nil, err
	}
	o.SiteURL = site
	sender, err := mail.New(o)
	if err != nil {
		return nil, usagef("%s is set, and %s is no address: use the address that mail comes from", envSMTPHost, envMailFrom)
	}
	return sender, nil
}

// siteURL is where people are sent back to; empty without PUBLIC_HOST.
func (p *program) siteURL() (string, error) {
	host, err := p.publicHost()
	if err != nil || host == "" {
		return "", err
	}
	return "https://" + host, nil
}

// billing makes the service and the client of its jobs.
func (p *program) billing(
	ctx context.Context, store *postgres.Store, url string, m *metrics.Metrics, log *slog.Logger,
) (*billing.Service, *jobs.Client, error) {
	settings, err := p.billingSettings()
	if err != nil {
		return nil, nil, err
	}
	site, err := p.siteURL()
	if err != nil {
		return nil, nil, err
	}
	o := billing.Options{
		Store: store, Log: log, Now: p.now, Metrics: m, Stripe: settings.stripe, Secrets: settings.secrets,
		ProPrice: settings.proPrice, ProCredits: settings.proCredits, SiteURL: site,
	}
	if settings.mailer != nil {
		o.Mailer = settings.mailer
	}
	service, err := billing.New(o)
	if err != nil {
		return nil, nil, err
	}
	client, err := jobs.New(ctx, jobs.Options{URL: url, Log: log, Redact: postgres.Redact})
	if err != nil {
		return nil, nil, err
	}
	links := verify.Options{Store: store, Log: log, SiteURL: site}
	if settings.mailer != nil {
		links.Mailer = settings.mailer
	}
	verifier, err := verify.New(links)
	if err == nil {
		err = errors.Join(service.Register(client), verifier.Register(client))
	}
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	store.UseJobs(client)
	return service, client, nil
}

// billingParked lists the events that could not be processed, or gives one
// another try.
func (p *program) billingParked(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("billing parked", flag.ContinueOnError)
	retry := set.String("retry", "", "id of the event to try again; the running app does it")
	if err := p.parse(set, args); err != nil {
		return err
	}
	store, err := p.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if *retry != "" {
		return p.retryEvent(ctx, store, *retry)
	}
	events, err := store.EventsBy(ctx, app.EventParked)
	if err != nil {
		return fmt.Errorf("billing parked: %s", postgres.Redact(err))
	}
	for _, e := range events {
		p.printf("%s  %s  %s  %s\n", e.ReceivedAt.Format("2006-01-02 15:04:05"), e.ID, e.Type, e.Problem)
	}
	p.printf("%d events are parked\n", len(events))
	return nil
}

func (p *program) retryEvent(ctx context.Context, store *postgres.Store, id string) error {
	url, err := p.databaseURL()
	if err != nil {
		return err
	}
	client, err := jobs.New(ctx, jobs.Options{URL: url, Log: slog.New(slog.DiscardHandler), Redact: postgres.Redact})
	if err != nil {
		return err
	}
	defer client.Close()
	store.UseJobs(client)
	err = store.RetryEvent(ctx, id)
	var known *app.Error
	if errors.As(err, &known) && known.Code == app.CodeNotFound {
		return fmt.Errorf("billing parked: no parked event has the id %q: billing parked lists them", id)
	}
	if err != nil {
		return fmt.Errorf("billing parked: %s", postgres.Redact(err))
	}
	p.printf("event %s is tried again\n", id)
	return nil
}
