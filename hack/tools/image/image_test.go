package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const reference = "docker.io/rsolv-dev/rsolv:dev"

// fakeBinary writes an ELF file with nothing but a header and, when asked, the
// program header that names a loader.
func fakeBinary(t *testing.T, dir string, machine elf.Machine, dynamic bool) string {
	t.Helper()
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64, Phentsize: 56, Shentsize: 64,
	}
	var buf bytes.Buffer
	if dynamic {
		header.Phoff, header.Phnum = 64, 1
	}
	write := func(v any) {
		if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	write(header)
	if dynamic {
		write(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64})
	}
	path := filepath.Join(dir, "program")
	if err := os.WriteFile(path, buf.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeText(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testOptions(t *testing.T, dir string) options {
	t.Helper()
	writeText(t, filepath.Join(dir, "site", "b.txt"), "b")
	writeText(t, filepath.Join(dir, "site", "deep", "a.txt"), "a")
	return options{
		binary: fakeBinary(t, dir, elf.EM_X86_64, false), entrypoint: "/manager", args: []string{"serve"}, name: reference,
		output: filepath.Join(dir, "image.tar"), caFile: writeText(t, filepath.Join(dir, "ca.crt"), "certificates"),
		files:  []mapping{{host: filepath.Join(dir, "site"), image: "/srv"}},
		labels: map[string]string{"org.opencontainers.image.title": "rsolv"}, ports: []string{"8080/tcp"},
	}
}

func TestSameInputSameImage(t *testing.T) {
	t.Parallel()
	var digests, archives []string
	for range 2 {
		opts := testOptions(t, t.TempDir())
		var out strings.Builder
		if err := run(opts, &out); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(opts.output)
		if err != nil {
			t.Fatal(err)
		}
		digests, archives = append(digests, out.String()), append(archives, string(data))
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds of the same input differ:\n%s%s", digests[0], digests[1])
	}
	if archives[0] != archives[1] {
		t.Error("two archives of the same image differ")
	}
}

func TestChangedBinaryChangesOneLayer(t *testing.T) {
	t.Parallel()
	opts := testOptions(t, t.TempDir())
	first := layerDigests(t, opts)
	file, err := os.OpenFile(opts.binary, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("changed"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	second := layerDigests(t, opts)
	if diff := cmp.Diff(first[:2], second[:2]); diff != "" {
		t.Errorf("base and files layers changed with the binary:\n%s", diff)
	}
	if first[2] == second[2] {
		t.Error("the binary's layer did not change with the binary")
	}
}

func layerDigests(t *testing.T, opts options) []string {
	t.Helper()
	img, err := build(opts)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	return digests
}

// TestArchive reads the file back the two ways it is meant to be read.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := testOptions(t, dir)
	if err := run(opts, io.Discard); err != nil {
		t.Fatal(err)
	}
	want, err := build(opts)
	if err != nil {
		t.Fatal(err)
	}
	wantDigest, err := want.Digest()
	if err != nil {
		t.Fatal(err)
	}

	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	docker, err := tarball.ImageFromPath(opts.output, &tag)
	if err != nil {
		t.Fatalf("as a Docker archive: %v", err)
	}
	if err := validate.Image(docker); err != nil {
		t.Errorf("as a Docker archive: %v", err)
	}

	unpacked := filepath.Join(dir, "layout")
	unpack(t, opts.output, unpacked)
	index, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		t.Fatalf("as an OCI layout: %v", err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("as an OCI layout: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	got := manifest.Manifests[0]
	if got.Digest != wantDigest {
		t.Errorf("index names %s, the image is %s", got.Digest, wantDigest)
	}
	if got.Annotations["io.containerd.image.name"] != reference {
		t.Errorf("containerd would name the image %q", got.Annotations["io.containerd.image.name"])
	}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		writeText(t, filepath.Join(dir, header.Name), string(data))
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	opts := testOptions(t, t.TempDir())
	img, err := build(opts)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		Entrypoint: []string{"/manager"}, Cmd: []string{"serve"}, User: "65532:65532", WorkingDir: "/",
		Env:          []string{"PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels:       map[string]string{"org.opencontainers.image.title": "rsolv"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}

	got := map[string]int64{}
	for reader := tar.NewReader(mutate.Extract(img)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || !header.ModTime.Equal(epoch) {
			t.Errorf("%s is owned by %d:%d and dated %s", header.Name, header.Uid, header.Gid, header.ModTime)
		}
		got["/"+strings.TrimSuffix(header.Name, "/")] = header.Mode
	}
	files := map[string]int64{
		"/etc": 0o755, "/etc/group": 0o644, "/etc/passwd": 0o644, "/etc/ssl": 0o755, "/etc/ssl/certs": 0o755,
		"/etc/ssl/certs/ca-certificates.crt": 0o644, "/manager": 0o755, "/tmp": 0o1777,
		"/srv": 0o755, "/srv/b.txt": 0o644, "/srv/deep": 0o755, "/srv/deep/a.txt": 0o644,
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Errorf("files and modes (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	static := fakeBinary(t, t.TempDir(), elf.EM_AARCH64, false)
	dynamic := fakeBinary(t, t.TempDir(), elf.EM_X86_64, true)
	other := fakeBinary(t, t.TempDir(), elf.EM_RISCV, false)
	text := writeText(t, filepath.Join(dir, "text"), "#!/bin/sh\n")
	out := filepath.Join(dir, "out.tar")
	full := []string{"-ca=", "-name", reference, "-o", out, "-binary"}
	for label, test := range map[string]struct {
		args []string
		want string // empty: accepted
	}{
		"static arm64":        {append(full, static), ""},
		"dynamic":             {append(full, dynamic), "build it with CGO_ENABLED=0"},
		"dynamic, allowed":    {append([]string{"-allow-dynamic"}, append(full, dynamic)...), ""},
		"foreign machine":     {append(full, other), "build it for amd64 or arm64"},
		"not a binary":        {append(full, text), "is not a Linux executable"},
		"no binary":           {[]string{"-name", reference, "-o", out}, "-binary is missing"},
		"no name":             {[]string{"-binary", static, "-o", out}, "-name is missing"},
		"no output":           {[]string{"-binary", static, "-name", reference}, "-o is missing"},
		"no registry":         {[]string{"-binary", static, "-o", out, "-name", "rsolv-dev/rsolv:dev"}, "docker.io/rsolv-dev/rsolv:dev"},
		"no tag":              {[]string{"-binary", static, "-o", out, "-name", "docker.io/rsolv-dev/rsolv"}, "reference with registry and tag"},
		"relative entrypoint": {append([]string{"-entrypoint", "app"}, append(full, static)...), "write /app"},
		"bad file":            {append([]string{"-file", "LICENSE"}, append(full, static)...), "write it as host=path"},
		"missing file":        {append([]string{"-file", dir + "/none=/none"}, append(full, static)...), "no such file"},
		"bad port":            {append([]string{"-port", "70000"}, append(full, static)...), "between 1 and 65535"},
		"stray argument":      {append(full, static, "more"), `unexpected argument "more"`},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			opts, err := parseFlags(test.args, io.Discard)
			if err == nil {
				opts.output = filepath.Join(t.TempDir(), "out.tar")
				err = run(opts, io.Discard)
			}
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}
