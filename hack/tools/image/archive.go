package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeArchive writes the image as an OCI layout with Docker's manifest.json
// beside it and returns the size of the file in bytes. The file appears whole
// or not at all.
func writeArchive(path, ref string, img v1.Image) (int64, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".image-*")
	if err != nil {
		return 0, fmt.Errorf("creating %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when all went well
	err = archive(temp, ref, img)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Chmod(temp.Name(), 0o644); err != nil { //nolint:gosec // an image is public and other users load it
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	return info.Size(), nil
}

// blob is one content-addressed file of the layout.
type blob struct {
	digest v1.Hash
	open   func() (io.ReadCloser, int64, error)
}

func archive(out io.Writer, ref string, img v1.Image) error {
	blobs, err := imageBlobs(img)
	if err != nil {
		return err
	}
	index, docker, err := manifests(ref, img)
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index},
		{"manifest.json", docker},
	} {
		if err := writeFile(w, file.name, int64(len(file.data))); err != nil {
			return err
		}
		if _, err := w.Write(file.data); err != nil {
			return err
		}
	}
	written := map[v1.Hash]bool{}
	for _, b := range blobs {
		if written[b.digest] {
			continue
		}
		written[b.digest] = true
		if err := writeBlob(w, b); err != nil {
			return fmt.Errorf("blob %s: %w", b.digest, err)
		}
	}
	return w.Close()
}

func writeFile(w *tar.Writer, name string, size int64) error {
	return w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: epoch, Format: tar.FormatPAX})
}

func writeBlob(w *tar.Writer, b blob) error {
	content, size, err := b.open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // opened for reading only
	if err := writeFile(w, blobPath(b.digest), size); err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return err
}

func blobPath(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// imageBlobs lists the manifest, the configuration and the layers, in that order.
func imageBlobs(img v1.Image) ([]blob, error) {
	manifest, err := img.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("building the manifest: %w", err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("building the configuration: %w", err)
	}
	var blobs []blob
	for _, raw := range [][]byte{manifest, config} {
		b, err := bytesBlob(raw)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, b)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("listing the layers: %w", err)
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return nil, fmt.Errorf("computing a layer's digest: %w", err)
		}
		blobs = append(blobs, blob{digest: digest, open: func() (io.ReadCloser, int64, error) {
			size, err := layer.Size()
			if err != nil {
				return nil, 0, err
			}
			content, err := layer.Compressed()
			return content, size, err
		}})
	}
	return blobs, nil
}

// manifests returns index.json and Docker's manifest.json. The two annotations
// are the ones containerd and OCI tools read the image's name from.
func manifests(ref string, img v1.Image) (index, docker []byte, err error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, nil, fmt.Errorf("building the manifest: %w", err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, nil, fmt.Errorf("computing the image digest: %w", err)
	}
	size, err := img.Size()
	if err != nil {
		return nil, nil, fmt.Errorf("computing the image size: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	index, err = json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests: []v1.Descriptor{{
			MediaType: manifest.MediaType,
			Digest:    digest,
			Size:      size,
			Platform:  &v1.Platform{Architecture: config.Architecture, OS: config.OS},
			Annotations: map[string]string{
				"io.containerd.image.name":          ref,
				"org.opencontainers.image.ref.name": ref,
			},
		}},
	})
	if err != nil {
		return nil, nil, err
	}
	layers := make([]string, 0, len(manifest.Layers))
	for _, layer := range manifest.Layers {
		layers = append(layers, blobPath(layer.Digest))
	}
	docker, err = json.Marshal([]map[string]any{{
		"Config": blobPath(manifest.Config.Digest), "RepoTags": []string{ref}, "Layers": layers,
	}})
	return index, docker, err
}

func bytesBlob(raw []byte) (blob, error) {
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return blob{}, err
	}
	return blob{digest: digest, open: func() (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(raw)), int64(len(raw)), nil
	}}, nil
}
