package promclient

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

const (
	// RequestTimeout bounds a request, from the name's look-up to the answer's
	// last byte.
	RequestTimeout = 10 * time.Second
	// MaxAnswer bounds an answer in bytes: the address is anybody's who may
	// write an AlertBaseline, and the manager's memory is everybody's.
	MaxAnswer = 16 << 20

	dialTimeout = 3 * time.Second
	// idleTimeout outlives the pause between two looks.
	idleTimeout = 90 * time.Second
)

// HTTPClient makes a client that carries the credentials to the server, and to
// no other: redirects are answers like any other.
func (c Config) HTTPClient() (*http.Client, error) {
	tlsConfig, err := c.tls()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: RequestTimeout,
		Transport: &transport{config: c, base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   dialTimeout,
			ForceAttemptHTTP2:     true,
			MaxConnsPerHost:       8,
			MaxIdleConnsPerHost:   1,
			IdleConnTimeout:       idleTimeout,
			ResponseHeaderTimeout: RequestTimeout,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// New makes a client of a Prometheus. It connects with the first request.
func New(c Config) (promv1.API, error) {
	client, err := c.HTTPClient()
	if err != nil {
		return nil, err
	}
	return newAPI(c, client)
}

func newAPI(c Config, client *http.Client) (promv1.API, error) {
	connection, err := api.NewClient(api.Config{Address: c.url, Client: client})
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return promv1.NewAPI(connection), nil
}

// checkPEM says early, and with the field, what a handshake would say late.
func (c Config) checkPEM(endpoint *v1alpha1.MonitoringEndpoint) error {
	if c.ca != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(c.ca)) {
		ref := endpoint.TLS.CASecretRef
		return &SecretError{Field: "tls.caSecretRef", Secret: ref.Name, Key: ref.Key, Problem: "holds no certificate in PEM: put in -----BEGIN CERTIFICATE-----…"}
	}
	if c.cert == "" {
		return nil
	}
	if _, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key)); err != nil {
		return &SecretError{Field: "tls.certSecretRef", Secret: endpoint.TLS.CertSecretRef.Name, Key: "tls.crt", Problem: "and tls.key are no certificate in PEM and the key that belongs to it"}
	}
	return nil
}

func (c Config) tls() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: c.serverName,
		InsecureSkipVerify: c.insecure, //nolint:gosec // asked for by name in the spec, which says what it means
	}
	if c.ca != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(c.ca))
	}
	if c.cert != "" {
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// transport adds the credentials, and bounds the answer.
type transport struct {
	config Config
	base   *http.Transport
}

// RoundTrip sends one request.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	switch {
	case t.config.token != "":
		request.Header.Set("Authorization", "Bearer "+t.config.token)
	case t.config.username != "":
		request.SetBasicAuth(t.config.username, t.config.password)
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &bounded{ReadCloser: response.Body, left: MaxAnswer}
	return response, nil
}

// CloseIdleConnections closes what no request uses.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

var errTooLong = fmt.Errorf("the answer is longer than %d MiB", MaxAnswer>>20)

// bounded is a body that ends in an error rather than in silence when it is
// too long.
type bounded struct {
	io.ReadCloser
	left int
}

// Read reads what is within the bound.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Clients keeps a client for each owner, so that its connection serves many
// requests. It is safe for concurrent use; its zero value is ready.
type Clients struct {
	mu      sync.Mutex
	entries map[types.NamespacedName]entry
}

type entry struct {
	config Config
	http   *http.Client
	api    promv1.API
}

// For returns the client of an owner, a new one when its config has changed.
func (c *Clients) For(owner types.NamespacedName, config Config) (promv1.API, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, found := c.entries[owner]
	if found && old.config == config {
		return old.api, nil
	}
	client, err := config.HTTPClient()
	if err != nil {
		return nil, err
	}
	made, err := newAPI(config, client)
	if err != nil {
		return nil, err
	}
	if found {
		old.http.CloseIdleConnections()
	}
	if c.entries == nil {
		c.entries = map[types.NamespacedName]entry{}
	}
	c.entries[owner] = entry{config: config, http: client, api: made}
	return made, nil
}

// Forget drops the client of an owner that is gone.
func (c *Clients) Forget(owner types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, found := c.entries[owner]; found {
		old.http.CloseIdleConnections()
		delete(c.entries, owner)
	}
}
