package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	postgresUser = "postgres" // Debian's, which the server runs as
	databaseName = "rsolv"    // also the role that owns it
)

// postgres is a PostgreSQL server on this machine, outside the cluster, as a
// managed database would be.
func (c *cluster) postgres(t tools) component {
	s := c.settings
	port := strconv.Itoa(s.Ports.Postgres)
	return component{
		name: "postgres", path: filepath.Join(t.postgresDir, "postgres"), user: postgresUser,
		args: []string{
			"-D", c.path("postgres"),
			"-c", "listen_addresses=" + loopback + "," + s.NodeIP,
			"-c", "port=" + port,
			"-c", "unix_socket_directories=" + c.path("postgres-socket"),
			"-c", "hba_file=" + c.path("pg_hba.conf"),
			"-c", "max_connections=200",
		},
		listens: []listener{{s.NodeIP, s.Ports.Postgres, portEnv("POSTGRES")}, {loopback, s.Ports.Postgres, portEnv("POSTGRES")}},
		ready: func(ctx context.Context) error {
			answer, err := run(ctx, filepath.Join(t.postgresDir, "pg_isready"), "-h", s.NodeIP, "-p", port)
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.TrimSpace(answer))
			}
			return nil
		},
		patience: slow,
		prepare:  c.clearPostmasterLock,
		gently:   gentleStop(syscall.SIGINT), // ends connections; SIGTERM waits for them
	}
}

// ensurePostgres makes the data directory and the password; the role and the
// database follow once the server runs.
func (c *cluster) ensurePostgres(ctx context.Context, t tools) error {
	who, err := credential(postgresUser)
	if err != nil {
		return err
	}
	if err := c.ensurePassword(); err != nil {
		return err
	}
	for _, dir := range []string{c.path("postgres"), c.path("postgres-socket")} {
		if err := makeDir(dir); err != nil {
			return err
		}
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return fmt.Errorf("giving %s to %s: %w", dir, postgresUser, err)
		}
	}
	if err := writeFile(c.path("pg_hba.conf"), []byte(c.postgresHBA()), 0o644); err != nil {
		return err
	}
	if _, err := os.Stat(c.path("postgres", "PG_VERSION")); err == nil {
		return nil
	}
	err = c.asPostgres(ctx, "", filepath.Join(t.postgresDir, "initdb"), "-D", c.path("postgres"),
		"--username="+postgresUser, "--auth-local=peer", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return fmt.Errorf("initialising PostgreSQL: %w", err)
	}
	return nil
}

// clearPostmasterLock removes the lock files of a server that was killed. The
// server itself would, but takes a process that has ended and waits to be
// collected for a running one. Backends, which work in the data directory, must
// be gone first: they hold its shared memory.
func (c *cluster) clearPostmasterLock() error {
	path := c.path("postgres", "postmaster.pid")
	for range int(stopPatience / pollEvery) {
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading PostgreSQL's lock: %w", err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil {
			return fmt.Errorf("PostgreSQL's lock %s names no process: %w", path, err)
		}
		if who, err := c.proc.find(pid); err == nil && c.proc.alive(who) {
			return nil // it runs, or the server judges better than we do
		}
		if len(c.proc.workingIn(c.path("postgres"))) == 0 {
			return errors.Join(os.RemoveAll(c.socketLock()), os.Remove(path))
		}
		time.Sleep(pollEvery)
	}
	return errors.New("the backends of a killed PostgreSQL server do not end")
}

func (c *cluster) socketLock() string {
	return c.path("postgres-socket", fmt.Sprintf(".s.PGSQL.%d.lock", c.settings.Ports.Postgres))
}

func (c *cluster) ensurePassword() error {
	if password, err := readFile(c.path("postgres.password")); err == nil && len(password) > 0 {
		return nil
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("making the database password: %w", err)
	}
	return writeFile(c.path("postgres.password"), []byte(hex.EncodeToString(secret)), 0o600)
}

// asPostgres runs a program as the user the server runs as.
func (c *cluster) asPostgres(ctx context.Context, input, name string, args ...string) error {
	who, err := credential(postgresUser)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // running PostgreSQL's programs is what this is for
	cmd.Dir, cmd.Env = "/", c.environment()
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	_, err = output(cmd)
	return err
}

// ensureDatabase makes the role and its database. The password goes in on
// standard input: command lines are public.
func (c *cluster) ensureDatabase(ctx context.Context, t tools) error {
	password, err := readFile(c.path("postgres.password"))
	if err != nil {
		return fmt.Errorf("reading the database password: %w", err)
	}
	script := fmt.Sprintf(`
SELECT 'CREATE ROLE %[1]s LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%[1]s') \gexec
ALTER ROLE %[1]s PASSWORD '%[2]s';
SELECT 'CREATE DATABASE %[1]s OWNER %[1]s' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '%[1]s') \gexec
`, databaseName, password)
	err = c.asPostgres(ctx, script, filepath.Join(t.postgresDir, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-h", c.path("postgres-socket"), "-p", strconv.Itoa(c.settings.Ports.Postgres), "-U", postgresUser, "-d", "postgres")
	if err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	return nil
}

// databaseURL is how pods, and programs on this machine, reach the database.
func (c *cluster) databaseURL() (string, error) {
	password, err := readFile(c.path("postgres.password"))
	if err != nil {
		return "", fmt.Errorf("reading the database password: %w", err)
	}
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(databaseName, string(password)),
		Host: fmt.Sprintf("%s:%d", c.settings.NodeIP, c.settings.Ports.Postgres), Path: databaseName, RawQuery: "sslmode=disable",
	}
	return address.String(), nil
}

// psqlCommand becomes psql, connected as the application is.
func psqlCommand(_ context.Context, c *cluster, args []string) error {
	address, err := c.databaseURL()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the cluster is not up: run the command up first")
	}
	if err != nil {
		return err
	}
	dir := folderWith("psql", postgresDirs()...)()
	if dir == "" {
		return errors.New("psql is missing: run the command up first")
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("reading the database address: %w", err)
	}
	password, _ := parsed.User.Password()
	env := append(os.Environ(), "PGPASSWORD="+password, "PGHOST="+parsed.Hostname(), "PGPORT="+parsed.Port(),
		"PGUSER="+databaseName, "PGDATABASE="+databaseName)
	path := filepath.Join(dir, "psql")
	return syscall.Exec(path, append([]string{path}, args...), env) //nolint:gosec // the user's own arguments for psql
}
