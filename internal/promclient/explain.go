package promclient

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// Explain says in a few words why a server could not be asked. The same cause
// has the same words: nothing in them, such as the port of a connection, is
// another one with each attempt.
func Explain(err error) string {
	if said, ok := errors.AsType[*promv1.Error](err); ok {
		if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
			return "no answer in time"
		}
		return cut(said.Error())
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		if name.IsNotFound {
			return "no such host: " + name.Name
		}
		return "the host " + name.Name + " cannot be looked up"
	}
	if timedOut(err) {
		return "no answer in time"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "the connection broke"
	}
	return cut(err.Error())
}

// explainLimit bounds in bytes what a server may say in a condition.
const explainLimit = 300

func cut(text string) string {
	if len(text) <= explainLimit {
		return text
	}
	return strings.ToValidUTF8(text[:explainLimit], "") + "…"
}

// Refused tells that the server was reached and did not take this one query,
// which says nothing about others.
func Refused(err error) bool {
	said, ok := errors.AsType[*promv1.Error](err)
	return ok && (said.Type == promv1.ErrBadData || said.Type == promv1.ErrExec)
}

// OfTheQuery says what is wrong with one query, empty for an error that is one
// of the server and would meet any other query too. A query that takes too long
// may be either.
func OfTheQuery(err error) string {
	said, ok := errors.AsType[*promv1.Error](err)
	switch {
	case Refused(err):
		return "Prometheus refuses the query: " + err.Error()
	case errors.Is(err, errTooLong), ok && said.Type == promv1.ErrTimeout, timedOut(err):
		return "it is too much for Prometheus (" + Explain(err) + "): keep fewer labels, or look at a shorter window"
	default:
		return ""
	}
}

// timedOut tells that nobody answered for too long; context.DeadlineExceeded is
// such an error, too.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
