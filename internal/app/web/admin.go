package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// AdminDeps is what the admin listener needs; all of it is required.
type AdminDeps struct {
	// Ready says why the app is not to get requests now; nil when it is.
	Ready       func() error
	Metrics     http.Handler
	FlagsStatus func() contract.FlagsStatus
	// Warnings are what readiness says beside ok: what is missing, and is no
	// reason to take requests away.
	Warnings []string
	// FlagsUsage and FlagsContexts tell what flags were asked for, and about
	// whom.
	FlagsUsage    func() contract.FlagsUsage
	FlagsContexts func() contract.FlagsSample
}

// NewAdmin returns the handler of the admin listener, which is for the cluster
// and never public. Nothing on it asks the database.
func NewAdmin(d AdminDeps) (http.Handler, error) {
	if d.Ready == nil || d.Metrics == nil || d.FlagsStatus == nil || d.FlagsUsage == nil || d.FlagsContexts == nil {
		return nil, errors.New("web.NewAdmin: a required dependency is missing")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+contract.LivePath, func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET "+contract.ReadyPath, func(w http.ResponseWriter, _ *http.Request) {
		if err := d.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		writeText(w, http.StatusOK, strings.Join(append([]string{"ok"}, d.Warnings...), "\nwarning: ")+"\n")
	})
	mux.HandleFunc("GET "+contract.FlagsStatusPath, answering(d.FlagsStatus))
	mux.HandleFunc("GET "+contract.FlagsUsagePath, answering(d.FlagsUsage))
	mux.HandleFunc("GET "+contract.FlagsContextsPath, answering(d.FlagsContexts))
	mux.Handle("GET "+contract.MetricsPath, d.Metrics)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux, nil
}

// answering answers with what of returns, in JSON.
func answering[T any](of func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(of()) // the client has gone
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client has gone
}
