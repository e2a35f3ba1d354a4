package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// validity of all certificates. A local cluster lives for days.
const validity = 10 * 365 * 24 * time.Hour

// identity is a certificate to issue: a user of the API server, a server, or
// both. Kubernetes reads the user from the common name, groups from the
// organisations.
type identity struct {
	name   string // of the files
	user   string
	groups []string
	hosts  []string // addresses and names it serves under; empty: a client only
}

// frontProxy is the API server towards extension API servers.
const frontProxy = "front-proxy"

// identities lists every certificate of the cluster.
func identities(s settings) []identity {
	return []identity{
		{name: "apiserver", user: "kube-apiserver", hosts: []string{
			s.NodeIP, s.serviceIP(), "127.0.0.1", "localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}},
		{name: "apiserver-client", user: "kube-apiserver", groups: []string{"system:masters"}},
		{name: frontProxy, user: frontProxy},
		{name: "etcd", user: "etcd", hosts: []string{"127.0.0.1", "localhost"}},
		{name: "loopback", user: "control-plane", hosts: []string{"127.0.0.1", "localhost"}},
		{name: "kubelet-server", user: "kubelet", hosts: []string{s.NodeIP, nodeName}},
		{name: "admin", user: "admin", groups: []string{"system:masters"}},
		{name: "kubelet", user: "system:node:" + nodeName, groups: []string{"system:nodes"}},
		{name: "controller-manager", user: "system:kube-controller-manager"},
		{name: "scheduler", user: "system:kube-scheduler"},
		{name: "proxy", user: "system:kube-proxy"},
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// writePKI makes the authority, every certificate and the key that signs
// service account tokens. It runs once, before anything is started.
func writePKI(dir string, all []identity, now time.Time) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	ca, err := newAuthority(dir, now)
	if err != nil {
		return fmt.Errorf("making the certificate authority: %w", err)
	}
	for i, who := range all {
		if err := ca.issue(dir, who, int64(i)+2, now); err != nil {
			return fmt.Errorf("issuing the certificate %s: %w", who.name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the service account key: %w", err)
	}
	return writeKey(filepath.Join(dir, "service-account.key"), key)
}

func newAuthority(dir string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ruleTag},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, writePair(dir, "ca", der, key)
}

// loadAuthority reads the authority of a cluster that exists.
func loadAuthority(dir string) (*authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("loading the certificate authority: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key of the certificate authority is a %T, which cannot sign", pair.PrivateKey)
	}
	return &authority{cert: pair.Leaf, key: key}, nil
}

func (ca *authority) issue(dir string, who identity, serial int64, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: who.user, Organization: who.groups},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range who.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(who.hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return err
	}
	return writePair(dir, who.name, der, key)
}

func writePair(dir, name string, der []byte, key *ecdsa.PrivateKey) error {
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeFile(filepath.Join(dir, name+".crt"), cert, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, name+".key"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// completePKI says whether every file of the PKI is there.
func completePKI(dir string, all []identity) bool {
	names := []string{"ca.crt", "ca.key", "service-account.key"}
	for _, who := range all {
		names = append(names, who.name+".crt", who.name+".key")
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			return false
		}
	}
	return true
}

// newClient returns an HTTP client that trusts only this cluster's authority,
// is its administrator, and never asks a proxy.
func newClient(pki string) (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("loading the administrator's certificate: %w", err)
	}
	ca, err := readFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("loading the certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true, // a kept connection would outlive the rule it was made through
	}}, nil
}
