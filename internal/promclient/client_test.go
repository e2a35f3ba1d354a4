package promclient_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
	"github.com/rsolv-dev/rsolv-operator/internal/promtest"
)

// password and its bcrypt hash.
const (
	password     = "correct horse"
	passwordHash = "$2b$04$FIsgJcqTFM91csPd84iD5urBJrgBgp3IQr951d1KnDbvpvAZZEuOC"
)

// secrets are those of a namespace.
type secrets map[string]map[string]string

func (s secrets) read(_ context.Context, name string) (map[string][]byte, error) {
	if s[name] == nil {
		return nil, nil
	}
	data := map[string][]byte{}
	for key, value := range s[name] {
		data[key] = []byte(value)
	}
	return data, nil
}

func ask(t *testing.T, endpoint *v1alpha1.MonitoringEndpoint, s secrets) (string, error) {
	t.Helper()
	config, err := promclient.Resolve(t.Context(), endpoint, s.read)
	if err != nil {
		return "", err
	}
	client, err := promclient.New(config)
	if err != nil {
		return "", err
	}
	value, _, _, err := client.Query(t.Context(), "vector(42)", time.Unix(1, 0))
	if err != nil {
		return "", err
	}
	vector, ok := value.(model.Vector)
	if !ok || len(vector) != 1 {
		return "", fmt.Errorf("got %v", value)
	}
	return vector[0].Value.String(), nil
}

func TestClientOfARealPrometheus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, "prometheus.internal")
	for name, content := range map[string]string{"tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := promtest.Start(t, promtest.Options{
		WebConfig: fmt.Sprintf("tls_server_config: {cert_file: %[1]s/tls.crt, key_file: %[1]s/tls.key}\nbasic_auth_users: {manager: %[2]q}\n", dir, passwordHash),
		Client:    trusting(t, cert, "prometheus.internal"),
	})
	s := secrets{
		"login": {"username": "manager", "password": password + "\n"},
		"wrong": {"username": "manager", "password": "guess"},
		"ca":    {"ca.crt": cert},
	}
	caRef := &v1alpha1.SecretKeyReference{Name: "ca", Key: "ca.crt"}
	trust := &v1alpha1.ClientTLS{CASecretRef: caRef, ServerName: "prometheus.internal"}
	for name, test := range map[string]struct {
		login string
		tls   *v1alpha1.ClientTLS
		want  string
	}{
		"with login and authority":  {"login", trust, "42"},
		"without verification":      {"login", &v1alpha1.ClientTLS{InsecureSkipVerify: true}, "42"},
		"a wrong password":          {"wrong", trust, "401"},
		"an unknown authority":      {"login", nil, "certificate"},
		"another name than its own": {"login", &v1alpha1.ClientTLS{CASecretRef: caRef}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ask(t, &v1alpha1.MonitoringEndpoint{
				URL: server.URL, BasicAuthSecretRef: &v1alpha1.LocalReference{Name: test.login}, TLS: test.tls,
			}, s)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for _, secret := range []string{password, "guess"} {
				if strings.Contains(got, secret) {
					t.Errorf("%q tells the password", got)
				}
			}
		})
	}
}

func TestCredentialsGoToTheNamedServerAlone(t *testing.T) {
	t.Parallel()
	var other atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	t.Cleanup(elsewhere.Close)
	var authorization atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization.Store(r.Header.Get("Authorization"))
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	_, err := ask(t, &v1alpha1.MonitoringEndpoint{
		URL: server.URL, BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "token", Key: "token"},
	}, secrets{"token": {"token": "s3cret"}})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got the error %v", err)
	}
	if got := authorization.Load(); got != "Bearer s3cret" {
		t.Errorf("the server was sent %q", got)
	}
	if other.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range promclient.MaxAnswer>>20 + 1 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	if _, err := ask(t, &v1alpha1.MonitoringEndpoint{URL: server.URL}, nil); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("got the error %v", err)
	}
}

func TestUnusableSecretsAreNamed(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "a")
	_, otherKey := certificate(t, "b")
	login := &v1alpha1.MonitoringEndpoint{URL: "http://p", BasicAuthSecretRef: &v1alpha1.LocalReference{Name: "s"}}
	token := &v1alpha1.MonitoringEndpoint{URL: "http://p", BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "s", Key: "token"}}
	ca := &v1alpha1.MonitoringEndpoint{URL: "https://p", TLS: &v1alpha1.ClientTLS{CASecretRef: &v1alpha1.SecretKeyReference{Name: "s", Key: "ca"}}}
	pair := &v1alpha1.MonitoringEndpoint{URL: "https://p", TLS: &v1alpha1.ClientTLS{CertSecretRef: &v1alpha1.LocalReference{Name: "s"}}}
	for name, test := range map[string]struct {
		endpoint *v1alpha1.MonitoringEndpoint
		data     map[string]string
		want     string
		missing  bool
	}{
		"no secret":       {login, nil, `basicAuthSecretRef: secret "s" does not exist in this namespace: create it with the key username`, true},
		"no key":          {login, map[string]string{"username": "me"}, `basicAuthSecretRef: secret "s", key "password" is missing or empty: put the value in`, false},
		"a colon":         {login, map[string]string{"username": "m:e", "password": "hush"}, `basicAuthSecretRef: secret "s", key "username" holds a colon, which ends a user name: put in the name alone`, false},
		"a line break":    {token, map[string]string{"token": "hush\nhush"}, `bearerTokenSecretRef: secret "s", key "token" holds a line break: put in the value alone`, false},
		"no PEM":          {ca, map[string]string{"ca": "hush"}, `tls.caSecretRef: secret "s", key "ca" holds no certificate in PEM: put in -----BEGIN CERTIFICATE-----…`, false},
		"another's key":   {pair, map[string]string{"tls.crt": cert, "tls.key": otherKey}, `tls.certSecretRef: secret "s", key "tls.crt" and tls.key are no certificate in PEM and the key that belongs to it`, false},
		"all is in order": {pair, map[string]string{"tls.crt": cert, "tls.key": key}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := promclient.Resolve(t.Context(), test.endpoint, secrets{"s": test.data}.read)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if printed := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(printed, "PRIVATE") {
					t.Errorf("printing tells the key: %s", printed)
				}
				return
			}
			problem, ok := errors.AsType[*promclient.SecretError](err)
			if !ok || problem.Error() != test.want || problem.Missing() != test.missing {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestClientsAreKeptUntilTheirConfigChanges(t *testing.T) {
	t.Parallel()
	var clients promclient.Clients
	owner := types.NamespacedName{Namespace: "default", Name: "api-performance"}
	endpoint := &v1alpha1.MonitoringEndpoint{URL: "http://p", BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "s", Key: "t"}}
	get := func(token string) any {
		config, err := promclient.Resolve(t.Context(), endpoint, secrets{"s": {"t": token}}.read)
		if err != nil {
			t.Fatal(err)
		}
		client, err := clients.For(owner, config)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	first := get("one")
	if get("one") != first {
		t.Error("the same config made another client")
	}
	if get("two") == first {
		t.Error("a new token is sent by the old client")
	}
	second := get("two")
	clients.Forget(owner)
	if get("two") == second {
		t.Error("a forgotten client is back")
	}
}

// certificate makes a self-signed one for a host.
func certificate(t *testing.T, host string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

// trusting is a client of the harness, without credentials.
func trusting(t *testing.T, cert, serverName string) *http.Client {
	t.Helper()
	config, err := promclient.Resolve(t.Context(), &v1alpha1.MonitoringEndpoint{
		URL: "https://" + net.JoinHostPort("localhost", "1"),
		TLS: &v1alpha1.ClientTLS{CASecretRef: &v1alpha1.SecretKeyReference{Name: "ca", Key: "ca"}, ServerName: serverName},
	}, secrets{"ca": {"ca": cert}}.read)
	if err != nil {
		t.Fatal(err)
	}
	client, err := config.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	return client
}
