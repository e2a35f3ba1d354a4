package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Variant builds an image of the app in which one line of one file is another,
// and brings it into the local cluster: a version with a fault, which no
// version of the product has a switch for. The file is named from the module's
// root; dir is for what is made on the way.
func (c *Cluster) Variant(ctx context.Context, log io.Writer, dir, tag, file, line, other string) (string, error) {
	source, err := os.ReadFile(filepath.Join(c.Root, file))
	if err != nil {
		return "", fmt.Errorf("reading the file to vary: %w", err)
	}
	if strings.Count(string(source), line) != 1 {
		return "", fmt.Errorf("%s does not hold the line %q once: name another one", file, line)
	}
	varied := filepath.Join(dir, "varied.go")
	if err := os.WriteFile(varied, []byte(strings.Replace(string(source), line, other, 1)), 0o600); err != nil { //nolint:gosec // dir is the caller's own
		return "", fmt.Errorf("writing the varied file: %w", err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(c.Root, file): varied}})
	if err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	image, binary, archive := c.imagePrefix+"/rsolv:"+tag, filepath.Join(dir, "app"), filepath.Join(dir, "app.tar")
	for _, step := range [][]string{
		{"make", "--no-print-directory", "build-app", "BIN=" + dir, "GOFLAGS=-overlay=" + filepath.Join(dir, "overlay.json")},
		{"go", "-C", "hack/tools", "run", "./image", "-binary", binary, "-entrypoint", "/app", "-name", image, "-o", archive},
		{"go", "run", "./hack/cluster", "load", archive},
	} {
		if err := c.Tool(ctx, log, step[0], step[1:]...); err != nil {
			return "", fmt.Errorf("building the variant %s: %w", tag, err)
		}
	}
	return image, nil
}
