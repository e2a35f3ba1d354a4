package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/style.css
var style []byte

//go:embed static/icon.svg
var icon []byte

const pagePolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// page is what every template gets.
type page struct {
	Title       string
	Description string
	// Blog says whether the navigation links to the blog.
	Blog bool
	// Signup is the address of the signup, with the campaign that the page was
	// reached by; Origin that of the site.
	Signup, Origin template.URL
	// Script counts views; nil on pages whose views do not count.
	Script *script
	Data   any
}

func parsePages() (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	for _, name := range []string{"home", "blog_index", "blog_post", "docs", "verify", "signup", "pricing", "start", "billing_done", "not_found"} {
		t, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parsing the page %s: %w", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

// render writes a whole page or, when the template fails, an error: never half
// a page.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Blog = s.d.Flags.Blog()
	p.Signup, p.Origin = signupLink(r.URL.Query()), template.URL(s.origin(r)) //nolint:gosec // our own
	p.Script = s.script(r)
	var body bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&body, "layout.html", p); err != nil {
		err = fmt.Errorf("rendering the page %s: %w", name, err)
		s.logUnexpected(r.Context(), err)
		writeProblem(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client has gone
}

func (s *server) home(w http.ResponseWriter, r *http.Request) {
	s.trackView(w, r)
	s.render(w, r, http.StatusOK, "home", page{
		Title: "RSOLV", Description: "RSOLV proves vulnerabilities with failing tests, and fixes them.",
	})
}

// notFound answers whatever no route matches. A path that exists with another
// method is told apart.
func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	if allowed := s.allowed(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, r, &app.Error{
			Code: app.CodeMethod, Message: "This path does not take " + methodLabel(r.Method) + "; it takes " +
				strings.Join(allowed, ", "),
		})
		return
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeProblem(w, r, &app.Error{
			Code: app.CodeNotFound, Message: "There is no such endpoint; /api/openapi.json lists them all",
		})
		return
	}
	s.pageNotFound(w, r)
}

func (s *server) pageNotFound(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusNotFound, "not_found", page{Title: "Not found"})
}

// allowed lists the methods that the request's path would take.
func (s *server) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}

// signupLink is the address of the signup, which takes a campaign along.
func signupLink(query url.Values) template.URL {
	values := url.Values{}
	for name, value := range campaignOf(query) {
		values.Set(name, value)
	}
	if len(values) == 0 {
		return "/signup"
	}
	return template.URL("/signup?" + values.Encode()) //nolint:gosec // it is encoded
}

func serveIcon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(icon) // the client has gone
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(style) // the client has gone
}
