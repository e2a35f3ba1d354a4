package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ctr talks to this cluster's containerd.
func (c *cluster) ctr(ctx context.Context, args ...string) (string, error) {
	path := lookup("ctr")()
	if path == "" {
		return "", errors.New("ctr is missing: bring the cluster up first")
	}
	return run(ctx, path, append([]string{"--address", c.socket(), "--namespace", "k8s.io"}, args...)...)
}

func loadCommand(ctx context.Context, c *cluster, files []string) error {
	if len(files) == 0 {
		return errors.New("load wants at least one image tar file")
	}
	if err := requireRoot(); err != nil {
		return err
	}
	if _, ok := c.running("containerd"); !ok {
		return errors.New("the cluster is not up: run the command up first")
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil { //nolint:gosec // the caller names the file to load
			return fmt.Errorf("loading an image: %w", err)
		}
		if err := c.importImage(ctx, file); err != nil {
			return fmt.Errorf("loading %s: %w", file, err)
		}
	}
	return nil
}

// importedLine is what ctr says of each image it imports.
var importedLine = regexp.MustCompile(`(?m)^unpacking (\S+) \((sha256:[0-9a-f]{64})\)`)

// importImage imports an archive and names each image by its digest too, as a
// pull would: pods then report repository@digest, and can be pinned to it.
func (c *cluster) importImage(ctx context.Context, file string) error {
	answer, err := c.ctr(ctx, "images", "import", file)
	if err != nil {
		return err
	}
	found := importedLine.FindAllStringSubmatch(answer, -1)
	if len(found) == 0 {
		return fmt.Errorf("it holds no named image; containerd said: %s", strings.TrimSpace(answer))
	}
	for _, match := range found {
		name, digest := match[1], match[2]
		if _, err := c.ctr(ctx, "images", "tag", "--force", name, byDigest(name, digest)); err != nil {
			return err
		}
		c.out.say("%s %s", name, digest)
	}
	return nil
}

// byDigest turns repository:tag into repository@digest. A colon before the
// last slash belongs to the registry's port.
func byDigest(name, digest string) string {
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		name = name[:at]
	}
	return name + "@" + digest
}

// ensureImage imports an image of one small program of ours, built when it is
// not there: the one every pod starts with, and the one that checks pods.
func (c *cluster) ensureImage(ctx context.Context, image, name string, source []byte) error {
	names, err := c.ctr(ctx, "images", "ls", "-q")
	if err != nil {
		return fmt.Errorf("listing the images: %w", err)
	}
	if slices.Contains(strings.Fields(names), image) {
		return nil
	}
	binary, err := buildSmall(ctx, c.cache, name, source)
	if err != nil {
		return err
	}
	program, err := readFile(binary)
	if err != nil {
		return fmt.Errorf("reading the program %s: %w", name, err)
	}
	archive, err := imageArchive(image, architecture, program)
	if err != nil {
		return fmt.Errorf("packing the image %s: %w", image, err)
	}
	path := c.path(name + ".tar")
	if err := writeFile(path, archive, 0o600); err != nil {
		return err
	}
	if _, err := c.ctr(ctx, "images", "import", path); err != nil {
		return fmt.Errorf("importing the image %s: %w", image, err)
	}
	return os.Remove(path)
}

// imageArchive packs one program as a `docker save` archive.
func imageArchive(name, arch string, program []byte) ([]byte, error) {
	layer, err := tarFiles([]tarFile{{"program", 0o755, program}})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": arch, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/program"}, "User": "65535:65535"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{
		{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}},
	})
	if err != nil {
		return nil, err
	}
	return tarFiles([]tarFile{{"manifest.json", 0o644, manifest}, {"config.json", 0o644, config}, {"layer.tar", 0o644, layer}})
}

type tarFile struct {
	name string
	mode int64
	data []byte
}

func tarFiles(files []tarFile) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, file := range files {
		header := &tar.Header{
			Name: filepath.Clean(file.name), Mode: file.mode, Size: int64(len(file.data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
