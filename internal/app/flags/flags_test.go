package flags

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// journal is a log that tests read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

func file(flags ...string) []byte { return []byte(`{"flags":{` + strings.Join(flags, ",") + "}}\n") }

func boolean(key, variant string) string {
	return fmt.Sprintf(`%q:{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":%q}`, key, variant)
}

// mount is a directory that changes the way the kubelet changes a mounted
// ConfigMap.
type mount struct {
	tb  testing.TB
	dir string
	n   int
}

func (m *mount) publish(content []byte) {
	m.tb.Helper()
	m.n++
	version := fmt.Sprintf("..2026_%d", m.n)
	must(m.tb, os.MkdirAll(filepath.Join(m.dir, version), 0o755))
	must(m.tb, os.WriteFile(filepath.Join(m.dir, version, contract.FlagsFile), content, 0o600))
	must(m.tb, os.Symlink(version, filepath.Join(m.dir, "..data_tmp")))
	must(m.tb, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
	if m.n == 1 {
		must(m.tb, os.Symlink("..data/"+contract.FlagsFile, filepath.Join(m.dir, contract.FlagsFile)))
		return
	}
	must(m.tb, os.RemoveAll(filepath.Join(m.dir, fmt.Sprintf("..2026_%d", m.n-1))))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func eventually(tb testing.TB, what string, check func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
	}
}

func TestAccessorsAnswerFromTheirOwnFlag(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	m.publish(file(boolean("blog", "enabled"), boolean("display_draft_blog_posts", "disabled")))
	log := &journal{}
	s, err := Open(m.dir, log.logger())
	must(t, err)
	if !s.Blog() || s.DisplayDraftBlogPosts() {
		t.Errorf("Blog() = %v, DisplayDraftBlogPosts() = %v; want true, false", s.Blog(), s.DisplayDraftBlogPosts())
	}
	m.publish(file(boolean("blog", "disabled"), boolean("display_draft_blog_posts", "enabled")))
	s.reload()
	if s.Blog() || !s.DisplayDraftBlogPosts() {
		t.Errorf("Blog() = %v, DisplayDraftBlogPosts() = %v; want false, true", s.Blog(), s.DisplayDraftBlogPosts())
	}
	if n := log.count("gives no value"); n != 0 {
		t.Errorf("%d warnings about flags that the file holds", n)
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	on, seen := 0, map[string]bool{}
	for _, known := range Catalogue() {
		if !flagd.ValidKey(known.Key) || known.Description == "" || seen[known.Key] {
			t.Errorf("bad or repeated entry %+v", known)
		}
		seen[known.Key] = true
		if known.Default {
			on++
		}
	}
	if len(seen) != 22 || on != 6 {
		t.Errorf("%d flags, %d on by default; want 22 and 6", len(seen), on)
	}
}

func TestDefaultsNeedNoFile(t *testing.T) {
	t.Parallel()
	log := &journal{}
	s := Defaults(log.logger())
	if s.Blog() || s.DisplayDraftBlogPosts() {
		t.Error("the blog is on by default")
	}
	if diff := cmp.Diff(contract.FlagsStatus{}, s.Status()); diff != "" {
		t.Error(diff)
	}
	if log.text.Len() > 0 {
		t.Errorf("defaults logged something: %s", log.text.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, s.Run(ctx))
}

func TestOpenWithoutADirectoryFails(t *testing.T) {
	t.Parallel()
	if _, err := Open("", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), contract.EnvFlagsDir) {
		t.Errorf("error %v does not name %s", err, contract.EnvFlagsDir)
	}
}

func TestBadFileAtStartMeansDefaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content []byte
		problem string
	}{
		"missing":         {nil, "there is no file flags.json in "},
		"cut off":         {file(boolean("blog", "enabled"))[:40], "no valid JSON"},
		"unknown default": {file(boolean("blog", "maybe")), `flag "blog": defaultVariant "maybe" is not a variant; use one of: disabled, enabled`},
		"too large":       {bytes.Repeat([]byte(" "), flagd.MaxFileBytes+1), "at most 1048576 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.content != nil {
				must(t, os.WriteFile(filepath.Join(dir, contract.FlagsFile), test.content, 0o600))
			}
			s, err := Open(dir, slog.New(slog.DiscardHandler))
			must(t, err)
			if s.Blog() {
				t.Error("the blog is on")
			}
			status := s.Status()
			if !strings.Contains(status.Error, test.problem) || status.Digest != "" || status.Flags != 0 {
				t.Errorf("status %+v; want an error with %q and no digest", status, test.problem)
			}
		})
	}
}

func TestAFileOutsideTheDirectoryIsNotRead(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), contract.FlagsFile)
	must(t, os.WriteFile(elsewhere, file(boolean("blog", "enabled")), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, contract.FlagsFile)))
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	must(t, err)
	if s.Blog() || s.Status().Error == "" {
		t.Errorf("followed a link out of the directory: %+v", s.Status())
	}
}

func TestAbsentFlagFallsBackAndWarnsOncePerFile(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	m.publish(file(boolean("blog_enabled", "enabled")))
	log := &journal{}
	s, err := Open(m.dir, log.logger())
	must(t, err)
	for range 3 {
		if s.Blog() {
			t.Error("blog answers from a flag of another name")
		}
	}
	if n := log.count(`"flag":"blog","default":false,"reason":"FLAG_NOT_FOUND"`); n != 1 {
		t.Errorf("%d warnings after three questions, want 1", n)
	}
	m.publish(file(`"blog":{"state":"ENABLED","variants":{"a":"yes"},"defaultVariant":"a"}`))
	s.reload()
	for range 3 {
		s.Blog()
	}
	if n := log.count(`"flag":"blog","default":false,"reason":"TYPE_MISMATCH"`); n != 1 {
		t.Errorf("%d warnings after three questions to the second file, want 1", n)
	}
	if n := log.count("display_draft_blog_posts"); n != 0 {
		t.Errorf("%d warnings about a flag that nobody asked for", n)
	}
}

func TestQuestionsDuringSwaps(t *testing.T) {
	t.Parallel()
	m := &mount{tb: t, dir: t.TempDir()}
	m.publish(file(boolean("blog", "enabled"), boolean("display_draft_blog_posts", "enabled")))
	s, err := Open(m.dir, slog.New(slog.DiscardHandler))
	must(t, err)
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Blog()
					s.DisplayDraftBlogPosts()
					s.Status()
				}
			}
		})
	}
	for i := range 50 {
		m.publish(file(boolean("blog", []string{"enabled", "disabled"}[i%2])))
		s.reload()
	}
	close(stop)
	askers.Wait()
	if s.Blog() {
		t.Error("the last file does not apply")
	}
}

func BenchmarkBlog(b *testing.B) {
	m := &mount{tb: b, dir: b.TempDir()}
	m.publish(file(boolean("blog", "enabled")))
	s, err := Open(m.dir, slog.New(slog.DiscardHandler))
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Blog() {
			b.Fatal("off")
		}
	}
}
