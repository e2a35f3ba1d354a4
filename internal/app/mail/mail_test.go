package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// inbox is a mail server that keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	mails  []string
	to     []string
	refuse bool
	// login is the user and the password that the server asks for.
	login [2]string
}

func (i *inbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &session{inbox: i, known: i.login[0] == ""}, nil
}

type session struct {
	*inbox
	known bool
}

func (s *session) AuthMechanisms() []string {
	if s.login[0] == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if s.login != [2]string{username, password} {
			return errors.New("wrong login")
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		return smtp.ErrAuthRequired
	}
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
		if !strings.Contains(strings.ReplaceAll(box.mails[0], "=\r\n", ""), want) {
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

// certificate is a server's own for 127.0.0.1, and who vouches for it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, pool
}

// Mail goes over TLS, from the beginning or by STARTTLS, with a login; to a
// server that nobody vouches for, or that offers no TLS, nothing is sent.
func TestMailIsEncryptedAndLogsIn(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t)
	const user, password = "postmaster", "s3cret-of-the-mail-server"
	for _, tt := range []struct {
		about    string
		server   Security
		security Security
		password string
		roots    *x509.CertPool
		sent     bool
	}{
		{"STARTTLS", SecuritySTARTTLS, SecuritySTARTTLS, password, pool, true},
		{"TLS", SecurityTLS, SecurityTLS, password, pool, true},
		{"the default is STARTTLS", SecuritySTARTTLS, "", password, pool, true},
		{"a wrong password", SecuritySTARTTLS, SecuritySTARTTLS, "wrong-" + password, pool, false},
		{"nobody vouches, STARTTLS", SecuritySTARTTLS, SecuritySTARTTLS, password, nil, false},
		{"nobody vouches, TLS", SecurityTLS, SecurityTLS, password, nil, false},
		{"the server has no TLS", SecurityNone, SecuritySTARTTLS, password, pool, false},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			box := &inbox{login: [2]string{user, password}}
			server := smtp.NewServer(box)
			server.Domain = "localhost"
			listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed with the server
			if err != nil {
				t.Fatal(err)
			}
			port := listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is TCP
			switch tt.server {
			case SecuritySTARTTLS:
				server.TLSConfig = config
			case SecurityTLS:
				listener = tls.NewListener(listener, config)
			default:
			}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close() })
			sender, err := New(Options{
				Host: "127.0.0.1", Port: port, Security: tt.security, Username: user, Password: tt.password, RootCAs: tt.roots, From: "billing@rsolv.dev",
			})
			if err != nil {
				t.Fatal(err)
			}
			err = sender.VerifyAddress(t.Context(), "Kiln", "ops@kiln.example", "https://rsolv.dev/verify?token=t")
			box.mu.Lock()
			defer box.mu.Unlock()
			if (err == nil) != tt.sent || (len(box.mails) == 1) != tt.sent {
				t.Errorf("%d mails arrived: %v", len(box.mails), err)
			}
			if err != nil && strings.Contains(err.Error(), tt.password) {
				t.Errorf("the error tells the password: %v", err)
			}
			if tt.sent && !strings.Contains(strings.ReplaceAll(box.mails[0], "=\r\n", ""), "https://rsolv.dev/verify?token=3Dt") {
				t.Errorf("the link is missing in\n%s", box.mails[0])
			}
		})
	}
}

// A fix whose card was declined for the last time.
func TestDeclinedForTheLastTime(t *testing.T) {
	t.Parallel()
	box, sender := newInbox(t)
	if err := sender.PaymentFailed(t.Context(), app.Account{Name: "Kiln", Email: "ops@kiln.example"}, app.DunningJob{
		FixID: "fix-9", AmountCents: 2900, Currency: "usd", Attempt: 4,
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"29.00 USD", "fix fix-9, attempt 4", "This was the last attempt"} {
		if !strings.Contains(strings.ReplaceAll(box.mails[0], "=\r\n", ""), want) {
			t.Errorf("%q is missing in\n%s", want, box.mails[0])
		}
	}
}
