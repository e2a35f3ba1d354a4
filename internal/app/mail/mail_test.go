package mail

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// inbox is a mail server that keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	mails  []string
	to     []string
	refuse bool
}

func (i *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{i}, nil }

type session struct{ *inbox }

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return errors.New("no such mailbox")
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, string(body))
	return err
}

func newInbox(t *testing.T) (*inbox, *Sender) {
	t.Helper()
	box := &inbox{}
	server := smtp.NewServer(box)
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed with the server
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	sender, err := New(Options{
		Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Security: SecurityNone, //nolint:forcetypeassert // it is TCP
		From: "RSOLV <billing@rsolv.dev>", SiteURL: "https://rsolv.dev",
	})
	if err != nil {
		t.Fatal(err)
	}
	return box, sender
}

func TestPaymentFailed(t *testing.T) {
	t.Parallel()
	box, sender := newInbox(t)
	err := sender.PaymentFailed(t.Context(), app.Account{Name: "Kiln <b>Ltd</b>", Email: "ops@kiln.example"}, app.DunningJob{
		InvoiceID: "in_9", AmountCents: 59900, Currency: "usd", Attempt: 2, NextAttempt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(box.mails) != 1 || box.to[0] != "ops@kiln.example" {
		t.Fatalf("mails %v to %v", box.mails, box.to)
	}
	for _, want := range []string{
		"Subject: Your payment for RSOLV failed", "From: \"RSOLV\" <billing@rsolv.dev>", "599.00 USD", "in_9", "attempt 2",
		"1 December 2026", "multipart/alternative", "Kiln &lt;b&gt;Ltd",
	} {
		if !strings.Contains(box.mails[0], want) {
			t.Errorf("%q is missing in\n%s", want, box.mails[0])
		}
	}
}

func TestARefusedMailIsAnError(t *testing.T) {
	t.Parallel()
	box, sender := newInbox(t)
	box.refuse = true
	if err := sender.VerifyAddress(t.Context(), "Kiln", "ops@kiln.example", "https://rsolv.dev/verify"); err == nil {
		t.Error("a mail that the server refused counts as sent")
	}
	if err := sender.VerifyAddress(t.Context(), "Kiln", "x\r\nBcc: y@kiln.example", "l"); err == nil {
		t.Error("an address with a line break was taken")
	}
}

func TestNewChecks(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Host: "h", Port: 25}, {Host: "h", Port: 25, From: "nobody"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
