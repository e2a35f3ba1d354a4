package web

import (
	"net/http"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// verifyData is the page behind a link that confirms an address.
type verifyData struct {
	Token   string
	Done    bool
	Problem string
}

// verifyPage asks for a click: programs that look at mail follow links too.
func (s *server) verifyPage(w http.ResponseWriter, r *http.Request) {
	s.renderVerify(w, r, http.StatusOK, verifyData{Token: r.URL.Query().Get("token")})
}

const maxForm = 4 << 10

// verify confirms the address.
func (s *server) verify(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.renderVerify(w, r, http.StatusBadRequest, verifyData{Problem: "The form could not be read."})
		return
	}
	err := s.d.Registry.Verify(r.Context(), app.HashKey(r.PostForm.Get("token")), s.d.Now())
	switch app.CodeOf(err) {
	case "":
		s.renderVerify(w, r, http.StatusOK, verifyData{Done: true})
	case app.CodeNotFound:
		s.renderVerify(w, r, http.StatusNotFound, verifyData{Problem: "This link is used or expired. Ask for another with your API key."})
	default:
		s.logUnexpected(r.Context(), err)
		s.renderVerify(w, r, http.StatusServiceUnavailable, verifyData{Problem: "That did not work at the moment. Please try again in a minute."})
	}
}

func (s *server) renderVerify(w http.ResponseWriter, r *http.Request, status int, data verifyData) {
	w.Header().Set("Cache-Control", "no-store")
	s.render(w, r, status, "verify", page{Title: "Confirm your address", Data: data})
}
