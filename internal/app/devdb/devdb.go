// Package devdb runs a PostgreSQL server of its own from the machine's
// binaries, for development and tests: in a temporary folder, on a free
// loopback port, with a random password, and without waiting for the disk unless
// asked to. Nothing in it survives Stop.
package devdb

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser    = "rsolv"
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
)

// ErrNoBinaries says that the machine has no PostgreSQL server.
var ErrNoBinaries = errors.New("no PostgreSQL server binaries found; install them " +
	"(Debian: apt-get install postgresql) or put initdb and postgres on the PATH")

// Server is a running PostgreSQL.
type Server struct {
	bin, dir string
	password string
	port     int
	account  *account // nil: run as the current user
	process  *exec.Cmd
	exited   chan struct{} // closed when process has ended
	log      *os.File
	// durable servers keep what they confirmed through Crash.
	durable bool
}

// Start creates a database cluster and starts it. Stop must be called.
func Start(ctx context.Context) (*Server, error) { return start(ctx, false) }

// StartDurable is Start of a server that waits for the disk as one in production
// does: what it confirmed outlives Crash.
func StartDurable(ctx context.Context) (*Server, error) { return start(ctx, true) }

func start(ctx context.Context, durable bool) (*Server, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, password: rand.Text(), durable: durable}
	if s.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "rsolv-postgres-"); err != nil {
		return nil, fmt.Errorf("making a folder for PostgreSQL: %w", err)
	}
	if err := s.create(ctx); err != nil {
		_ = os.RemoveAll(s.dir) // the first error is the one to tell
		return nil, err
	}
	if err := s.Resume(ctx); err != nil {
		_ = os.RemoveAll(s.dir) // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

// URL is the connection string of one of the server's databases; "postgres"
// always exists.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Pause stops the server and keeps its data and port, as an outage does.
func (s *Server) Pause() error {
	// SIGINT is PostgreSQL's fast shutdown: clients are disconnected.
	return s.end(syscall.SIGINT)
}

// Crash ends the server without letting it write anything more; Resume recovers
// it from its log.
func (s *Server) Crash() error {
	// SIGQUIT is PostgreSQL's immediate shutdown: no process of it goes on.
	return s.end(syscall.SIGQUIT)
}

func (s *Server) end(how syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.process.Process.Kill() // it is to go now, whatever happens to the data
		<-s.exited
	}
	s.process = nil
	return s.log.Close()
}

// Resume starts a paused server again.
func (s *Server) Resume(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := s.run(ctx)
		if err == nil {
			return nil
		}
		// Someone else may have taken the port between finding and using it.
		taken := s.port != 0 && attempt < 5 && strings.Contains(s.tail(), "Address already in use")
		if !taken {
			return err
		}
		s.port = 0
	}
}

// Stop ends the server and removes everything it wrote.
func (s *Server) Stop() error {
	return errors.Join(s.Pause(), os.RemoveAll(s.dir))
}

func (s *Server) create(ctx context.Context) error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("writing PostgreSQL's password: %w", err)
	}
	if s.account != nil {
		for _, path := range []string{s.dir, secret} {
			if err := os.Chown(path, s.account.uid, s.account.gid); err != nil {
				return fmt.Errorf("giving %s to the user postgres: %w", path, err)
			}
		}
	}
	initdb := s.command(ctx, "initdb", "--pgdata", s.data(), "--username", superuser, "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("running initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return os.Remove(secret)
}

func (s *Server) run(ctx context.Context) error {
	if s.port == 0 {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		s.port = port
	}
	var err error
	if s.log, err = os.Create(s.logPath()); err != nil {
		return fmt.Errorf("opening PostgreSQL's log: %w", err)
	}
	// The server outlives ctx, which bounds starting it alone.
	args := []string{
		"-D", s.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.port), "-c", "unix_socket_directories=",
		"-c", "max_connections=200", "-c", "timezone=UTC",
	}
	if s.durable {
		args = append(args, "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB")
	} else {
		args = append(args, "-c", "shared_buffers=64MB", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	s.process = s.command(context.WithoutCancel(ctx), "postgres", args...)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		s.process = nil
		return errors.Join(fmt.Errorf("starting PostgreSQL: %w", err), s.log.Close())
	}
	process, exited := s.process, make(chan struct{})
	s.exited = exited
	go func() {
		_ = process.Wait() // how it ended is in its log
		close(exited)
	}()
	if err := s.await(ctx); err != nil {
		return errors.Join(err, s.Pause())
	}
	return nil
}

// await returns when the server answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("PostgreSQL ended while starting: %s", s.tail())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not start in %v: %w", startTimeout, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logPath() string { return filepath.Join(s.dir, "server.log") }

func (s *Server) tail() string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return "no log: " + err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...) //nolint:gosec // found by findBinaries
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	cmd.SysProcAttr = sysProcAttr(s.account)
	return cmd
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has a TCP address
	return port, l.Close()
}

// findBinaries returns the folder of the newest server that has both programs.
func findBinaries() (string, error) {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("looking for PostgreSQL: %w", err)
		}
		dirs = append(dirs, found...)
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNoBinaries
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// version is the number in a path such as /usr/lib/postgresql/15/bin.
func version(dir string) int {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, dir)
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
