package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

func TestMonitoringReleases(t *testing.T) {
	t.Parallel()
	for module, want := range map[string]string{
		"prometheus": "3.10.0", "alertmanager": "0.31.1", "prometheus-operator": "0.93.0", "k8s": "", "etcd": "", "unknown": "",
	} {
		if got := monitoringRelease(module); got != want {
			t.Errorf("%s tells %q of itself, want %q", module, got, want)
		}
	}
}

// TestMonitoringManifests: what kubectl is given has every name filled in, and
// uses only images that are packed here.
func TestMonitoringManifests(t *testing.T) {
	t.Parallel()
	c := testCluster(t, "/var/lib/rsolv-cluster")
	packed := map[string]bool{}
	for _, p := range monitoringPrograms {
		packed[monitoringImage(p)] = true
	}
	if !packed["localhost/rsolv-cluster/prometheus:v0.310.0"] {
		t.Errorf("images %v", packed)
	}
	objects := 0
	for _, file := range []string{"operator.yaml", "webhook.yaml", "stack.yaml"} {
		text, err := c.monitoringManifest(file, []byte("certificate"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if _, image, found := strings.Cut(line, "image: "); found && !packed[strings.TrimSpace(image)] {
				t.Errorf("%s uses %s, which nobody packs", file, image)
			}
		}
		decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
		for {
			var object struct {
				Kind     string
				Metadata struct{ Name, Namespace string }
			}
			err := decoder.Decode(&object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || object.Kind == "" || object.Metadata.Name == "" {
				t.Fatalf("%s: %+v, %v", file, object, err)
			}
			if ns := object.Metadata.Namespace; ns != "" && ns != monitoringNamespace {
				t.Errorf("%s: %s %s lies in namespace %s", file, object.Kind, object.Metadata.Name, ns)
			}
			objects++
		}
	}
	if objects < 20 {
		t.Errorf("%d objects", objects)
	}
}

// TestInheritedFilesAreNotPassedOn: a server that is started must not hold the
// lock of whoever called this program.
func TestInheritedFilesAreNotPassedOn(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // empty
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, file.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	const ask = "ls -l /proc/self/fd"
	before, err := run(t.Context(), "sh", "-c", ask)
	if err != nil || !strings.Contains(before, file.Name()) {
		t.Fatalf("the child does not have the file to begin with: %v\n%s", err, before)
	}
	keepToOurselves()
	after, err := run(t.Context(), "sh", "-c", ask)
	if err != nil || strings.Contains(after, file.Name()) {
		t.Errorf("a child still has the file: %v\n%s", err, after)
	}
}
