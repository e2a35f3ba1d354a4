package web

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

// patience bounds what a browser may take on a machine that is busy.
const browserPatience = 3 * time.Minute

// tab is a tab of a real browser, which hears of everything that goes wrong.
type tab struct {
	t      *testing.T
	ctx    context.Context
	site   *site
	mu     sync.Mutex
	faults []string
}

// newTab opens a tab whose requests have to stay with the site.
func newTab(t *testing.T, s *site) *tab {
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs a browser: hack/deps.sh chromium installs it on Debian")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserAgent(browser),
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(browserPatience), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), browserPatience)
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	b := &tab{t: t, site: s}
	var closeTab context.CancelFunc
	b.ctx, closeTab = chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx) // waits for the browser's end
		closeTab()
		stop()
		cancel()
	})
	if err := chromedp.Listen(b.ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) hear(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		if slices.Contains([]string{"error", "warning", "assert"}, string(e.Type)) {
			fault = fmt.Sprintf("console: %v", e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			fault = "log: " + e.Entry.Text + " " + e.Entry.URL
		}
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.site.url+"/") && !strings.HasPrefix(url, "data:") {
			fault = "request to elsewhere: " + url
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func read[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// look takes a picture of the whole page, and fails on what went wrong since
// the last one. go test -artifacts keeps the pictures.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, size := range []struct {
		suffix string
		width  int64
	}{{"", 1280}, {"-phone", 390}} {
		b.do(chromedp.EmulateViewport(size.width, 844))
		picture := read(b, chromedp.FullScreenshot(100))
		if read(b, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > document.documentElement.clientWidth")) {
			b.t.Errorf("%s%s: the page is wider than its window", name, size.suffix)
		}
		if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+size.suffix+".png"), picture, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		b.t.Errorf("%s: %s", name, fault)
	}
	b.faults = nil
}

// The pages in a real browser: they look like something, ask nobody else for
// anything, and bring a visitor with the campaign to a key that works.
func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	s.flags.blog.Store(true)
	b := newTab(t, s)
	for _, page := range []struct{ name, path, see string }{
		{"pricing", "/pricing", ".plans"},
		{"docs", "/docs", "main ol"},
		{"api-docs", "/api/docs", "#exchange"},
		{"blog", "/blog", ".posts"},
		{"post", "/blog/a-failing-test-is-a-proof", "article.post"},
		{"verify", "/verify?token=x", "form"},
		{"billing-done", "/billing/done", "h1"},
	} {
		b.do(chromedp.Navigate(s.url+page.path), chromedp.WaitVisible(chromedp.CSS(page.see)))
		b.look(page.name)
	}
	b.do(chromedp.Navigate(s.url+"/api/docs#exchange"), chromedp.WaitVisible(chromedp.CSS("#exchange summary")),
		chromedp.Click(chromedp.CSS("#exchange summary")), chromedp.WaitVisible(chromedp.CSS("#exchange table")))
	b.look("api-docs-open")
}

// From an advertisement, over the pages, to an account.
func TestSignupInChromium(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.URL(t)
	s := newSite(t, databaseURL, nil)
	b := newTab(t, s)
	b.do(chromedp.Navigate(s.url+"/?utm_source=hn&utm_campaign=launch"), chromedp.WaitVisible(chromedp.CSS("h1")))
	b.look("home")
	b.do(chromedp.Click(chromedp.CSS(`main a[href^="/signup"]`)), chromedp.WaitVisible(chromedp.CSS("#email")))
	b.look("signup")
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), "Kiln <Ltd>"), chromedp.SendKeys(chromedp.CSS("#email"), "ops@mailinator.com"),
		chromedp.Submit(chromedp.CSS("form")), chromedp.WaitVisible(chromedp.CSS("form .problem")))
	// A form that is sent back has the status 422, which the browser logs.
	b.mu.Lock()
	b.faults = slices.DeleteFunc(b.faults, func(f string) bool { return strings.Contains(f, "status of 422") })
	b.mu.Unlock()
	b.look("signup-problem")
	name := read(b, chromedp.Value(chromedp.CSS("#name")))
	b.do(chromedp.SetValue(chromedp.CSS("#email"), "ops@kiln.example"),
		chromedp.Submit(chromedp.CSS("form")), chromedp.WaitVisible(chromedp.CSS("#api-key")))
	key := read(b, chromedp.Text(chromedp.CSS("#api-key")))
	b.look("signup-done")
	if name != "Kiln <Ltd>" {
		t.Errorf("the form came back with the name %q", name)
	}
	if !regexp.MustCompile(`^rsolv_[A-Za-z0-9_-]{43}$`).MatchString(key) || !s.works(key) {
		t.Errorf("the page shows %q, which is no key that works", key)
	}
	const query = "SELECT concat_ws(' ', utm_source, utm_campaign) FROM customer_journeys"
	if got := s.text(databaseURL, query); got != "hn launch" {
		t.Errorf("the journey began with %q", got)
	}
	if a := s.do(http.DefaultClient, http.MethodGet, "/api/v1/customers/me", "", "X-Api-Key", key); !strings.Contains(a.body, "ops@kiln.example") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
