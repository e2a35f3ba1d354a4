package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPKI(t *testing.T) {
	t.Parallel()
	c := testCluster(t, t.TempDir())
	all := identities(c.settings)
	if completePKI(c.path("pki"), all) {
		t.Error("a PKI that was never written is complete")
	}
	now := time.Now()
	if err := writePKI(c.path("pki"), all, now); err != nil {
		t.Fatal(err)
	}
	if !completePKI(c.path("pki"), all) {
		t.Error("a PKI that was just written is not complete")
	}
	pool := x509.NewCertPool()
	pool.AddCert(readCert(t, c.path("pki", "ca.crt")))
	serials := map[string]bool{}
	for _, who := range all {
		cert := readCert(t, c.path("pki", who.name+".crt"))
		if serials[cert.SerialNumber.String()] {
			t.Errorf("%s shares its serial number", who.name)
		}
		serials[cert.SerialNumber.String()] = true
		usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: usage, CurrentTime: now.Add(9 * 365 * 24 * time.Hour)}); err != nil {
			t.Errorf("%s as a client, in nine years: %v", who.name, err)
		}
		for _, host := range who.hosts {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
				t.Errorf("%s as %s: %v", who.name, host, err)
			}
		}
	}
	for _, host := range []string{"127.0.0.1", "10.200.0.1", "10.96.0.1", "kubernetes.default.svc"} {
		if err := readCert(t, c.path("pki", "apiserver.crt")).VerifyHostname(host); err != nil {
			t.Errorf("the API server cannot be reached as %s: %v", host, err)
		}
	}
	keys, err := filepath.Glob(c.path("pki", "*.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", key, info.Mode().Perm(), err)
		}
	}
	if err := os.Truncate(c.path("pki", "admin.key"), 0); err != nil {
		t.Fatal(err)
	}
	if completePKI(c.path("pki"), all) {
		t.Error("a PKI with an empty key is complete")
	}
}

func readCert(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s holds no certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestClient talks to a server that wants a certificate of the cluster.
func TestClient(t *testing.T) {
	t.Parallel()
	c := testCluster(t, t.TempDir())
	if err := writePKI(c.path("pki"), identities(c.settings), time.Now()); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(readCert(t, c.path("pki", "ca.crt")))
	start := func(name string) *httptest.Server {
		pair, err := tls.LoadX509KeyPair(c.pki(name+".crt"), c.pki(name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS.PeerCertificates[0].Subject.CommonName != "admin" || r.URL.Path != "/readyz" {
				w.WriteHeader(http.StatusForbidden)
			}
		}))
		server.TLS = &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	server := start("apiserver")
	if err := c.answers(server.URL + "/readyz")(t.Context()); err != nil {
		t.Errorf("a healthy server: %v", err)
	}
	if err := c.answers(server.URL + "/other")(t.Context()); err == nil {
		t.Error("a 403 counts as healthy")
	}
	if err := c.answers(start("kubelet-server").URL + "/readyz")(t.Context()); err == nil {
		t.Error("a certificate for another address is accepted")
	}
}
