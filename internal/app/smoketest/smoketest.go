// Package smoketest walks one customer through a running app, from the outside:
// signup, key, first call, second call, and the funnel's record of them. The
// customer is marked as internal, so that no figure ever counts it, and is gone
// afterwards.
package smoketest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// Steps of the walk, in their order; each is the Check of its problem, unless
// the database is away: that is contract.CheckDatabase, and says nothing about
// the app.
const (
	StepSignup     = "Signup"
	StepKey        = "Key"
	StepFirstCall  = "FirstCall"
	StepSecondCall = "SecondCall"
	StepFunnel     = "Funnel"
)

const (
	requestTimeout = 10 * time.Second
	pingTimeout    = 5 * time.Second
	cleanupTimeout = 10 * time.Second
	// funnelTimeout is how long the calls may take into the funnel.
	funnelTimeout = 15 * time.Second
	// tokenLife is how long a token that nobody used stays good.
	tokenLife = 5 * time.Minute

	onboardPath  = "/api/v1/customers/onboard"
	customerPath = "/api/v1/customers/me"
)

// Database is what the test needs of the app's database. Hashes are those of
// app.HashKey, addresses are in lower case.
type Database interface {
	Ping(ctx context.Context) error
	IssueSmokeTestToken(ctx context.Context, hash string, within time.Duration) error
	SmokeTestProgress(ctx context.Context, email string) (app.SmokeTestProgress, error)
	CleanUpSmokeTest(ctx context.Context, emails, hashes []string) error
}

// Options of a test; all but the last two are required.
type Options struct {
	// URL is the app's base URL, without a path.
	URL      *url.URL
	Database Database
	Now      func() time.Time
	// Redact makes an error of the Database fit to be shown.
	Redact func(error) string
	// Done, when set, learns of each step that went well.
	Done func(step string, took time.Duration)
	// Pause between two attempts at what may pass by itself; default 200 ms.
	Pause time.Duration
}

// Result of a test. No key and no token is ever in it.
type Result struct {
	// Problems is empty when the app works. The steps build on each other, so
	// the first that fails is the last.
	Problems []contract.Problem
	// Notes do not speak against the app.
	Notes []string
}

// Run walks the customer through the app until ctx ends, and cleans up
// whatever happened.
func Run(ctx context.Context, o Options) Result {
	if o.Pause <= 0 {
		o.Pause = 200 * time.Millisecond
	}
	w := &walk{o: o, client: &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var result Result
	for _, step := range []struct {
		name string
		run  func(context.Context) *failure
	}{
		{StepSignup, w.signup},
		{StepKey, w.checkKey},
		{StepFirstCall, w.call},
		{StepSecondCall, w.call},
		{StepFunnel, w.funnel},
	} {
		began := o.Now()
		if f := w.insist(ctx, step.run); f != nil {
			result.Problems = []contract.Problem{w.problem(ctx, step.name, f)}
			break
		}
		if o.Done != nil {
			o.Done(step.name, o.Now().Sub(began))
		}
	}
	defer w.client.CloseIdleConnections()
	// A token whose storing was not confirmed ends by itself.
	if !w.began {
		return result
	}
	if err := w.cleanUp(ctx); err != nil {
		result.Notes = append(result.Notes, "the smoke test's customer could not be removed (it is internal; "+
			"the next smoke test removes it): "+o.Redact(err))
	}
	return result
}

// walk is one test.
type walk struct {
	o      Options
	client *http.Client
	// emails and hashes are all that attempts may have left in the database.
	emails, hashes []string
	// began says that a token was stored.
	began bool
	// email, key and customer are those of the attempt that went well.
	email, key string
	customer   int64
}

// failure is why an attempt failed.
type failure struct {
	text string
	// passing: it may be otherwise in a moment.
	passing bool
	// away: it was the database that did not answer.
	away bool
}

func failed(format string, args ...any) *failure { return &failure{text: fmt.Sprintf(format, args...)} }

// insist repeats a step as long as its failure may pass and there is time.
func (w *walk) insist(ctx context.Context, step func(context.Context) *failure) *failure {
	var last *failure
	for {
		f := step(ctx)
		switch {
		case f == nil:
			return nil
		case ctx.Err() != nil && last != nil:
			// What the end of the time did to the last attempt says nothing.
			return last.until("until the time was up")
		case ctx.Err() != nil:
			return f.until("as the time was up")
		case !f.passing:
			return f
		}
		last = f
		select {
		case <-ctx.Done():
			return last.until("until the time was up")
		case <-time.After(w.o.Pause):
		}
	}
}

func (f *failure) until(end string) *failure {
	return &failure{text: f.text + ", " + end, passing: f.passing, away: f.away}
}

// problem names the database instead of the step when it is the database that
// is away: what an app answers meanwhile does not tell whether it works.
func (w *walk) problem(ctx context.Context, step string, f *failure) contract.Problem {
	if f.away {
		return contract.Problem{Check: contract.CheckDatabase, Message: f.text}
	}
	if f.passing {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		if err := w.o.Database.Ping(ctx); err != nil {
			return contract.Problem{Check: contract.CheckDatabase, Message: w.o.Redact(err) + " (" + step + ": " + f.text + ")"}
		}
	}
	return contract.Problem{Check: step, Message: f.text}
}

// signup makes a customer of its own in each attempt: the answer to an earlier
// one may have been lost.
func (w *walk) signup(ctx context.Context) *failure {
	token, email := rand.Text(), "smoke-test+"+strings.ToLower(rand.Text())+"@smoke-test.invalid"
	hash := app.HashKey(token)
	w.hashes, w.emails = append(w.hashes, hash), append(w.emails, email)
	if err := w.o.Database.IssueSmokeTestToken(ctx, hash, tokenLife); err != nil {
		return w.database("the smoke test's token cannot be stored", err)
	}
	w.began = true
	var answer struct {
		APIKey   string `json:"api_key"`
		Customer struct {
			ID int64 `json:"id"`
		} `json:"customer"`
	}
	body := map[string]string{"name": "Smoke test", "email": email, "source": app.SmokeTestSource}
	headers := http.Header{app.SmokeTestHeader: {token}}
	if f := w.request(ctx, http.MethodPost, onboardPath, body, headers, http.StatusCreated, &answer); f != nil {
		return f
	}
	w.email, w.key, w.customer = email, answer.APIKey, answer.Customer.ID
	return nil
}

// checkKey holds the signup to its answer and to the database.
func (w *walk) checkKey(ctx context.Context) *failure {
	if !strings.HasPrefix(w.key, "rsolv_") || len(w.key) < 40 || w.customer <= 0 {
		return failed("POST %s answered 201 without a usable customer.id and api_key", onboardPath)
	}
	progress, err := w.o.Database.SmokeTestProgress(ctx, w.email)
	switch {
	case app.CodeOf(err) == app.CodeNotFound:
		return failed("POST %s answered 201, but the customer is not in the database that %s names: "+
			"the app and the smoke test use different ones", onboardPath, contract.EnvDatabaseURL)
	case err != nil:
		return w.database("the smoke test's customer cannot be read", err)
	case !progress.Internal:
		return failed("POST %s did not mark the customer as a smoke test's, so that the funnel would count it: "+
			"something between here and the app removes the header %s, or the app is older than the smoke test",
			onboardPath, app.SmokeTestHeader)
	default:
		return nil
	}
}

func (w *walk) call(ctx context.Context) *failure {
	var answer struct {
		ID int64 `json:"id"`
	}
	headers := http.Header{"X-Api-Key": {w.key}}
	if f := w.request(ctx, http.MethodGet, customerPath, nil, headers, http.StatusOK, &answer); f != nil {
		return f
	}
	if answer.ID != w.customer {
		return failed("GET %s answered 200 with another customer than the key's", customerPath)
	}
	return nil
}

// funnel waits until both calls have arrived where the funnel is counted.
func (w *walk) funnel(ctx context.Context) *failure {
	ctx, cancel := context.WithTimeout(ctx, funnelTimeout)
	defer cancel()
	return w.insist(ctx, func(ctx context.Context) *failure {
		progress, err := w.o.Database.SmokeTestProgress(ctx, w.email)
		if err != nil {
			return w.database("the smoke test's journey cannot be read", err)
		}
		if missing := missingStages(progress); missing != "" {
			return &failure{text: "the calls were answered, but the funnel does not know of " + missing, passing: true}
		}
		return nil
	})
}

func missingStages(p app.SmokeTestProgress) string {
	var missing []string
	for _, stage := range []struct {
		reached bool
		name    string
	}{{p.SignedUp, "the signup"}, {p.HasKey, "the key"}, {p.Activated, "the first call"}, {p.Retained, "the second call"}} {
		if !stage.reached {
			missing = append(missing, stage.name)
		}
	}
	return strings.Join(missing, ", ")
}

func (w *walk) database(what string, err error) *failure {
	away := app.CodeOf(err) == app.CodeUnavailable
	return &failure{text: what + ": " + w.o.Redact(err), passing: away, away: away}
}

// cleanUp does not depend on the time that is left.
func (w *walk) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	for {
		err := w.o.Database.CleanUpSmokeTest(ctx, w.emails, w.hashes)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(w.o.Pause):
		}
	}
}
