package web

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/blog"
)

func (s *server) blogIndex(w http.ResponseWriter, r *http.Request) {
	if !s.d.Flags.Blog() {
		s.pageNotFound(w, r)
		return
	}
	s.trackView(w, r)
	s.render(w, r, http.StatusOK, "blog_index", page{
		Title: "Blog", Description: "Notes on proving and fixing vulnerabilities.",
		Data: s.d.Blog.Posts(s.d.Flags.DisplayDraftBlogPosts()),
	})
}

func (s *server) blogPost(w http.ResponseWriter, r *http.Request) {
	post, found := s.findPost(r.PathValue("slug"))
	if !found {
		s.pageNotFound(w, r)
		return
	}
	s.trackView(w, r)
	s.render(w, r, http.StatusOK, "blog_post", page{Title: post.Title, Description: post.Excerpt, Data: post})
}

func (s *server) findPost(slug string) (blog.Post, bool) {
	if !s.d.Flags.Blog() {
		return blog.Post{}, false
	}
	return s.d.Blog.Post(slug, s.d.Flags.DisplayDraftBlogPosts())
}

type rss struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string    `xml:"title"`
	Link        string    `xml:"link"`
	Description string    `xml:"description"`
	Language    string    `xml:"language"`
	Items       []rssItem `xml:"item"`
}

type rssItem struct {
	Title       string   `xml:"title"`
	Link        string   `xml:"link"`
	GUID        string   `xml:"guid"`
	PubDate     string   `xml:"pubDate"`
	Description string   `xml:"description"`
	Categories  []string `xml:"category"`
}

// blogRSS lists published posts only, whatever the flags say about drafts.
func (s *server) blogRSS(w http.ResponseWriter, r *http.Request) {
	if !s.d.Flags.Blog() {
		s.pageNotFound(w, r)
		return
	}
	base := s.baseURL(r)
	feed := rss{Version: "2.0", Channel: rssChannel{
		Title: "RSOLV blog", Link: base + "/blog", Language: "en",
		Description: "Notes on proving and fixing vulnerabilities.",
	}}
	for _, post := range s.d.Blog.Posts(false) {
		link := base + "/blog/" + post.Slug
		feed.Channel.Items = append(feed.Channel.Items, rssItem{
			Title: post.Title, Link: link, GUID: link, PubDate: post.PublishedAt.Format(time.RFC1123Z),
			Description: post.Excerpt, Categories: post.Tags,
		})
	}
	body, err := xml.MarshalIndent(feed, "", "  ")
	if err != nil {
		err = fmt.Errorf("encoding the feed: %w", err)
		s.logUnexpected(r.Context(), err)
		writeProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
	_, _ = w.Write(append([]byte(xml.Header), body...)) // the client has gone
}

func (s *server) baseURL(r *http.Request) string {
	switch {
	case s.d.PublicHost != "":
		return "https://" + s.d.PublicHost
	case s.secure(r):
		return "https://" + r.Host
	default:
		return "http://" + r.Host
	}
}
