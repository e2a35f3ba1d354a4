// Package webhook serves the optional admission webhook. Its certificate comes
// from files, which cert-manager keeps, or is made at the start: then the
// manager tells the API server in the webhook's configuration whom to trust.
// The key made so never leaves the process.
package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/featureflag"
)

// Options say where and as what the webhook is served.
type Options struct {
	// Host and Port to listen on.
	Host string
	Port int
	// CertDir has tls.crt and tls.key. When empty, a certificate is made and
	// written into Configuration.
	CertDir string
	// Configuration is the name of the ValidatingWebhookConfiguration.
	Configuration string
	// Names under which the API server calls.
	Names []string
	// Clock gives the time.
	Clock func() time.Time
}

// lifetime of a certificate that is made: it is made anew at each start.
const lifetime = 10 * 365 * 24 * time.Hour

// Add adds the webhook to a manager.
func Add(m ctrl.Manager, o Options) error {
	server := webhook.Options{Host: o.Host, Port: o.Port, CertDir: o.CertDir}
	if o.CertDir == "" {
		certificate, authority, err := selfSigned(o.Names, o.Clock())
		if err != nil {
			return err
		}
		server.TLSOpts = []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
		}}
		if err := m.Add(&announcer{m.GetClient(), m.GetAPIReader(), o.Configuration, authority}); err != nil {
			return fmt.Errorf("adding the webhook's certificate: %w", err)
		}
	}
	s := webhook.NewServer(server)
	s.Register(featureflag.GuardPath, &admission.Webhook{Handler: &featureflag.Guard{Reader: m.GetAPIReader()}})
	if err := m.Add(s); err != nil {
		return fmt.Errorf("adding the webhook: %w", err)
	}
	return nil
}

// selfSigned makes a certificate that is its own authority, in PEM.
func selfSigned(names []string, now time.Time) (certificate tls.Certificate, authority []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate, nil, fmt.Errorf("making the webhook's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return certificate, nil, fmt.Errorf("making the webhook's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return certificate, nil, fmt.Errorf("making the webhook's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), nil
}

// announcer writes the authority into the webhook's configuration. It runs in
// every manager, leader or not, as the webhook does.
type announcer struct {
	client        client.Client
	live          client.Reader
	configuration string
	authority     []byte
}

var _ manager.LeaderElectionRunnable = (*announcer)(nil)

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (a *announcer) NeedLeaderElection() bool { return false }

// retry is how long to wait before another attempt.
const retry = 5 * time.Second

// Start tries until it succeeds or ctx ends. Until then the API server admits
// everything, as the configuration's failure policy says.
func (a *announcer) Start(ctx context.Context) error {
	for {
		err := a.announce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "the admission webhook is not in use yet")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

func (a *announcer) announce(ctx context.Context) error {
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := a.live.Get(ctx, client.ObjectKey{Name: a.configuration}, &configuration); err != nil {
		return fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", a.configuration, err)
	}
	before := configuration.DeepCopy()
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = a.authority
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := a.client.Patch(ctx, &configuration, patch, child.FieldOwner); err != nil {
		return fmt.Errorf("writing ValidatingWebhookConfiguration %s: %w", a.configuration, err)
	}
	return nil
}
