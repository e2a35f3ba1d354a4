package promclient_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	_ = listener.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = connection.(*net.TCPConn).SetLinger(0) // the end of it is a reset
			_ = connection.Close()
		}
	}))
	t.Cleanup(broken.Close)
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(failing.Close)
	for name, test := range map[string]struct{ url, want string }{
		"nobody listens": {nobody, "connection refused"},
		"a reset":        {broken.URL, "connection reset by peer"},
		"an error":       {failing.URL, "server_error: server error: 502"},
		"no such host":   {"http://nowhere.invalid", "no such host: nowhere.invalid"},
		"no Prometheus":  {nobodysJSON(t), "bad_response: invalid character 'h' looking for beginning of value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, &v1alpha1.MonitoringEndpoint{URL: test.url}, nil)
			if err == nil {
				t.Fatal("it answered")
			}
			if got := promclient.Explain(err); got != test.want {
				t.Errorf("got %q, want %q, of: %v", got, test.want, err)
			}
			if promclient.Refused(err) {
				t.Error("it counts as the query's fault")
			}
		})
	}
}

func nobodysJSON(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRefusedQueries(t *testing.T) {
	t.Parallel()
	server := promtest.Start(t, promtest.Options{})
	config, err := promclient.Resolve(t.Context(), &v1alpha1.MonitoringEndpoint{URL: server.URL}, secrets{}.read)
	if err != nil {
		t.Fatal(err)
	}
	client, err := promclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = client.Query(t.Context(), "sum(", time.Unix(0, 0))
	if !promclient.Refused(err) {
		t.Errorf("got %v", err)
	}
	if promclient.Refused(errors.New("other")) {
		t.Error("any error counts as the query's fault")
	}
}
