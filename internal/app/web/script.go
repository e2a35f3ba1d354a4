package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

//go:embed static/track.js
var trackScript []byte

var (
	trackVersion = func() string {
		sum := sha256.Sum256(trackScript)
		return hex.EncodeToString(sum[:8])
	}()
	trackPacked = func() []byte {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that exists
		_, _ = w.Write(trackScript)                           // to memory
		_ = w.Close()
		return b.Bytes()
	}()
)

const scriptPath = "/static/track.js"

// script is how a page includes the script.
type script struct {
	// Path names the version, so that browsers may keep it for good.
	Path, Site string
	// Local makes the script keep an id; Seen tells it that this view has been
	// counted.
	Local, Seen bool
}

func (s *server) script(r *http.Request) *script {
	i := infoOf(r.Context())
	if !i.view {
		return nil
	}
	return &script{
		Path: scriptPath + "?v=" + trackVersion, Site: s.siteName(r), Local: s.d.Visitors == app.VisitorsLocal, Seen: i.counted,
	}
}

// serveScript serves the script, to pages of any site. Under its version it is
// kept for a year, else for a day.
func serveScript(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age=86400, stale-while-revalidate=604800")
	if r.URL.Query().Get("v") == trackVersion {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	tag, body := `"`+trackVersion+`"`, trackScript
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		tag, body = `"`+trackVersion+`-gz"`, trackPacked
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body) // the client has gone
}
