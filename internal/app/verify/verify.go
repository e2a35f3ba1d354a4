// Package verify mails the links that confirm addresses.
package verify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/jobs"
)

// Store is what the service needs of the storage.
type Store interface {
	Customer(ctx context.Context, id int64) (app.Customer, error)
	AddVerification(ctx context.Context, id int64, tokenHash string) error
}

// Mailer sends the links.
type Mailer interface {
	VerifyAddress(ctx context.Context, name, email, link string) error
}

// Options of a Service. Without Mailer or SiteURL no mail is sent.
type Options struct {
	Store   Store
	Log     *slog.Logger
	Mailer  Mailer
	SiteURL string
}

// Service mails links.
type Service struct{ o Options }

// New checks the options.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Log == nil {
		return nil, errors.New("verify.New: a required option is missing")
	}
	return &Service{o}, nil
}

// Register makes the service do its jobs.
func (s *Service) Register(c *jobs.Client) error { return jobs.Handle(c, s.send) }

// send mails a link of its own to each attempt: an earlier one may have left.
func (s *Service) send(ctx context.Context, job app.VerifyMailJob, _ jobs.Attempt) error {
	if s.o.Mailer == nil || s.o.SiteURL == "" {
		s.o.Log.WarnContext(ctx, "no link is mailed that confirms an address: SMTP_HOST or PUBLIC_HOST is not set", "customer_id", job.CustomerID)
		return nil
	}
	c, err := s.o.Store.Customer(ctx, job.CustomerID)
	if app.CodeOf(err) == app.CodeNotFound || err == nil && c.EmailVerified {
		return nil
	}
	if err != nil {
		return err
	}
	token := strings.ToLower(rand.Text())
	if err := s.o.Store.AddVerification(ctx, c.ID, app.HashKey(token)); err != nil {
		return err
	}
	if err := s.o.Mailer.VerifyAddress(ctx, c.Name, c.Email, s.o.SiteURL+"/verify?token="+token); err != nil {
		return fmt.Errorf("mailing a link to customer %d: %w", c.ID, err)
	}
	return nil
}
