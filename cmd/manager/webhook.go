package main

import (
	"fmt"
	"net"
	"strconv"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rsolv-dev/rsolv-operator/controllers/webhook"
)

// What config/webhook calls the webhook.
const (
	webhookConfiguration = "rsolv-operator"
	webhookService       = "rsolv-operator-webhook.rsolv-system.svc"
)

// addWebhook serves the admission webhook where that is asked for.
func addWebhook(manager ctrl.Manager, o runOptions) error {
	if o.webhookAddr == "" {
		return nil
	}
	host, text, err := net.SplitHostPort(o.webhookAddr)
	if err != nil {
		return fmt.Errorf("--webhook-bind-address is %q: write an address like :9443", o.webhookAddr)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("--webhook-bind-address is %q: write an address like :9443", o.webhookAddr)
	}
	return webhook.Add(manager, webhook.Options{
		Host: host, Port: port, CertDir: o.webhookCert, Configuration: webhookConfiguration, Names: []string{webhookService}, Clock: time.Now,
	})
}
