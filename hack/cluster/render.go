package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// node is what a machine's configuration files depend on, beside the settings.
type node struct {
	cgroup      cgroupSetup
	snapshotter string // overlayfs, or native where the state lies on an overlay
	pluginDir   string // of the CNI plugins
}

const pauseImage = "localhost/rsolv-cluster/pause:1"

// containerdConfig renders containerd's configuration. The version 2 form is
// read by containerd 1.6 (Debian 12) up to 2.x.
func (c *cluster) containerdConfig(n node) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version = 2")
	line("root = %q", c.path("containerd"))
	line("state = %q", c.path("containerd-state"))
	line("oom_score = 0")
	line("[grpc]")
	line("  address = %q", c.socket())
	line("[ttrpc]")
	line("  address = %q", c.socket()+".ttrpc")
	line("[plugins.%q]", "io.containerd.internal.v1.opt")
	line("  path = %q", c.path("containerd-opt"))
	line("[plugins.%q]", "io.containerd.grpc.v1.cri")
	line("  sandbox_image = %q", pauseImage)
	line("  # Lowering a score needs CAP_SYS_RESOURCE, which containers and small VMs lack.")
	line("  restrict_oom_score_adj = true")
	line("  netns_mounts_under_state_dir = true")
	line("  stream_server_address = \"127.0.0.1\"")
	line("  [plugins.%q.containerd]", "io.containerd.grpc.v1.cri")
	line("    snapshotter = %q", n.snapshotter)
	line("    [plugins.%q.containerd.runtimes.runc]", "io.containerd.grpc.v1.cri")
	line("      runtime_type = \"io.containerd.runc.v2\"")
	line("      [plugins.%q.containerd.runtimes.runc.options]", "io.containerd.grpc.v1.cri")
	line("        SystemdCgroup = %t", n.cgroup.systemd())
	line("        Root = %q", c.path("runc"))
	line("  [plugins.%q.cni]", "io.containerd.grpc.v1.cri")
	line("    bin_dir = %q", n.pluginDir)
	line("    conf_dir = %q", c.path("cni"))
	return b.String()
}

// cniConfig renders the pod network: a routed pair of devices per pod. Without
// a bridge, traffic from pod to service to pod passes the host's rules even
// where bridge netfilter is missing, and there is no bridge to lose.
func (c *cluster) cniConfig() map[string]any {
	return map[string]any{
		"cniVersion": "0.4.0",
		"name":       ruleTag,
		"plugins": []any{map[string]any{
			"type": "ptp",
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": c.path("ipam"),
				"ranges":  []any{[]any{map[string]any{"subnet": c.settings.PodCIDR}}},
				"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

func (c *cluster) kubeletConfig(n node) map[string]any {
	return map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"address":    c.settings.NodeIP,
		"port":       c.settings.Ports.Kubelet,
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.path("pki", "ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"cgroupDriver":             n.cgroup.driver,
		"cgroupRoot":               n.cgroup.root,
		"cgroupsPerQOS":            true,
		"containerRuntimeEndpoint": "unix://" + c.socket(),
		"enforceNodeAllocatable":   []string{},
		// Absolute sizes: a percentage of a big disk is gigabytes.
		"evictionHard":       map[string]any{"memory.available": "100Mi", "nodefs.available": "500Mi", "imagefs.available": "500Mi"},
		"failCgroupV1":       false,
		"failSwapOn":         false,
		"healthzBindAddress": "127.0.0.1",
		"healthzPort":        c.settings.Ports.KubeletHealth,
		// Images come from files: one that is collected cannot be pulled again.
		"imageGCHighThresholdPercent":   100,
		"localStorageCapacityIsolation": false,
		"makeIPTablesUtilChains":        false,
		"maxPods":                       60,
		"oomScoreAdj":                   0,
		"podLogsDir":                    c.path("pod-logs"),
		"resolvConf":                    "",
		"tlsCertFile":                   c.path("pki", "kubelet-server.crt"),
		"tlsPrivateKeyFile":             c.path("pki", "kubelet-server.key"),
		"volumePluginDir":               c.path("volume-plugins"),
	}
}

func (c *cluster) proxyConfig() map[string]any {
	return map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": c.path("proxy.kubeconfig")},
		"clusterCIDR":        c.settings.PodCIDR,
		"conntrack":          map[string]any{"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
		"healthzBindAddress": fmt.Sprintf("127.0.0.1:%d", c.settings.Ports.ProxyHealth),
		"hostnameOverride":   nodeName,
		"iptables":           map[string]any{"localhostNodePorts": false},
		"metricsBindAddress": fmt.Sprintf("127.0.0.1:%d", c.settings.Ports.ProxyMetrics),
		"mode":               "iptables",
		// Node ports answer on the node's own address, not on the network.
		"nodePortAddresses": []string{c.settings.NodeIP + "/32"},
		"oomScoreAdj":       0,
	}
}

// kubeconfig renders a client configuration that verifies the server. The
// certificate is embedded, so that the file can be copied on its own.
func kubeconfig(server, user string, ca, cert, key []byte) map[string]any {
	encode := base64.StdEncoding.EncodeToString
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": ruleTag, "cluster": map[string]any{
			"server": server, "certificate-authority-data": encode(ca),
		}}},
		"users": []any{map[string]any{"name": user, "user": map[string]any{
			"client-certificate-data": encode(cert), "client-key-data": encode(key),
		}}},
		"contexts": []any{map[string]any{"name": ruleTag, "context": map[string]any{
			"cluster": ruleTag, "user": user,
		}}},
		"current-context": ruleTag,
	}
}

// postgresHBA lets in whoever knows the password, from this machine and from
// pods, and the postgres user over the socket.
func (c *cluster) postgresHBA() string {
	var b strings.Builder
	b.WriteString("local all postgres peer\n")
	for _, from := range []string{"127.0.0.1/32", c.settings.NodeIP + "/32", c.settings.PodCIDR} {
		fmt.Fprintf(&b, "host all all %s scram-sha-256\n", from)
	}
	return b.String()
}

// toJSON renders a configuration; every reader of YAML reads it.
func toJSON(value any) ([]byte, error) {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("rendering a configuration: %w", err)
	}
	return append(data, '\n'), nil
}
