// Package blog reads posts: Markdown files with YAML front matter.
package blog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"go.yaml.in/yaml/v3"
)

// MaxSlugLength is in characters.
const MaxSlugLength = 100

const wordsPerMinute = 200

var slugPattern = regexp.MustCompile(`^[a-z0-9-]{1,100}$`)

// Post is one article.
type Post struct {
	// Slug is the file's name without extension: a-z, 0-9 and dashes.
	Slug     string
	Title    string
	Excerpt  string
	Category string
	Tags     []string
	// Published is false for drafts.
	Published   bool
	PublishedAt time.Time
	// ReadingTime is in minutes, at least one.
	ReadingTime int
	// HTML is the rendered body. Raw HTML in the source is left out of it.
	HTML template.HTML
}

// Blog holds the posts, newest first, drafts before all published ones. It is
// never changed after Load.
type Blog struct {
	posts []Post
}

// Load reads every *.md in the folder. A broken post is logged and left out.
func Load(folder fs.FS, log *slog.Logger) (*Blog, error) {
	names, err := fs.Glob(folder, "*.md")
	if err != nil {
		return nil, fmt.Errorf("listing the blog posts: %w", err)
	}
	b := &Blog{}
	for _, name := range names {
		source, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("reading the blog post %s: %w", name, err)
		}
		post, err := parse(strings.TrimSuffix(path.Base(name), ".md"), source)
		if err != nil {
			log.Warn("a blog post is left out", "file", name, "error", err)
			continue
		}
		b.posts = append(b.posts, post)
	}
	slices.SortFunc(b.posts, func(x, y Post) int {
		if x.Published != y.Published {
			if x.Published {
				return 1
			}
			return -1
		}
		return cmp.Or(y.PublishedAt.Compare(x.PublishedAt), cmp.Compare(x.Slug, y.Slug))
	})
	return b, nil
}

// Posts lists the published posts, newest first, and the drafts before them
// when asked to.
func (b *Blog) Posts(drafts bool) []Post {
	var posts []Post
	for _, p := range b.posts {
		if p.Published || drafts {
			posts = append(posts, p)
		}
	}
	return posts
}

// Post returns the post with this slug, drafts when asked to.
func (b *Blog) Post(slug string, drafts bool) (Post, bool) {
	for _, p := range b.posts {
		if p.Slug == slug && (p.Published || drafts) {
			return p, true
		}
	}
	return Post{}, false
}

type frontMatter struct {
	Title       string   `yaml:"title"`
	Excerpt     string   `yaml:"excerpt"`
	Status      string   `yaml:"status"`
	Category    string   `yaml:"category"`
	Tags        []string `yaml:"tags"`
	PublishedAt string   `yaml:"published_at"`
	ReadingTime int      `yaml:"reading_time"`
}

func parse(slug string, source []byte) (Post, error) {
	if !slugPattern.MatchString(slug) {
		return Post{}, fmt.Errorf("the file name %q is no slug: use a-z, 0-9 and dashes, at most %d", slug, MaxSlugLength)
	}
	head, body, err := split(source)
	if err != nil {
		return Post{}, err
	}
	var meta frontMatter
	decoder := yaml.NewDecoder(bytes.NewReader(head))
	decoder.KnownFields(true)
	if err := decoder.Decode(&meta); err != nil {
		return Post{}, fmt.Errorf("reading the front matter: %w", err)
	}
	post := Post{
		Slug: slug, Title: strings.TrimSpace(meta.Title), Excerpt: meta.Excerpt, Category: meta.Category,
		Tags: meta.Tags, ReadingTime: meta.ReadingTime,
	}
	if post.Title == "" {
		return Post{}, errors.New("the front matter has no title")
	}
	if err := post.setStatus(meta); err != nil {
		return Post{}, err
	}
	if post.ReadingTime <= 0 {
		post.ReadingTime = max(1, len(bytes.Fields(body))/wordsPerMinute)
	}
	var html bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(body, &html); err != nil {
		return Post{}, fmt.Errorf("rendering the Markdown: %w", err)
	}
	post.HTML = template.HTML(html.String()) //nolint:gosec // our own posts, and goldmark leaves raw HTML out
	return post, nil
}

func (p *Post) setStatus(meta frontMatter) error {
	switch meta.Status {
	case "published":
		p.Published = true
	case "draft", "":
	default:
		return fmt.Errorf("status is %q: use draft or published", meta.Status)
	}
	if meta.PublishedAt == "" {
		if p.Published {
			return errors.New("a published post needs published_at, such as 2025-11-04")
		}
		return nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, meta.PublishedAt); err == nil {
			p.PublishedAt = at
			return nil
		}
	}
	return fmt.Errorf("published_at is %q: use a date such as 2025-11-04", meta.PublishedAt)
}

// split separates the front matter, between two lines of three dashes, from
// the text.
func split(source []byte) (head, body []byte, err error) {
	source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	rest, found := bytes.CutPrefix(source, []byte("---\n"))
	if !found {
		return nil, nil, errors.New("it does not begin with front matter: the first line must be three dashes")
	}
	head, body, found = bytes.Cut(rest, []byte("\n---\n"))
	if !found {
		return nil, nil, errors.New("the front matter does not end: a line of three dashes is missing")
	}
	return head, body, nil
}
