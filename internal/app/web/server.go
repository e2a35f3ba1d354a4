// Package web is the app's HTTP side: the JSON API, the pages, and the admin
// listener. Handlers decode, make one call into the domain, and encode.
package web

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/billing"
	"github.com/rsolv-dev/rsolv-operator/internal/app/blog"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
	"github.com/rsolv-dev/rsolv-operator/internal/app/ratelimit"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Metrics is what the server counts.
type Metrics interface {
	ObserveHTTP(method, path, controller, action string, status int, took time.Duration)
	// ExpectHTTP has a route among the series before it is asked for.
	ExpectHTTP(method, path, controller, action string)
	// CountLimit counts a request against the limit of an action.
	CountLimit(action string, allowed bool)
	// CountKeyValidation counts a presented key by what became of it.
	CountKeyValidation(outcome string)
	CountEvents(kind app.EventType, outcome app.Outcome, n int)
	// CountOnboarding counts an onboarding by its source; failure is "" when it
	// went well.
	CountOnboarding(source, failure string, took time.Duration)
	CountCredits(reason string, n int)
	// CountRejected counts one event that a collector did not take.
	CountRejected(reason string)
	// ObservePhase counts what a phase of the Action says of itself.
	ObservePhase(result app.PhaseResult)
}

// Evaluator answers for flags by their keys, on behalf of clients of the flag
// evaluation protocol.
type Evaluator interface {
	// Evaluate evaluates one flag.
	Evaluate(key string, context *flagd.Context) flagd.Result
	// EvaluateAll evaluates all flags, in the order of their keys.
	EvaluateAll(context *flagd.Context) []flagd.Result
	// All is EvaluateAll, but counts as no evaluation.
	All(context *flagd.Context) []flagd.Result
	// Status names the flags in use by their digest.
	Status() contract.FlagsStatus
	// Changed returns a channel that is closed when other flags come into use.
	Changed() <-chan struct{}
}

// Deps is what the public listener needs; all of it is required except what
// follows Version.
type Deps struct {
	Log         *slog.Logger
	Now         func() time.Time
	Customers   app.Customers
	Keys        app.Keys
	KeyRing     app.KeyRing
	KeyUse      app.KeyUse
	Limits      ratelimit.Store
	Credentials *credentials.Service
	Billing     *billing.Service
	Accounts    app.Billing
	Registry    app.Registry
	Phases      app.Phases
	Funnel      app.FunnelReader
	Tracker     app.Tracker
	Collector   app.Collector
	Ledger      app.EventLedgerReader
	Flags       app.Flags
	Evaluator   Evaluator
	Metrics     Metrics
	Blog        *blog.Blog
	// DatabaseUp says whether the database answered when it was last asked.
	DatabaseUp func() bool
	Version    string

	// Analysis judges findings and places tests; its routes answer 503 without.
	Analysis *AnalysisDeps
	// RequestsPerMinute limits the authenticated requests of a customer; zero is
	// DefaultRequestsPerMinute.
	RequestsPerMinute int
	// PublicHost is the host in absolute links; the request's when empty.
	PublicHost     string
	TrustedProxies []netip.Prefix
	// CORSOrigins are the origins whose pages may call what browsers call: the
	// evaluation of flags, tracking, and the OpenAPI document.
	CORSOrigins []string
	// PublicFlags are the keys of the flags that may be evaluated without an
	// API key.
	PublicFlags []string
	// Visitors is how the app's own pages tell visitors apart; default daily.
	Visitors app.VisitorMode
	// VisitorID tells visitors apart without a cookie; nil does not. "" when it
	// cannot at the moment.
	VisitorID func(site string, addr netip.Addr, userAgent string) string
	// Stopping is closed when streams are to end because the server will.
	Stopping <-chan struct{}
}

type server struct {
	d      Deps
	api    huma.API
	mux    *http.ServeMux
	keys   *keyCache
	use    keyUse
	pages  map[string]*template.Template
	limits *ratelimit.Limiter
	// named are the operations by method and path.
	named map[string]Route
	// evaluations limits the evaluation protocol.
	evaluations evaluationLimits
	streams     streams
}

// Server is the handler of the public listener, and what runs beside it.
type Server struct {
	http.Handler
	s *server
}

// New returns the handler of the public listener.
func New(d Deps) (*Server, error) {
	s, err := newServer(d)
	if err != nil {
		return nil, err
	}
	return &Server{Handler: s.wrap(s.crossOrigins(s.mux)), s: s}, nil
}

// Run does what belongs to requests and need not be waited for: it stores when
// keys were used, hears which keys changed, and leases slices of rate limits.
// It ends with ctx, after a last store.
func (s *Server) Run(ctx context.Context) { s.s.run(ctx) }

func newServer(d Deps) (*server, error) {
	if d.Log == nil || d.Now == nil || d.Customers == nil || d.Keys == nil || d.KeyRing == nil || d.KeyUse == nil || d.Limits == nil || d.Credentials == nil || d.Billing == nil || d.Accounts == nil || d.Registry == nil || d.Phases == nil || d.Funnel == nil || d.Tracker == nil ||
		d.Collector == nil || d.Ledger == nil ||
		d.Flags == nil || d.Evaluator == nil || d.Metrics == nil || d.Blog == nil || d.DatabaseUp == nil || d.Version == "" {
		return nil, errors.New("web.New: a required dependency is missing")
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	s := &server{d: d, mux: http.NewServeMux(), keys: newKeyCache(d.Keys, d.Now), pages: pages}
	s.limits = ratelimit.New(d.Limits, d.Now, func(err error) {
		d.Log.Warn("rate limits are each process's own at the moment", "error", err)
	})
	s.api = humago.New(s.mux, apiConfig(d.Version))
	s.routes()
	s.nameRoutes()
	home := newRoute(http.MethodGet, "/")
	d.Metrics.ExpectHTTP(home.Method, home.Path, home.Controller, home.Action)
	return s, nil
}

// routes is every route of the public listener.
func (s *server) routes() {
	s.registerOnboard()
	s.registerCustomer()
	s.registerKeys()
	s.registerCredentials()
	s.registerBilling()
	s.registerHelpers()
	s.registerAdmin()
	s.registerPrivacy()
	s.mux.HandleFunc("GET /verify", s.verifyPage)
	s.mux.HandleFunc("POST /verify", s.verify)
	s.registerFunnel()
	s.registerLedger()
	s.registerCollectors()
	s.registerHealth()
	s.registerFlags()
	s.registerValidate()
	s.registerTestIntegration()
	s.mux.HandleFunc("GET /{$}", s.home)
	s.mux.HandleFunc("GET /blog", s.blogIndex)
	s.mux.HandleFunc("GET /blog/{slug}", s.blogPost)
	s.mux.HandleFunc("GET /blog/rss.xml", s.blogRSS)
	s.mux.HandleFunc("GET /static/style.css", serveStyle)
	s.mux.HandleFunc("GET /static/icon.svg", serveIcon)
	s.mux.HandleFunc("GET /static/track.js", serveScript)
	s.registerDocs()
	s.registerPages()
	s.mux.HandleFunc("/", s.notFound)
}

func apiConfig(version string) huma.Config {
	config := huma.DefaultConfig("RSOLV API", version)
	config.OpenAPIPath = "/api/openapi"
	config.DocsPath = "" // the page would load scripts from elsewhere
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema members in bodies
	config.Info.Description = "Errors are problem details (RFC 9457) with the members error, code and requestId."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"apiKey": {Type: "apiKey", In: "header", Name: "x-api-key"},
		"bearer": {Type: "http", Scheme: "bearer"},
	}
	return config
}

// register adds an operation whose handler returns errors of the domain.
func register[I, O any](s *server, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			s.logUnexpected(ctx, err)
			return nil, newProblem(ctx, err)
		}
		return out, nil
	})
}

// NewHTTPServer returns a server with the time-outs of the public listener.
func NewHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
