package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// imageCAFile is where the certificates lie in the image; Go, OpenSSL and curl
// all look there.
const imageCAFile = "/etc/ssl/certs/ca-certificates.crt"

// entry is one file or directory of a layer.
type entry struct {
	path string // absolute, in the image
	mode int64
	dir  bool
	data []byte
}

// baseEntries is what nearly every program expects of a file system: accounts
// with names, a /tmp anybody may write to, and certificates.
func baseEntries(caFile string) ([]entry, error) {
	accounts := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/:/sbin/nologin\n", nonroot, nonroot)
	entries := []entry{
		{path: "/tmp", mode: 0o1777, dir: true},
		{path: "/etc/passwd", mode: 0o644, data: []byte(accounts)},
		{path: "/etc/group", mode: 0o644, data: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonroot)},
	}
	if caFile == "" {
		return entries, nil
	}
	certificates, err := os.ReadFile(caFile) //nolint:gosec // the caller names the file to pack
	if err != nil {
		return nil, fmt.Errorf("reading the CA certificates (install ca-certificates, or pass -ca=): %w", err)
	}
	return append(entries, entry{path: imageCAFile, mode: 0o644, data: certificates}), nil
}

// fileEntries reads the mapped files; directories are walked, links followed.
func fileEntries(mappings []mapping) ([]entry, error) {
	var entries []entry
	for _, m := range mappings {
		err := filepath.WalkDir(m.host, func(host string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			relative, err := filepath.Rel(m.host, host)
			if err != nil {
				return err
			}
			e, err := readEntry(host, path.Join(m.image, filepath.ToSlash(relative)))
			entries = append(entries, e)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s for the image: %w", m.host, err)
		}
	}
	return entries, nil
}

func readEntry(host, image string) (entry, error) {
	info, err := os.Stat(host)
	if err != nil {
		return entry{}, err
	}
	data, err := os.ReadFile(host) //nolint:gosec // the caller names the file to pack
	if err != nil {
		return entry{}, err
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return entry{path: image, mode: mode, data: data}, nil
}

// newLayer packs the entries, sorted, with the directories above them.
func newLayer(entries []entry) (v1.Layer, error) {
	raw, err := tarEntries(withParents(entries))
	if err != nil {
		return nil, err
	}
	// A local image is read once, a few seconds after it was written: fast
	// compression beats small files.
	return tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		tarball.WithCompressionLevel(gzip.BestSpeed),
		tarball.WithMediaType(types.OCILayer),
	)
}

// withParents adds missing parent directories, drops repeated paths (the last
// one wins) and sorts.
func withParents(entries []entry) []entry {
	byPath := map[string]entry{}
	for _, e := range entries {
		e.path = path.Clean(e.path)
		for dir := path.Dir(e.path); dir != "/"; dir = path.Dir(dir) {
			if _, known := byPath[dir]; !known {
				byPath[dir] = entry{path: dir, mode: 0o755, dir: true}
			}
		}
		byPath[e.path] = e
	}
	sorted := make([]entry, 0, len(byPath))
	for _, e := range byPath {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	return sorted
}

func tarEntries(entries []entry) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		header := &tar.Header{
			Name: strings.TrimPrefix(e.path, "/"), Mode: e.mode, Size: int64(len(e.data)),
			Typeflag: tar.TypeReg, ModTime: epoch, Format: tar.FormatPAX,
		}
		if e.dir {
			header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.path, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
