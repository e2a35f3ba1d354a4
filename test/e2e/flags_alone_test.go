//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// TestPodsKeepTheirFlagsWithoutTheManager: the manager is away, and a pod that
// starts meanwhile has the last good flags all the same.
func TestPodsKeepTheirFlagsWithoutTheManager(t *testing.T) {
	const app = "flags-alone"
	newApp(t, app, "sk_test_4eC39HqLyjWD")
	waitCondition(t, "rd/"+app, "Ready", "True")
	apply(t, flagOf(app, "blog", "enabled"))
	awaitBlog(t, app, http.StatusOK, 20*time.Second)
	scaleManager(t, 0)
	t.Cleanup(func() { scaleManager(t, 1) })
	before := podNames(t, app)
	for pod := range strings.FieldsSeq(before) {
		kubectl(t, "delete", "pod", pod, "--wait")
	}
	if _, err := cluster.Kubectl(t.Context(), nil, "-n", harness.Namespace, "rollout", "status", "deployment/"+app, "--timeout=120s"); err != nil {
		t.Fatal(err)
	}
	awaitBlog(t, app, http.StatusOK, 10*time.Second)
	for range 10 {
		if got, err := status(t, app, "/blog"); err != nil || got != http.StatusOK {
			t.Errorf("a pod that started without the manager answers %d, %v", got, err)
		}
	}
}

// TestPodsKeepTheirFlagsWithoutTheAPIServer: Kubernetes itself cannot be asked,
// so nobody can tell a pod anything. Pods answer with the flags they have, and
// a container that dies meanwhile comes back with them.
func TestPodsKeepTheirFlagsWithoutTheAPIServer(t *testing.T) {
	if !cluster.Local {
		t.Skip("stops the API server, which only the cluster of this machine allows")
	}
	const app = "flags-adrift"
	newApp(t, app, "sk_test_4eC39HqLyjWD")
	waitCondition(t, "rd/"+app, "Ready", "True")
	apply(t, flagOf(app, "blog", "enabled"))
	awaitBlog(t, app, http.StatusOK, 20*time.Second)
	awaitAcked(t, app+"-blog", "2/2")
	pods := strings.Fields(kubectl(t, "get", "pods", "-l", "rsolv.dev/deployment="+app+",app.kubernetes.io/component=server",
		"--field-selector=status.phase=Running", "-o", "jsonpath={range .items[*]}{.metadata.uid}={.status.podIP} {end}"))
	if len(pods) != 2 {
		t.Fatalf("%d pods serve, want 2: %v", len(pods), pods)
	}

	if err := cluster.Tool(t.Context(), os.Stderr, "go", "run", "./hack/cluster", "apiserver-stop"); err != nil {
		t.Fatal(err)
	}
	back := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := cluster.Tool(ctx, os.Stderr, "go", "run", "./hack/cluster", "up"); err != nil {
			t.Errorf("the API server does not come back: %v", err)
		}
		scaleManager(t, 1)
	}
	t.Cleanup(back)
	for _, pod := range pods {
		uid, ip, _ := strings.Cut(pod, "=")
		digest := flagsOf(t, ip)
		killServer(t, uid)
		eventually(t, 2*time.Minute, func() error {
			again, err := askFlags(t.Context(), ip)
			if err == nil && again != digest {
				err = fmt.Errorf("the pod runs other flags after its restart: %s, before %s", again, digest)
			}
			return err
		})
		eventually(t, time.Minute, func() error { return blogOfPod(t.Context(), ip) })
	}
}

// blogOfPod asks one pod for the page behind the flag.
func blogOfPod(ctx context.Context, ip string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ip+":8080/blog", http.NoBody)
	if err != nil {
		return err
	}
	response, err := impatient.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/blog of %s answers %d", ip, response.StatusCode)
	}
	return errors.Join(err, response.Body.Close())
}

// killServer kills the app's process in the pod with this uid, as a crash would.
func killServer(t *testing.T, uid string) {
	t.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range groups {
		group, err := os.ReadFile(file)
		if err != nil || !strings.Contains(strings.ReplaceAll(string(group), "_", "-"), uid) {
			continue
		}
		dir := filepath.Dir(file)
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.HasPrefix(string(line), "/app\x00serve") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process of the pod %s runs /app serve", uid)
}

func scaleManager(t *testing.T, replicas int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := cluster.Kubectl(ctx, nil, "-n", "rsolv-system", "scale", "deployment/rsolv-operator", fmt.Sprintf("--replicas=%d", replicas)); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "rsolv-system", "rollout", "status", "deployment/rsolv-operator", "--timeout=90s"}
	if replicas == 0 {
		args = []string{"-n", "rsolv-system", "wait", "pods", "-l", "app.kubernetes.io/name=rsolv-operator", "--for=delete", "--timeout=90s"}
	}
	if _, err := cluster.Kubectl(ctx, nil, args...); err != nil {
		t.Fatal(err)
	}
}
