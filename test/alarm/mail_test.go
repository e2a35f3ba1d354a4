package alarm

import (
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

func TestInboxReadsMail(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	inbox, err := OpenInbox(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close() //nolint:errcheck // the test is over
	message := strings.ReplaceAll(`Subject: =?utf-8?q?[CRITICAL]_Errors_=C2=B7_fire-drill?=
Content-Type: multipart/alternative; boundary=b

--b
Content-Transfer-Encoding: quoted-printable
Content-Type: text/plain; charset=UTF-8

Errors (critical): 12=25 of requests fail
--b
Content-Type: text/html

<p>no</p>
--b--
`, "\n", "\r\n")
	if err := smtp.SendMail(address, nil, "a@example.com", []string{"b@example.com"}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	mails := inbox.Mails()
	if len(mails) != 1 || mails[0].To != "b@example.com" || mails[0].Subject != "[CRITICAL] Errors · fire-drill" ||
		strings.TrimSpace(mails[0].Text) != "Errors (critical): 12% of requests fail" {
		t.Errorf("mails %+v", mails)
	}
}
