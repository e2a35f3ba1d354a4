package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// nodeName is the name of the only node.
	nodeName = "rsolv"
	// ruleTag marks each firewall rule, address label and control group of ours.
	ruleTag = "rsolv-cluster"
	// dirEnv names the state directory; it is not kept in the state itself.
	dirEnv = "RSOLV_CLUSTER_DIR"
	// cacheEnv names the folder the binaries are built into.
	cacheEnv = "RSOLV_CACHE"
)

// settings is what can be chosen about a cluster. The first `up` writes it
// down, so that later commands find the cluster without the same environment.
type settings struct {
	NodeIP      string `json:"nodeIP"`      // address of the node, added to the loopback device
	PodCIDR     string `json:"podCIDR"`     // addresses of the pods
	ServiceCIDR string `json:"serviceCIDR"` // addresses of the services
	Ports       ports  `json:"ports"`
}

// ports are TCP ports. API, Kubelet and Postgres listen on the node's address
// (Postgres on loopback too), the others on loopback alone.
type ports struct {
	API           int `json:"api"`
	Etcd          int `json:"etcd"`
	EtcdPeer      int `json:"etcdPeer"`
	Kubelet       int `json:"kubelet"`
	KubeletHealth int `json:"kubeletHealth"`
	Controller    int `json:"controller"`
	Scheduler     int `json:"scheduler"`
	ProxyHealth   int `json:"proxyHealth"`
	ProxyMetrics  int `json:"proxyMetrics"`
	Postgres      int `json:"postgres"`
}

// setting ties an environment variable to a field.
type setting struct {
	env, fallback, about string
	text                 func(*settings) *string
	port                 func(*settings) *int
}

var settingsTable = []setting{
	{env: dirEnv, fallback: "/var/lib/rsolv-cluster", about: "state directory"},
	{
		env: "RSOLV_CLUSTER_NODE_IP", fallback: "10.200.0.1", about: "address of the node",
		text: func(s *settings) *string { return &s.NodeIP },
	},
	{
		env: "RSOLV_CLUSTER_POD_CIDR", fallback: "10.244.0.0/24", about: "addresses of the pods",
		text: func(s *settings) *string { return &s.PodCIDR },
	},
	{
		env: "RSOLV_CLUSTER_SERVICE_CIDR", fallback: "10.96.0.0/16", about: "addresses of the services",
		text: func(s *settings) *string { return &s.ServiceCIDR },
	},
	portSetting("API", 6443, "API server", func(s *settings) *int { return &s.Ports.API }),
	portSetting("POSTGRES", 15432, "PostgreSQL", func(s *settings) *int { return &s.Ports.Postgres }),
	portSetting("ETCD", 23790, "etcd clients", func(s *settings) *int { return &s.Ports.Etcd }),
	portSetting("ETCD_PEER", 23791, "etcd peers", func(s *settings) *int { return &s.Ports.EtcdPeer }),
	portSetting("KUBELET", 10250, "kubelet", func(s *settings) *int { return &s.Ports.Kubelet }),
	portSetting("KUBELET_HEALTH", 10248, "kubelet health", func(s *settings) *int { return &s.Ports.KubeletHealth }),
	portSetting("CONTROLLER", 10257, "controller-manager", func(s *settings) *int { return &s.Ports.Controller }),
	portSetting("SCHEDULER", 10259, "scheduler", func(s *settings) *int { return &s.Ports.Scheduler }),
	portSetting("PROXY_HEALTH", 10256, "kube-proxy health", func(s *settings) *int { return &s.Ports.ProxyHealth }),
	portSetting("PROXY_METRICS", 10249, "kube-proxy metrics", func(s *settings) *int { return &s.Ports.ProxyMetrics }),
}

func portSetting(name string, fallback int, about string, field func(*settings) *int) setting {
	return setting{
		env: portEnv(name), fallback: strconv.Itoa(fallback), about: "port: " + about, port: field,
	}
}

func portEnv(name string) string { return "RSOLV_CLUSTER_" + name + "_PORT" }

// resolveSettings takes each value from the saved cluster, else the
// environment, else the default. An environment that contradicts a saved
// cluster is an error: half a cluster would follow it, half would not.
func resolveSettings(saved *settings, getenv func(string) string) (settings, error) {
	var result settings
	if saved != nil {
		result = *saved
	}
	for _, s := range settingsTable {
		if s.text == nil && s.port == nil {
			continue
		}
		value := getenv(s.env)
		kept := saved != nil && value == ""
		if kept {
			continue
		}
		if value == "" {
			value = s.fallback
		}
		if saved != nil && value != s.current(saved) {
			return settings{}, fmt.Errorf("%s=%s, but the cluster was started with %s: unset it, or take the cluster down first",
				s.env, value, s.current(saved))
		}
		if err := s.assign(&result, value); err != nil {
			return settings{}, err
		}
	}
	return result, result.check()
}

func (s setting) current(from *settings) string {
	if s.port != nil {
		return strconv.Itoa(*s.port(from))
	}
	return *s.text(from)
}

func (s setting) assign(to *settings, value string) error {
	if s.port == nil {
		*s.text(to) = value
		return nil
	}
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("%s=%q is not a port: give a number from 1 to 65535", s.env, value)
	}
	*s.port(to) = int(port)
	return nil
}

func (s settings) check() error {
	node, err := netip.ParseAddr(s.NodeIP)
	if err != nil || !node.Is4() || node.IsLoopback() {
		return fmt.Errorf("RSOLV_CLUSTER_NODE_IP=%q: give an IPv4 address outside 127.0.0.0/8, such as 10.200.0.1", s.NodeIP)
	}
	pods, err := parseNetwork("RSOLV_CLUSTER_POD_CIDR", s.PodCIDR)
	if err != nil {
		return err
	}
	services, err := parseNetwork("RSOLV_CLUSTER_SERVICE_CIDR", s.ServiceCIDR)
	if err != nil {
		return err
	}
	if pods.Overlaps(services) || pods.Contains(node) || services.Contains(node) {
		return fmt.Errorf("the node %s, the pods %s and the services %s overlap: choose separate networks", node, pods, services)
	}
	seen := map[int]string{}
	for _, entry := range settingsTable {
		if entry.port == nil {
			continue
		}
		port := *entry.port(&s)
		if other, taken := seen[port]; taken {
			return fmt.Errorf("%s and %s are both %d: give each its own port", other, entry.env, port)
		}
		seen[port] = entry.env
	}
	return nil
}

func parseNetwork(env, value string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is4() || prefix.Masked() != prefix || prefix.Bits() > 26 {
		return netip.Prefix{}, fmt.Errorf("%s=%q: give an IPv4 network of /26 or larger, such as 10.244.0.0/24", env, value)
	}
	return prefix, nil
}

// serviceIP is the address of the API server's own service: the first one.
func (s settings) serviceIP() string {
	prefix, err := netip.ParsePrefix(s.ServiceCIDR)
	if err != nil {
		return "" // check has refused it before
	}
	return prefix.Addr().Next().String()
}

func loadSavedSettings(path string) (*settings, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no cluster is a regular answer, and every caller asks for it
	}
	if err != nil {
		return nil, err
	}
	var saved settings
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, fmt.Errorf("reading %s (take the cluster down to remove it): %w", path, err)
	}
	return &saved, nil
}

// stateDir returns the state directory. Its content is deleted by `down`, so a
// path that can hold anything else is refused.
func stateDir(getenv func(string) string) (string, error) {
	dir := getenv(dirEnv)
	if dir == "" {
		dir = settingsTable[0].fallback
	}
	clean := filepath.Clean(dir)
	if !filepath.IsAbs(clean) || strings.Count(clean, "/") < 2 {
		return "", fmt.Errorf("%s=%q: give an absolute path with a folder of its own, such as /var/lib/rsolv-cluster", dirEnv, dir)
	}
	// containerd's sockets must fit in the 107 bytes the kernel allows a path.
	if len(clean) > 60 || strings.ContainsAny(clean, " \"'\\\n\t") {
		return "", fmt.Errorf("%s=%q: give a path of at most 60 plain characters", dirEnv, dir)
	}
	return clean, nil
}

// cacheDir returns the folder the binaries are built into.
func cacheDir(getenv func(string) string) (string, error) {
	if dir := getenv(cacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder (set %s): %w", cacheEnv, err)
	}
	return filepath.Join(base, "rsolv-operator"), nil
}
