package blog_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/content"
	"github.com/rsolv-dev/rsolv-operator/internal/app/blog"
)

func slugs(posts []blog.Post) []string {
	var names []string
	for _, p := range posts {
		names = append(names, p.Slug)
	}
	return names
}

func TestLoad(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"old.md":         "---\ntitle: Old\nstatus: published\npublished_at: 2025-01-02\n---\n# Hi\n<script>alert(1)</script>\n",
		"new.md":         "---\ntitle: New\nstatus: published\npublished_at: 2025-03-04T10:00:00Z\nreading_time: 9\ntags: [a, b]\n---\ntext\n",
		"draft.md":       "---\ntitle: Draft\n---\n" + strings.Repeat("word ", 650),
		"no-title.md":    "---\nstatus: published\npublished_at: 2025-01-02\n---\n",
		"no-date.md":     "---\ntitle: X\nstatus: published\n---\n",
		"bad-date.md":    "---\ntitle: X\npublished_at: tomorrow\n---\n",
		"status.md":      "---\ntitle: X\nstatus: live\n---\n",
		"no-front.md":    "just text",
		"open.md":        "---\ntitle: X\n",
		"unknown.md":     "---\ntitle: X\npublised_at: 2025-01-02\n---\n",
		"Bad_Slug.md":    "---\ntitle: X\n---\n",
		"not-a-post.txt": "",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	var log bytes.Buffer
	b, err := blog.Load(files, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new", "old"}, slugs(b.Posts(false))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"draft", "new", "old"}, slugs(b.Posts(true))); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "left out"); n != 8 {
		t.Errorf("%d broken posts are logged, want 8:\n%s", n, log.String())
	}
	old, found := b.Post("old", false)
	if !found || !strings.Contains(string(old.HTML), "<h1>Hi</h1>") || strings.Contains(string(old.HTML), "<script>") {
		t.Errorf("old is %q", old.HTML)
	}
	if _, found := b.Post("draft", false); found {
		t.Error("a draft is public")
	}
	if draft, found := b.Post("draft", true); !found || draft.ReadingTime != 3 {
		t.Errorf("draft takes %d minutes to read, want 3", draft.ReadingTime)
	}
	if p, _ := b.Post("new", false); p.ReadingTime != 9 || len(p.Tags) != 2 {
		t.Errorf("new is %+v", p)
	}
}

func TestOurOwnPosts(t *testing.T) {
	t.Parallel()
	folder, err := fs.Sub(content.Files, "blog")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b, err := blog.Load(folder, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || log.Len() > 0 {
		t.Fatal(err, log.String())
	}
	want := []string{"tests-that-outlive-the-fix", "false-positives-are-a-cost", "a-failing-test-is-a-proof"}
	if diff := cmp.Diff(want, slugs(b.Posts(true))); diff != "" {
		t.Error(diff)
	}
	if published := b.Posts(false); len(published) != 2 {
		t.Errorf("published are %v", slugs(published))
	}
}
