package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const tail = " 1 18653 18653 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 9 0 %d 1234 %d 0\n"
	for label, test := range map[string]struct {
		text string
		want stat
		ok   bool
	}{
		"plain":            {"18653 (containerd) S" + fmt.Sprintf(tail, 98765, 512), stat{"containerd", 'S', 98765, 512}, true},
		"blanks, brackets": {"7 (a) b (c) Z" + fmt.Sprintf(tail, 5, 0), stat{"a) b (c", 'Z', 5, 0}, true},
		"short":            {"7 (a) S 1 2 3", stat{}, false},
		"no name":          {"7 a S", stat{}, false},
		"empty":            {"", stat{}, false},
	} {
		got, err := parseStat(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%s: got %+v, %v; want %+v", label, got, err, test.want)
		}
	}
}

// fakeProc writes a /proc with these processes.
func fakeProc(t *testing.T, processes map[int]fakeProcess) procfs {
	t.Helper()
	root := t.TempDir()
	link := func(target, path string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	link("net:[1]", filepath.Join(root, "self", "ns", "net"))
	for pid, p := range processes {
		dir := filepath.Join(root, fmt.Sprint(pid))
		link(p.net, filepath.Join(dir, "ns", "net"))
		if p.cwd != "" {
			link(p.cwd, filepath.Join(dir, "cwd"))
		}
		text := fmt.Sprintf("%d (x) %c 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 1 0\n", pid, p.state, p.start)
		for name, data := range map[string]string{"stat": text, "cmdline": strings.Join(p.args, "\x00") + "\x00"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return procfs(root)
}

type fakeProcess struct {
	args     []string
	state    byte
	start    uint64
	net, cwd string
}

func TestFindingProcesses(t *testing.T) {
	t.Parallel()
	const dir = "/var/lib/rsolv-cluster"
	proc := fakeProc(t, map[int]fakeProcess{
		10: {args: []string{"/cache/kubelet", "--config=" + dir + "/kubelet.json"}, state: 'S', start: 100, net: "net:[1]"},
		11: {args: []string{"/cache/kubelet", "--config=/etc/kubelet.json"}, state: 'S', start: 101, net: "net:[1]"},
		12: {args: []string{"/cache/kubelet", "--config=/etc/kubelet.json"}, state: 'S', start: 102, net: "net:[2]"},
		13: {args: []string{"vi", dir + "/kubelet.json"}, state: 'S', start: 103, net: "net:[1]"},
		14: {args: []string{"/cache/etcd", "--data-dir=" + dir + "-other/etcd"}, state: 'S', start: 104, net: "net:[1]"},
		15: {args: []string{"/cache/etcd", "--data-dir=" + dir + "/etcd"}, state: 'Z', start: 105, net: "net:[1]"},
		16: {args: []string{"/usr/bin/" + shimName, "-address", dir + "/containerd.sock"}, state: 'S', start: 106, net: "net:[1]"},
		17: {args: []string{"postgres: checkpointer "}, state: 'S', start: 107, net: "net:[1]", cwd: dir + "/postgres"},
	})
	ours := proc.ours(dir, componentNames)
	if diff := cmp.Diff(map[process]string{{10, 100}: "kubelet"}, ours, cmp.AllowUnexported(process{})); diff != "" {
		t.Errorf("ours (-want +got):\n%s", diff)
	}
	shims := proc.ours(dir, map[string]bool{shimName: true})
	if diff := cmp.Diff(map[process]string{{16, 106}: shimName}, shims, cmp.AllowUnexported(process{})); diff != "" {
		t.Errorf("shims (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{11}, proc.foreign(map[string]bool{"kubelet": true}, ours)); diff != "" {
		t.Errorf("foreign nodes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{17}, proc.workingIn(dir+"/postgres")); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	for who, want := range map[process]bool{{10, 100}: true, {10, 99}: false, {15, 105}: false, {99, 1}: false} {
		if got := proc.alive(who); got != want {
			t.Errorf("alive(%v) = %v", who, got)
		}
	}
}

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:5CEE 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0
   1: 0100C80A:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4343 1 0000000000000000 100 0 0 10 0
   2: 0100C80A:192B 0200F40A:8000 01 00000000:00000000 00:00000000 00000000     0        0 4444 1 0000000000000000 100 0 0 10 0
   garbage
`

func TestListeningInodes(t *testing.T) {
	t.Parallel()
	for port, want := range map[int][]string{23790: {"4242"}, 6443: {"4343"}, 32768: nil, 80: nil} {
		if diff := cmp.Diff(want, listeningInodes(tcpTable, port)); diff != "" {
			t.Errorf("port %d (-want +got):\n%s", port, diff)
		}
	}
}

func TestCheckPorts(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.Addr().(*net.TCPAddr).Port
	wanted := []listener{{"127.0.0.1", port, "RSOLV_CLUSTER_ETCD_PORT"}}
	err = checkPorts(t.Context(), "/proc", wanted)
	if err == nil {
		t.Fatal("a taken port was accepted")
	}
	for _, part := range []string{fmt.Sprintf("port %d", port), fmt.Sprintf("(pid %d)", os.Getpid()), "set RSOLV_CLUSTER_ETCD_PORT"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkPorts(t.Context(), "/proc", wanted); err != nil {
		t.Errorf("a free port was refused: %v", err)
	}
}

func TestUnixPaths(t *testing.T) {
	t.Parallel()
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000: 00000002 00000000 00010000 0001 01 500 /run/containerd/s/aaa
0000: 00000003 00000000 00000000 0001 03 501 /run/containerd/s/aaa
0000: 00000003 00000000 00000000 0001 03 502
0000: 00000002 00000000 00010000 0001 01 503 /run/containerd/s/another
0000: 00000002 00000000 00010000 0001 01 504 /run/dbus/socket
`
	got := unixPaths(table, socketDir, map[string]bool{"500": true, "502": true, "504": true})
	if diff := cmp.Diff([]string{"/run/containerd/s/aaa"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
