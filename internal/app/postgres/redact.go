package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Redact turns an error of this package into one line for people who must not
// see the connection string, a password or any stored value. It is built from
// what is known to be safe (codes, names of migrations and schema objects),
// not by taking secrets out of a text.
func Redact(err error) string {
	if err == nil {
		return ""
	}
	prefix := ""
	if step, ok := errors.AsType[*MigrationError](err); ok {
		prefix = fmt.Sprintf("migration %s failed: ", step.Name)
	}
	return prefix + redactCause(err)
}

func redactCause(err error) string {
	var pgErr *pgconn.PgError
	var behind *SchemaBehindError
	var locked *MigrationLockedError
	var ahead *SchemaAheadError
	switch {
	case errors.Is(err, ErrBadURL):
		return ErrBadURL.Error()
	case errors.As(err, &behind):
		return behind.Error()
	case errors.As(err, &locked):
		return locked.Error()
	case errors.As(err, &ahead):
		return ahead.Error()
	case errors.As(err, &pgErr):
		return redactPg(pgErr)
	case errors.Is(err, context.Canceled):
		return "it was cancelled before it ended"
	case away(err):
		return redactAway(err)
	default:
		return "an error without a safe description; the steps before it stay applied"
	}
}

// redactAway tells the ways apart in which a database does not answer.
func redactAway(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	const silent = "the database does not answer: "
	switch {
	case errors.As(err, &dns):
		return silent + "the host name in the connection string is not known here: check its spelling, and the cluster's DNS"
	case errors.As(err, &certificate):
		return silent + "its certificate cannot be trusted: check sslmode and sslrootcert of the connection string"
	case errors.Is(err, syscall.ECONNREFUSED):
		return silent + "the connection is refused: check host and port of the connection string, and that the database runs"
	case errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err):
		return silent + "it took too long: check host and port of the connection string, and that network policies and " +
			"firewalls let the connection through"
	default:
		return silent + "the connection cannot be made or broke off: check that it runs and that the network allows the connection"
	}
}

func redactPg(e *pgconn.PgError) string {
	code := e.Code
	switch {
	case code == "28000":
		return "the database does not let this user in from here: check the user and sslmode of the connection string, " +
			"and the server's pg_hba.conf (SQLSTATE " + code + ")"
	case strings.HasPrefix(code, "28"):
		return "the database refuses the login: check user and password of the connection string (SQLSTATE " + code + ")"
	case strings.HasPrefix(code, "3D"):
		return "the database named in the connection string does not exist: create it, or correct the name (SQLSTATE " + code + ")"
	case code == "53300":
		return "the database has no connection left: raise its max_connections, or lower the pool size (SQLSTATE " + code + ")"
	case code == "57P03":
		return "the database is starting up or shutting down: try again shortly (SQLSTATE " + code + ")"
	case strings.HasPrefix(code, "42"):
		// Syntax and access errors name schema objects only, never values.
		return fmt.Sprintf("%s (SQLSTATE %s)", e.Message, code)
	case strings.HasPrefix(code, "22"), strings.HasPrefix(code, "23"):
		return "existing rows do not fit the new schema" + objects(e) + " (SQLSTATE " + code + ")"
	case code == "55P03", code == "57014", strings.HasPrefix(code, "40"):
		return "it ran into a lock or a timeout: try again when the database is less busy (SQLSTATE " + code + ")"
	default:
		return "the database reported SQLSTATE " + code + objects(e)
	}
}

func objects(e *pgconn.PgError) string {
	var parts []string
	for _, o := range [][2]string{{"table", e.TableName}, {"column", e.ColumnName}, {"constraint", e.ConstraintName}} {
		if o[1] != "" {
			parts = append(parts, o[0]+" "+o[1])
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// Passing says whether an error may pass by itself: the database is away. A
// refused login or a missing database does not.
func Passing(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (strings.HasPrefix(pgErr.Code, "28") || strings.HasPrefix(pgErr.Code, "3D")) {
		return false
	}
	return away(err)
}
