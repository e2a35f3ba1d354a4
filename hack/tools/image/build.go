package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the numeric user and group of the process. Numbers, not names:
// the kubelet can only prove runAsNonRoot for a number.
const nonroot = 65532

// epoch dates every file and the image itself, so that two builds of the same
// input are the same bytes.
var epoch = time.Unix(0, 0).UTC()

// build assembles the image: one layer that hardly ever changes (accounts,
// certificates, /tmp), one with the extra files, one with the binary. A new
// build of the binary then replaces a single layer.
func build(opts options) (v1.Image, error) {
	arch, err := inspectBinary(opts.binary, opts.allowDynamic)
	if err != nil {
		return nil, err
	}
	base, err := baseEntries(opts.caFile)
	if err != nil {
		return nil, err
	}
	extra, err := fileEntries(opts.files)
	if err != nil {
		return nil, err
	}
	binary, err := fileEntries([]mapping{{host: opts.binary, image: opts.entrypoint}})
	if err != nil {
		return nil, err
	}
	for i := range binary {
		binary[i].mode = 0o755
	}

	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, part := range []struct {
		comment string
		entries []entry
	}{{"base", base}, {"files", extra}, {"binary", binary}} {
		if len(part.entries) == 0 {
			continue
		}
		layer, err := newLayer(part.entries)
		if err != nil {
			return nil, fmt.Errorf("packing the %s layer: %w", part.comment, err)
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "hack/tools/image", Comment: part.comment},
		})
		if err != nil {
			return nil, fmt.Errorf("adding the %s layer: %w", part.comment, err)
		}
	}
	return configure(img, opts, arch)
}

func configure(img v1.Image, opts options, arch string) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image configuration: %w", err)
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = arch, "linux"
	file.Created = v1.Time{Time: epoch}
	file.Config = v1.Config{
		Entrypoint: []string{opts.entrypoint},
		Cmd:        opts.args,
		User:       fmt.Sprintf("%d:%d", nonroot, nonroot),
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=" + imageCAFile},
		Labels:     opts.labels,
	}
	if opts.caFile == "" {
		file.Config.Env = file.Config.Env[:1]
	}
	for _, port := range opts.ports {
		if file.Config.ExposedPorts == nil {
			file.Config.ExposedPorts = map[string]struct{}{}
		}
		file.Config.ExposedPorts[port] = struct{}{}
	}
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("writing the image configuration: %w", err)
	}
	return img, nil
}

// inspectBinary returns the OCI architecture of an ELF binary. A binary that
// needs a loader would start nowhere in an image without one, with an error
// ("no such file or directory") that helps nobody, so it is refused here.
func inspectBinary(path string, allowDynamic bool) (string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the binary: %s is not a Linux executable: %w", path, err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	if !allowDynamic {
		for _, prog := range file.Progs {
			if prog.Type == elf.PT_INTERP {
				return "", fmt.Errorf("%s is dynamically linked and the image has no loader: build it with CGO_ENABLED=0, "+
					"or link it with -extldflags -static", path)
			}
		}
	}
	arch, ok := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[file.Machine]
	if !ok {
		return "", fmt.Errorf("%s is built for %s: build it for amd64 or arm64", path, file.Machine)
	}
	return arch, nil
}

// checkReference wants registry, repository and tag spelled out: a short name
// means different images to different tools, and then a pod's image is not the
// imported one.
func checkReference(ref string) error {
	tag, err := name.NewTag(ref, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("-name %q is not a reference with registry and tag, such as docker.io/rsolv-dev/rsolv:dev: %w", ref, err)
	}
	registry, _, _ := strings.Cut(ref, "/")
	if !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		return fmt.Errorf("-name %q names no registry: write docker.io/%s", ref, ref)
	}
	if tag.TagStr() == "" {
		return errors.New("-name has no tag: add one, such as :dev")
	}
	return nil
}
