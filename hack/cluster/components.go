package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// component is one server of the cluster.
type component struct {
	name    string   // of its log and pid file
	path    string   // of the program
	args    []string // without the program
	user    string   // empty: root
	listens []listener
	// prepare runs right before a start; nil is nothing to do.
	prepare func() error
	ready   func(context.Context) error // nil once it does its work
	// patience is how long a start may take.
	patience time.Duration
	// gently is the signal that ends it in order, when SIGTERM does not.
	gently gentleStop
}

func (c *cluster) binary(name string) string { return filepath.Join(binaryDir(c.cache), name) }
func (c *cluster) pki(file string) string    { return c.path("pki", file) }

const (
	loopback = "127.0.0.1"
	// slow is how long a start may take. It is seconds on any real machine, and
	// minutes on an emulated or crowded one.
	slow = 4 * time.Minute
)

// components lists the servers in the order they are started.
func (c *cluster) components(t tools) []component {
	return []component{
		c.containerd(t), c.etcd(), c.apiserver(), c.controllerManager(), c.scheduler(), c.kubelet(), c.proxy(), c.postgres(t),
	}
}

func (c *cluster) containerd(t tools) component {
	return component{
		name: "containerd", path: t.containerd, args: []string{"--config", c.path("containerd.toml")},
		ready: func(ctx context.Context) error {
			_, err := c.ctr(ctx, "version")
			return err
		},
		patience: slow,
	}
}

func (c *cluster) etcd() component {
	p := c.settings.Ports
	client, peer := localURL("https", p.Etcd), localURL("http", p.EtcdPeer)
	return component{
		name: "etcd", path: c.binary("etcd"),
		args: []string{
			"--name=" + nodeName,
			"--data-dir=" + c.path("etcd"),
			"--listen-client-urls=" + client,
			"--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=" + nodeName + "=" + peer,
			"--cert-file=" + c.pki("etcd.crt"),
			"--key-file=" + c.pki("etcd.key"),
			"--client-cert-auth",
			"--trusted-ca-file=" + c.pki("ca.crt"),
			"--unsafe-no-fsync", // a crash of the machine may cost a throw-away cluster
			"--logger=zap",
			"--log-level=warn",
		},
		listens: []listener{
			{loopback, p.Etcd, portEnv("ETCD")}, {loopback, p.EtcdPeer, portEnv("ETCD_PEER")},
		},
		ready:    c.answers(client + "/health"),
		patience: slow,
	}
}

func (c *cluster) apiserver() component {
	s := c.settings
	return component{
		name: "kube-apiserver", path: c.binary("kube-apiserver"),
		args: []string{
			"--bind-address=" + s.NodeIP,
			"--advertise-address=" + s.NodeIP,
			"--secure-port=" + strconv.Itoa(s.Ports.API),
			"--service-cluster-ip-range=" + s.ServiceCIDR,
			"--allow-privileged",
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--client-ca-file=" + c.pki("ca.crt"),
			"--tls-cert-file=" + c.pki("apiserver.crt"),
			"--tls-private-key-file=" + c.pki("apiserver.key"),
			"--etcd-servers=" + localURL("https", s.Ports.Etcd),
			"--etcd-cafile=" + c.pki("ca.crt"),
			"--etcd-certfile=" + c.pki("apiserver-client.crt"),
			"--etcd-keyfile=" + c.pki("apiserver-client.key"),
			"--kubelet-certificate-authority=" + c.pki("ca.crt"),
			"--kubelet-client-certificate=" + c.pki("apiserver-client.crt"),
			"--kubelet-client-key=" + c.pki("apiserver-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
			// Extension API servers learn from these who asks.
			"--requestheader-client-ca-file=" + c.pki("ca.crt"),
			"--requestheader-allowed-names=" + frontProxy,
			"--requestheader-username-headers=X-Remote-User",
			"--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + c.pki(frontProxy+".crt"),
			"--proxy-client-key-file=" + c.pki(frontProxy+".key"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + c.pki("service-account.key"),
			"--service-account-signing-key-file=" + c.pki("service-account.key"),
		},
		listens:  []listener{{s.NodeIP, s.Ports.API, portEnv("API")}},
		ready:    c.answers(c.apiURL() + "/readyz"),
		patience: slow,
	}
}

func (c *cluster) controllerManager() component {
	port := c.settings.Ports.Controller
	return component{
		name: "kube-controller-manager", path: c.binary("kube-controller-manager"),
		args: append(c.controlPlane("controller-manager", port),
			"--cluster-signing-cert-file="+c.pki("ca.crt"),
			"--cluster-signing-key-file="+c.pki("ca.key"),
			"--root-ca-file="+c.pki("ca.crt"),
			"--service-account-private-key-file="+c.pki("service-account.key"),
			"--use-service-account-credentials",
		),
		listens:  []listener{{loopback, port, portEnv("CONTROLLER")}},
		ready:    c.answers(localURL("https", port) + "/healthz"),
		patience: slow,
	}
}

func (c *cluster) scheduler() component {
	port := c.settings.Ports.Scheduler
	return component{
		name: "kube-scheduler", path: c.binary("kube-scheduler"),
		args:     c.controlPlane("scheduler", port),
		listens:  []listener{{loopback, port, portEnv("SCHEDULER")}},
		ready:    c.answers(localURL("https", port) + "/healthz"),
		patience: slow,
	}
}

// controlPlane is what the controller manager and the scheduler have in common.
func (c *cluster) controlPlane(name string, port int) []string {
	config := c.path(name + ".kubeconfig")
	return []string{
		"--kubeconfig=" + config,
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--bind-address=" + loopback,
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + c.pki("loopback.crt"),
		"--tls-private-key-file=" + c.pki("loopback.key"),
		"--leader-elect=false",
	}
}

func (c *cluster) kubelet() component {
	s := c.settings
	return component{
		name: "kubelet", path: c.binary("kubelet"),
		args: []string{
			"--kubeconfig=" + c.path("kubelet.kubeconfig"),
			"--config=" + c.path("kubelet.json"),
			"--hostname-override=" + nodeName,
			"--node-ip=" + s.NodeIP,
			"--root-dir=" + c.path("kubelet"),
			"--cert-dir=" + c.path("kubelet-certs"),
		},
		listens: []listener{
			{s.NodeIP, s.Ports.Kubelet, portEnv("KUBELET")}, {loopback, s.Ports.KubeletHealth, portEnv("KUBELET_HEALTH")},
		},
		ready:    c.answers(localURL("http", s.Ports.KubeletHealth) + "/healthz"),
		patience: slow,
	}
}

func (c *cluster) proxy() component {
	p := c.settings.Ports
	return component{
		name: "kube-proxy", path: c.binary("kube-proxy"), args: []string{"--config=" + c.path("proxy.json")},
		listens: []listener{
			{loopback, p.ProxyHealth, portEnv("PROXY_HEALTH")}, {loopback, p.ProxyMetrics, portEnv("PROXY_METRICS")},
		},
		ready:    c.answers(localURL("http", p.ProxyHealth) + "/livez"),
		patience: slow,
	}
}

func localURL(scheme string, port int) string {
	return fmt.Sprintf("%s://%s:%d", scheme, loopback, port)
}
