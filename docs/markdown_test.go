package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	mdast "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// document is one Markdown file.
type document struct {
	path   string
	source []byte
	root   mdast.Node
}

func read(tb testing.TB, path string) document {
	tb.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM))
	return document{path, source, markdown.Parser().Parse(text.NewReader(source))}
}

// documents finds every Markdown file below root, but for what is built or
// hidden.
func documents(tb testing.TB, root string) []document {
	tb.Helper()
	var all []document
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"bin", "dist", "testdata"}, entry.Name())):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			all = append(all, read(tb, path))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func (d document) walk(visit func(mdast.Node)) {
	_ = mdast.Walk(d.root, func(node mdast.Node, entering bool) (mdast.WalkStatus, error) {
		if entering {
			visit(node)
		}
		return mdast.WalkContinue, nil
	})
}

// blocks are the fenced blocks in a language.
func (d document) blocks(language string) []string {
	var found []string
	d.walk(func(node mdast.Node) {
		if block, ok := node.(*mdast.FencedCodeBlock); ok && string(block.Language(d.source)) == language {
			found = append(found, string(block.Lines().Value(d.source)))
		}
	})
	return found
}

func (d document) links() []string {
	var found []string
	d.walk(func(node mdast.Node) {
		switch node := node.(type) {
		case *mdast.Link:
			found = append(found, string(node.Destination))
		case *mdast.Image:
			found = append(found, string(node.Destination))
		}
	})
	return found
}

var noAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchors are the fragments that the headings can be reached by.
func (d document) anchors() map[string]bool {
	found := map[string]bool{}
	d.walk(func(node mdast.Node) {
		if heading, ok := node.(*mdast.Heading); ok {
			title := noAnchor.ReplaceAllString(strings.ToLower(string(heading.Lines().Value(d.source))), "")
			found[strings.ReplaceAll(strings.TrimSpace(title), " ", "-")] = true
		}
	})
	return found
}
