package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPinnedModules(t *testing.T) {
	t.Parallel()
	for _, module := range goModules {
		text, err := pinned.ReadFile("modules/" + module.name + ".mod")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "require "+module.path+" "+module.version+"\n") {
			t.Errorf("modules/%s.mod does not require %s: run `go run ./hack/cluster pin %s %s`", module.name, module.path, module.name, module.version)
		}
		if !strings.HasPrefix(string(text), "module rsolv.local/"+module.name+"\n") {
			t.Errorf("modules/%s.mod was not written by pin", module.name)
		}
		if sum, err := pinned.ReadFile("modules/" + module.name + ".sum"); err != nil || len(sum) == 0 {
			t.Errorf("modules/%s.sum: %v", module.name, err)
		}
	}
}

func TestWrapperModule(t *testing.T) {
	t.Parallel()
	const goMod = `module k8s.io/kubernetes

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	example.com/other => ../other
)
replace k8s.io/kubelet => ./staging/src/k8s.io/kubelet
`
	staging := parseStaging(goMod)
	if diff := cmp.Diff([]string{"k8s.io/api", "k8s.io/client-go", "k8s.io/kubelet"}, staging); diff != "" {
		t.Errorf("staging modules (-want +got):\n%s", diff)
	}
	want := "module rsolv.local/k8s\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.37.2\n\nreplace k8s.io/api => k8s.io/api v0.37.2\n"
	if diff := cmp.Diff(want, wrapperModule("k8s", "k8s.io/kubernetes", "v1.37.2", staging[:1])); diff != "" {
		t.Errorf("go.mod (-want +got):\n%s", diff)
	}
}

func TestChoosePrograms(t *testing.T) {
	t.Parallel()
	all, err := choosePrograms(nil)
	if err != nil || len(all) != len(programs) {
		t.Errorf("got %v, %v", all, err)
	}
	some, err := choosePrograms([]string{"kubectl", "etcd"})
	if err != nil || len(some) != 2 || some[0].name != "kubectl" {
		t.Errorf("got %v, %v", some, err)
	}
	if _, err := choosePrograms([]string{"kubeadm"}); err == nil || !strings.Contains(err.Error(), "kube-apiserver") {
		t.Errorf("got %v, want an error that lists the choices", err)
	}
}

func TestMountsBelow(t *testing.T) {
	t.Parallel()
	const mounts = `proc /proc proc rw 0 0
overlay /var/lib/rsolv-cluster/containerd-state/x/rootfs overlay rw 0 0
tmpfs /var/lib/rsolv-cluster-other/kubelet tmpfs rw 0 0
tmpfs /var/lib/rsolv-cluster/kubelet/pods/a\040b tmpfs rw 0 0
tmpfs /var/lib/rsolv-cluster tmpfs rw 0 0
short
`
	want := []string{"/var/lib/rsolv-cluster/kubelet/pods/a b", "/var/lib/rsolv-cluster/containerd-state/x/rootfs"}
	if diff := cmp.Diff(want, mountsBelow(mounts, "/var/lib/rsolv-cluster")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForeignDirIsRefused(t *testing.T) {
	t.Parallel()
	missing := testCluster(t, filepath.Join(t.TempDir(), "new"))
	if err := missing.refuseForeignDir(); err != nil {
		t.Errorf("a new folder: %v", err)
	}
	c := testCluster(t, t.TempDir())
	if err := c.refuseForeignDir(); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(c.path("thesis.tex"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.refuseForeignDir(); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("somebody's folder: %v", err)
	}
	if err := makeDir(c.path("pki")); err != nil {
		t.Fatal(err)
	}
	if err := c.refuseForeignDir(); err != nil {
		t.Errorf("half a state: %v", err)
	}
}

func TestNodeReady(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}}`: "",
		`{"status":{"conditions":[{"type":"Ready","status":"False","message":"no network"}]}}`:                    "no network",
		`{"status":{}}`: "has not reported",
		`<html>`:        "reading the node",
	} {
		err := parseNodeReady([]byte(body))
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

func TestImageNames(t *testing.T) {
	t.Parallel()
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for name, want := range map[string]string{
		"docker.io/rsolv-dev/rsolv:dev": "docker.io/rsolv-dev/rsolv@" + digest,
		"localhost:5000/rsolv":          "localhost:5000/rsolv@" + digest,
		"localhost:5000/rsolv:1":        "localhost:5000/rsolv@" + digest,
	} {
		if got := byDigest(name, digest); got != want {
			t.Errorf("byDigest(%s) = %s", name, got)
		}
	}
	answer := "unpacking docker.io/rsolv-dev/rsolv:dev (" + digest + ")...done\nunpacking overlayfs@sha256:1 (sha256:2)...done\n"
	found := importedLine.FindAllStringSubmatch(answer, -1)
	if len(found) != 1 || found[0][1] != "docker.io/rsolv-dev/rsolv:dev" || found[0][2] != digest {
		t.Errorf("read %q", found)
	}
}

func TestImageArchive(t *testing.T) {
	t.Parallel()
	archive, err := imageArchive("localhost/a:1", "arm64", []byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{"localhost/a:1"}) {
		t.Errorf("manifest %+v", manifest)
	}
	var config struct {
		Architecture string
		Rootfs       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := fmt.Sprintf("sha256:%x", sha256.Sum256(files[manifest[0].Layers[0]]))
	if config.Architecture != "arm64" || !slices.Equal(config.Rootfs.DiffIDs, []string{layer}) {
		t.Errorf("configuration %+v, want the layer %s", config, layer)
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	folders := []string{"/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin"}
	slices.SortFunc(folders, newestFirst)
	want := []string{"/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9/bin"}
	if diff := cmp.Diff(want, folders); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	for _, text := range []string{"one", "two", "two"} {
		if err := writeFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("wrote %q, read %q, %v", text, got, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
	if err := writeFile(filepath.Join(path, "below a file"), nil, 0o600); err == nil {
		t.Error("wrote below a file")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &progress{out: &b, now: func() time.Time { return now }, began: now}
	failed := errors.New("failed")
	for _, result := range []error{nil, failed} {
		err := p.during("building", func() error {
			now = now.Add(12 * time.Second)
			return result
		})
		if !errors.Is(err, result) {
			t.Errorf("got %v, want %v", err, result)
		}
	}
	want := "   0.0s  building\n  12.0s  building … 12s\n  12.0s  building\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	if got := shellQuote(`it's $HOME`); got != `'it'\''s $HOME'` {
		t.Errorf("got %s", got)
	}
}

func TestIndentTail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "\n\n": "", "one": "\n    one", "one\ntwo\nthree\n": "\n    two\n    three"} {
		if got := indentTail(text, 2); got != want {
			t.Errorf("indentTail(%q) = %q, want %q", text, got, want)
		}
	}
}
