package harness

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Monitoring is where the monitoring stack of the local cluster answers, from
// this machine and from pods.
type Monitoring struct {
	// Prometheus, Alertmanager and Blackbox are base URLs.
	Prometheus, Alertmanager, Blackbox string
	// SMTP is the address that Alertmanager hands mail to.
	SMTP string
	// NodeIP is this machine as pods see it.
	NodeIP string
}

// smtpPort is that of hack/cluster.
const smtpPort = "2525"

// Monitoring brings up prometheus-operator, Prometheus, Alertmanager and the
// blackbox exporter in the local cluster.
func (c *Cluster) Monitoring(ctx context.Context, log io.Writer) (Monitoring, error) {
	var m Monitoring
	if err := c.Tool(ctx, log, "go", "run", "./hack/cluster", "monitoring"); err != nil {
		return m, fmt.Errorf("starting the monitoring stack: %w", err)
	}
	for name, url := range map[string]*string{"prometheus": &m.Prometheus, "alertmanager": &m.Alertmanager, "blackbox": &m.Blackbox} {
		address, err := c.Kubectl(ctx, nil, "-n", "monitoring", "get", "service", name, "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
		if err != nil {
			return m, err
		}
		*url = "http://" + strings.TrimSpace(address)
	}
	ip, err := c.Kubectl(ctx, nil, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return m, err
	}
	m.NodeIP = strings.TrimSpace(ip)
	m.SMTP = m.NodeIP + ":" + smtpPort
	return m, nil
}

// HurryMonitoring has the kubelet write at once what prometheus-operator has
// changed in the files of Prometheus and Alertmanager. By itself it looks about
// once a minute, and at a pod that changes without delay.
func (c *Cluster) HurryMonitoring(ctx context.Context) error {
	_, err := c.Kubectl(ctx, nil, "-n", "monitoring", "annotate", "--overwrite", "pods", "-l", "app.kubernetes.io/managed-by=prometheus-operator",
		fmt.Sprintf("rsolv-cluster/hurried=%d", time.Now().UnixNano()))
	return err
}
