// Package promtest runs a real Prometheus for tests: the program of the
// machine, on a free port, with a history that a test writes down.
package promtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a Prometheus that runs until the test ends.
type Server struct {
	// URL of its API.
	URL string
}

// Options of a Server.
type Options struct {
	// Config is the content of prometheus.yml; empty scrapes nothing.
	Config string
	// History are the samples that it begins with.
	History []Series
	// WebConfig is the content of its web configuration file, for TLS and
	// basic authentication; Client is what then reaches it.
	WebConfig string
	Client    *http.Client
	// Host is the address to listen at, for those who ask from elsewhere; empty
	// is this machine's loopback.
	Host string
	// Args are further arguments.
	Args []string
}

// Series is one series, sampled every Step from From on.
type Series struct {
	// Name and labels, as in up{job="rsolv"}.
	Name string
	From time.Time
	Step time.Duration
	// Values in order.
	Values []float64
}

// Binary finds a program of Prometheus: the one that the environment variable
// of its name in capitals names, or the one in PATH.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	if path := os.Getenv(strings.ToUpper(name)); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("%s is not in PATH: install Debian's package prometheus (hack/deps.sh promtool), or name the binary in the environment variable %s", name, strings.ToUpper(name))
	}
	return path
}

// Start runs a Prometheus and waits until it answers.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	dir := tb.TempDir()
	write(tb, filepath.Join(dir, "prometheus.yml"), options.Config)
	data := filepath.Join(dir, "data")
	backfill(tb, dir, data, options.History)
	address := freeAddress(tb, options.Host)
	args := append([]string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + data,
		"--storage.tsdb.retention.time=10y", "--web.listen-address=" + address, "--log.level=warn",
	}, options.Args...)
	scheme := "http"
	if options.WebConfig != "" {
		write(tb, filepath.Join(dir, "web.yml"), options.WebConfig)
		args = append(args, "--web.config.file="+filepath.Join(dir, "web.yml"))
		if strings.Contains(options.WebConfig, "tls_server_config") {
			scheme = "https"
		}
	}
	var output lockedBuffer
	command := exec.Command(Binary(tb, "prometheus"), args...) //nolint:noctx // the cleanup below ends it
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		tb.Fatalf("starting prometheus: %v", err)
	}
	exited := make(chan struct{})
	go func() { _ = command.Wait(); close(exited) }()
	tb.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-exited
		}
		if tb.Failed() {
			tb.Logf("prometheus said:\n%s", output.String())
		}
	})
	s := &Server{URL: scheme + "://" + address}
	s.wait(tb, options.Client, exited, &output)
	return s
}

// wait returns when the server is ready; one that refuses us is ready too.
func (s *Server) wait(tb testing.TB, client *http.Client, exited <-chan struct{}, output fmt.Stringer) {
	tb.Helper()
	if client == nil {
		client = &http.Client{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/-/ready", nil)
		if err != nil {
			tb.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusUnauthorized {
				return
			}
		}
		select {
		case <-exited:
			tb.Fatalf("prometheus ended:\n%s", output.String())
		case <-ctx.Done():
			tb.Fatalf("prometheus does not answer:\n%s", output.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// backfill writes a history into a data folder, as a block each two hours.
func backfill(tb testing.TB, dir, data string, history []Series) {
	tb.Helper()
	if len(history) == 0 {
		return
	}
	var text strings.Builder
	for _, s := range history {
		for i, value := range s.Values {
			at := s.From.Add(time.Duration(i) * s.Step)
			fmt.Fprintf(&text, "%s %s %.3f\n", s.Name, strconv.FormatFloat(value, 'g', -1, 64), float64(at.UnixMilli())/1000)
		}
	}
	text.WriteString("# EOF\n")
	file := filepath.Join(dir, "history.txt")
	write(tb, file, text.String())
	command := exec.Command(Binary(tb, "promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", file, data) //nolint:noctx // it ends by itself
	if out, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("writing the history: %v\n%s", err, out)
	}
}

func freeAddress(tb testing.TB, host string) string {
	tb.Helper()
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // it is closed at once
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// lockedBuffer takes output while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the buffer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is what was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
