package ingest

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startCluster runs three NATS servers on loopback.
func startCluster(t *testing.T) (servers []*server.Server, address string) {
	t.Helper()
	var ports, routes []int
	for range 3 {
		ports, routes = append(ports, freePort(t)), append(routes, freePort(t))
	}
	var urls []string
	for i := range 3 {
		var peers []*url.URL
		for _, port := range routes {
			peers = append(peers, &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))})
		}
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: ports[i], NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: routes[i]}, Routes: peers,
		})
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
		urls = append(urls, s.ClientURL())
	}
	return servers, strings.Join(urls, ",")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// The same spool on a cluster of three: two pods fill it and empty it, one of
// the servers goes, and everything is stored once.
func TestClusterLosesNothing(t *testing.T) {
	t.Parallel()
	servers, address := startCluster(t)
	open := func(host string) *Spool {
		s, err := OpenCluster(t.Context(), ClusterOptions{
			URL: address, Replicas: 3, MaxBytes: 64 << 20, Host: host, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	pods := []*Spool{open("a"), open("b")}
	accepted := 0
	for n := range 40 {
		pod := pods[n%2]
		await(t, func() bool { return pod.Append(t.Context(), views(10), nil) == nil })
		accepted += 10
		if n == 20 {
			servers[0].Shutdown()
		}
	}
	if holds, err := pods[0].Holds(t.Context()); err != nil || !holds {
		t.Errorf("holds %v, %v", holds, err)
	}
	m := &memory{}
	for _, pod := range pods {
		_, stop := write(t, pod, m, &tallies{})
		defer func() { stop(); _ = pod.Close() }()
	}
	await(t, func() bool { holds, err := pods[0].Holds(t.Context()); return err == nil && !holds })
	// An append whose answer was cut off was made again, as events of the same ids.
	if n, _ := m.stored(); n < accepted {
		t.Errorf("%d events of %d are stored", n, accepted)
	}
}

func TestClusterAddressIsChecked(t *testing.T) {
	t.Parallel()
	_, err := OpenCluster(t.Context(), ClusterOptions{URL: "nats://user:hunter2@%zz", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "NATS_URL cannot be used") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
