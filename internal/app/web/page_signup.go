package web

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// campaignFields are what an advertisement puts into the address of a page, and
// the form of the signup takes along.
var campaignFields = []string{"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"}

// signupData is the page of the signup, before and after.
type signupData struct {
	Name, Email string
	// Campaign is what came with the address, for the form to send back.
	Campaign map[string]string
	Fields   map[string]string
	Problem  string
	APIKey   string
}

// pricingData is what the page of prices tells, from the constants that charge.
type pricingData struct{ Trial, Pro, ProDollars, PerFixDollars, OverageDollars int }

func (s *server) registerPages() {
	s.mux.HandleFunc("GET /signup", s.signupPage)
	// A form of another site must not make accounts with a visitor's browser.
	s.mux.Handle("POST /signup", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.signup)))
	s.mux.HandleFunc("GET /pricing", s.pricingPage)
	s.mux.HandleFunc("GET /docs", s.startPage)
	s.mux.HandleFunc("GET /billing/done", s.billingDone)
	s.mux.HandleFunc("GET /sitemap.xml", s.sitemap)
}

func (s *server) signupPage(w http.ResponseWriter, r *http.Request) {
	s.trackView(w, r)
	s.renderSignup(w, r, http.StatusOK, signupData{Campaign: campaignOf(r.URL.Query())})
}

func campaignOf(values url.Values) map[string]string {
	campaign := map[string]string{}
	for _, name := range campaignFields {
		if value := values.Get(name); value != "" {
			campaign[name] = app.Clip(value, 100)
		}
	}
	return campaign
}

func (s *server) renderSignup(w http.ResponseWriter, r *http.Request, status int, data signupData) {
	w.Header().Set("Cache-Control", "no-store")
	s.render(w, r, status, "signup", page{Title: "Sign up", Description: "An account and an API key, in one step.", Data: data})
}

// signup is onboarding by a form.
func (s *server) signup(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.renderSignup(w, r, http.StatusBadRequest, signupData{Problem: "The form could not be read."})
		return
	}
	form := r.PostForm
	in := &onboardInput{}
	in.Body.Name, in.Body.Email, in.Body.Source = form.Get("name"), form.Get("email"), "web"
	in.Body.UTMSource, in.Body.UTMMedium, in.Body.UTMCampaign = form.Get("utm_source"), form.Get("utm_medium"), form.Get("utm_campaign")
	in.Body.UTMTerm, in.Body.UTMContent = form.Get("utm_term"), form.Get("utm_content")
	in.Body.VisitorID = form.Get("visitor_id")
	i := infoOf(r.Context())
	i.touch, i.address = s.touch(r), limitedAddress(s.clientAddr(r))
	began := s.d.Now()
	out, err := s.onboard(r.Context(), in)
	s.d.Metrics.CountOnboarding("web", onboardingFailure(err), s.d.Now().Sub(began))
	data := signupData{Name: in.Body.Name, Email: in.Body.Email, Campaign: campaignOf(form)}
	if err != nil {
		s.logUnexpected(r.Context(), err)
		p := newProblem(r.Context(), err)
		data.Problem, data.Fields = p.Detail, map[string]string{}
		if known, ok := errors.AsType[*app.Error](err); ok && len(known.Fields) > 0 {
			data.Problem = ""
			for _, f := range known.Fields {
				data.Fields[f.Field] = f.Message
			}
		}
		s.renderSignup(w, r, p.Status, data)
		return
	}
	data.APIKey = out.Body.APIKey
	s.renderSignup(w, r, http.StatusCreated, data)
}

func (s *server) pricingPage(w http.ResponseWriter, r *http.Request) {
	s.trackView(w, r)
	s.render(w, r, http.StatusOK, "pricing", page{Title: "Pricing", Description: "Start with five fixes; pay by fix, or by month.", Data: pricingData{
		Trial: app.SignupCredits, Pro: app.ProMonthlyCredits, ProDollars: app.ProMonthlyCents / 100,
		PerFixDollars: app.PayAsYouGoCents / 100, OverageDollars: app.ProOverageCents / 100,
	}})
}

func (s *server) startPage(w http.ResponseWriter, r *http.Request) {
	s.trackView(w, r)
	s.render(w, r, http.StatusOK, "start", page{Title: "Getting started", Description: "From an API key to the first proof."})
}

func (s *server) billingDone(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "billing_done", page{Title: "Thank you"})
}

// origin is the address of the site, as clients write it.
func (s *server) origin(r *http.Request) string {
	if s.d.PublicHost != "" {
		return "https://" + s.d.PublicHost
	}
	scheme := "http"
	if s.secure(r) {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

type urlSet struct {
	XMLName xml.Name  `xml:"urlset"`
	Space   string    `xml:"xmlns,attr"`
	URLs    []siteURL `xml:"url"`
}

type siteURL struct {
	Location string `xml:"loc"`
	Modified string `xml:"lastmod,omitempty"`
}

// sitemap lists the pages, and the published posts while the blog is on.
func (s *server) sitemap(w http.ResponseWriter, r *http.Request) {
	origin := s.origin(r)
	set := urlSet{Space: "http://www.sitemaps.org/schemas/sitemap/0.9"}
	for _, path := range []string{"/", "/pricing", "/docs", "/api/docs", "/signup"} {
		set.URLs = append(set.URLs, siteURL{Location: origin + path})
	}
	if s.d.Flags.Blog() {
		set.URLs = append(set.URLs, siteURL{Location: origin + "/blog"})
		for _, post := range s.d.Blog.Posts(false) {
			set.URLs = append(set.URLs, siteURL{Location: origin + "/blog/" + post.Slug, Modified: post.PublishedAt.Format(time.DateOnly)})
		}
	}
	body, err := xml.MarshalIndent(set, "", "  ")
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	_, _ = w.Write(append([]byte(xml.Header), body...)) // the client has gone
}
