package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeletions(t *testing.T) {
	t.Parallel()
	saved, err := os.ReadFile("testdata/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "iptables-restore.txt", deletions(string(saved), isKubeChain))
	golden(t, "iptables-restore-foreign.txt", deletions(string(saved), never))
}

func TestDeletionsOfNothing(t *testing.T) {
	t.Parallel()
	const others = "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n-A INPUT -j DOCKER\n-A INPUT -m comment --comment rsolv-cluster-2 -j DROP\nCOMMIT\n"
	for _, text := range []string{"", others} {
		if got := deletions(text, isKubeChain); got != "" {
			t.Errorf("would change another's rules:\n%s", got)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	t.Parallel()
	const answer = `[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","label":"lo"},
{"family":"inet","local":"10.200.0.1","label":"lo:rsolv"}]},{},{"ifname":"eth0","addr_info":[{"local":"192.0.2.2","label":"eth0"}]}]`
	got, err := parseAddresses(answer)
	if err != nil {
		t.Fatal(err)
	}
	want := []address{{"lo", "127.0.0.1", "lo"}, {"lo", "10.200.0.1", addressLabel}, {"eth0", "192.0.2.2", "eth0"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(address{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseAddresses("Object \"-json\" is unknown"); err == nil {
		t.Error("text was taken for JSON")
	}
}

const routes = `default via 192.0.2.1 dev eth0
10.96.0.0/16 dev lo scope link src 10.200.0.1
10.244.0.2 dev veth1a2b3c4d scope host
10.244.0.3 dev veth5e6f7a8b scope host
10.245.0.2 dev vethother scope host
10.244.0.9 dev eth1 scope host
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
`

func TestPodDevices(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"veth1a2b3c4d", "veth5e6f7a8b"}, podDevices(routes, "10.244.0.0/24")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConflictingRoute(t *testing.T) {
	t.Parallel()
	s := testCluster(t, "/x/y").settings
	if err := conflictingRoute(routes, s); err != nil {
		t.Errorf("our own routes are refused: %v", err)
	}
	if err := conflictingRoute("10.0.0.0/8 via 192.0.2.9 dev tun0\n", s); err != nil {
		t.Errorf("a wider route, which ours take precedence over, is refused: %v", err)
	}
	for line, env := range map[string]string{
		"10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1": "RSOLV_CLUSTER_POD_CIDR",
		"10.96.128.0/20 dev docker0 scope link":                         "RSOLV_CLUSTER_SERVICE_CIDR",
	} {
		err := conflictingRoute(routes+line+"\n", s)
		if err == nil || !strings.Contains(err.Error(), env) {
			t.Errorf("%s: got %v, want an error that names %s", line, err, env)
		}
	}
}
