// Package mail sends the app's mail by SMTP.
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Security is how the connection is protected.
type Security string

// The ways. None is for servers on the same machine.
const (
	SecuritySTARTTLS Security = "starttls"
	SecurityTLS      Security = "tls"
	SecurityNone     Security = "none"
)

const sendTimeout = 15 * time.Second

// Options of a Sender.
type Options struct {
	Host     string
	Port     int
	Security Security
	// Username and Password are empty for a server that asks for none.
	Username, Password string
	// RootCAs vouch for the server; nil means those of the system.
	RootCAs *x509.CertPool
	// From is an address, with a name if wanted.
	From string
	// SiteURL is where links lead.
	SiteURL string
}

// Sender sends mail.
type Sender struct {
	o     Options
	pages *template.Template
}

// New checks the options, and does not connect.
func New(o Options) (*Sender, error) {
	if o.Host == "" || o.Port == 0 || o.From == "" {
		return nil, errors.New("mail.New: host, port and sender are required")
	}
	if err := mail.NewMsg().From(o.From); err != nil {
		return nil, errors.New("mail.New: the sender is no address")
	}
	pages, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the mails: %w", err)
	}
	return &Sender{o: o, pages: pages}, nil
}

// PaymentFailed tells a customer that an invoice or a fix could not be paid, and
// what comes of it.
func (s *Sender) PaymentFailed(ctx context.Context, account app.Account, job app.DunningJob) error {
	data := struct {
		Name, Amount, For, Next, Site string
		Attempt                       int
	}{
		Name: account.Name, Amount: Money(job.AmountCents, job.Currency), For: "invoice " + job.InvoiceID, Site: s.o.SiteURL, Attempt: job.Attempt,
	}
	if job.FixID != "" {
		data.For = "fix " + job.FixID
	}
	if !job.NextAttempt.IsZero() {
		data.Next = job.NextAttempt.UTC().Format("2 January 2006")
	}
	text := fmt.Sprintf("Hello %s,\n\nyour payment of %s for RSOLV could not be taken (%s, attempt %d).\n", data.Name, data.Amount, data.For, data.Attempt)
	if data.Next != "" {
		text += "We try again on " + data.Next + ".\n"
	} else {
		text += "This was the last attempt.\n"
	}
	text += "\nPlease check your payment method, or answer this mail.\n\nRSOLV\n"
	return s.send(ctx, account.Email, "Your payment for RSOLV failed", text, "payment_failed.html", data)
}

// VerifyAddress sends the link that confirms an address.
func (s *Sender) VerifyAddress(ctx context.Context, name, email, link string) error {
	data := struct{ Name, Link string }{name, link}
	text := fmt.Sprintf("Hello %s,\n\nplease confirm that this address is yours:\n%s\n\nThe link is good for a day. If you did not sign up at RSOLV, ignore this mail.\n\nRSOLV\n", name, link)
	return s.send(ctx, email, "Confirm your address for RSOLV", text, "verify.html", data)
}

// Money writes an amount as people do.
func Money(cents int64, currency string) string {
	return fmt.Sprintf("%d.%02d %s", cents/100, cents%100, strings.ToUpper(currency))
}

func (s *Sender) send(ctx context.Context, to, subject, text, page string, data any) error {
	var html bytes.Buffer
	if err := s.pages.ExecuteTemplate(&html, page, data); err != nil {
		return fmt.Errorf("writing a mail: %w", err)
	}
	message := mail.NewMsg()
	if err := errors.Join(message.From(s.o.From), message.To(to)); err != nil {
		return errors.New("a mail has an address that cannot be used")
	}
	message.Subject(subject)
	message.SetBodyString(mail.TypeTextPlain, text)
	message.AddAlternativeString(mail.TypeTextHTML, html.String())
	message.SetMessageID()
	message.SetDate()
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		return fmt.Errorf("sending a mail through %s: %w", s.o.Host, err)
	}
	return nil
}

func (s *Sender) client() (*mail.Client, error) {
	options := []mail.Option{
		mail.WithPort(s.o.Port), mail.WithTimeout(sendTimeout),
		mail.WithTLSConfig(&tls.Config{ServerName: s.o.Host, RootCAs: s.o.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	switch s.o.Security {
	case SecurityTLS:
		options = append(options, mail.WithSSL())
	case SecurityNone:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.o.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.o.Username), mail.WithPassword(s.o.Password))
	}
	client, err := mail.NewClient(s.o.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("making the mail client: %w", err)
	}
	return client, nil
}
