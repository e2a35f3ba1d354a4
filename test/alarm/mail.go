// Package alarm sees what becomes of an alert: what a real Alertmanager makes of
// it, and what arrives at a real mail server.
package alarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is one that arrived.
type Mail struct {
	At time.Time
	// To is one address: each recipient gets a mail of its own.
	To, Subject, Text string
}

// Inbox is an SMTP server that keeps what it is given.
type Inbox struct {
	server *smtp.Server
	now    func() time.Time

	mu    sync.Mutex
	mails []Mail
}

// OpenInbox listens on an address until Close.
func OpenInbox(ctx context.Context, address string, now func() time.Time) (*Inbox, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for mail: %w", err)
	}
	inbox := &Inbox{now: now}
	inbox.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{inbox: inbox}, nil }))
	inbox.server.Domain, inbox.server.ReadTimeout = "localhost", time.Minute
	go func() { _ = inbox.server.Serve(listener) }() // it ends with Close
	return inbox, nil
}

// Close stops the server.
func (i *Inbox) Close() error { return i.server.Close() }

// Mails are those that arrived so far, oldest first.
func (i *Inbox) Mails() []Mail {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.mails)
}

// session takes the mails of one connection.
type session struct {
	inbox *Inbox
	to    []string
}

func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	subject, text, err := readMail(r)
	if err != nil {
		return err
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	for _, to := range s.to {
		s.inbox.mails = append(s.inbox.mails, Mail{At: s.inbox.now(), To: to, Subject: subject, Text: text})
	}
	return nil
}

// readMail finds the subject and the part in plain text.
func readMail(r io.Reader) (subject, text string, err error) {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return "", "", fmt.Errorf("reading a mail: %w", err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		return "", "", fmt.Errorf("reading a subject: %w", err)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return "", "", fmt.Errorf("reading the type of a mail: %w", err)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return subject, text, nil
		}
		if err != nil {
			return "", "", fmt.Errorf("reading the parts of a mail: %w", err)
		}
		if !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			continue
		}
		var body io.Reader = part
		if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(part)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			return "", "", fmt.Errorf("reading a mail: %w", err)
		}
		text = string(raw)
	}
}
