package web

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// actionEvaluate is how the limit of evaluations is called in metrics.
const actionEvaluate = "flag_evaluation"

// How many evaluations a caller may ask for in a second, and at once; fetching
// all flags is one. A backend asks for each request of its own, a page once.
// The limit is that of one process and asks no database: flags are answered
// while that is away.
const (
	keyedPerSecond, keyedAtOnce   = 200, 400
	publicPerSecond, publicAtOnce = 20, 100
)

// callersLimit bounds the callers that are told apart.
const callersLimit = 10_000

// evaluationLimits holds callers to their rates. The zero value is ready for
// use.
type evaluationLimits struct {
	mu      sync.Mutex
	callers map[string]*evaluationCaller
}

type evaluationCaller struct {
	bucket *rate.Limiter
	last   time.Time
}

// take allows an evaluation, or says how long to wait for the next.
func (l *evaluationLimits) take(caller string, public bool, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.callers[caller]
	if c == nil {
		l.makeRoom(now)
		c = &evaluationCaller{bucket: rate.NewLimiter(keyedPerSecond, keyedAtOnce)}
		if public {
			c.bucket = rate.NewLimiter(publicPerSecond, publicAtOnce)
		}
		l.callers[caller] = c
	}
	c.last = now
	reservation := c.bucket.ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// makeRoom forgets callers whose allowance is full again anyway, and all of
// them when that is not enough.
func (l *evaluationLimits) makeRoom(now time.Time) {
	if l.callers == nil {
		l.callers = map[string]*evaluationCaller{}
	}
	if len(l.callers) < callersLimit {
		return
	}
	for name, c := range l.callers {
		if now.Sub(c.last) > publicAtOnce/publicPerSecond*time.Second {
			delete(l.callers, name)
		}
	}
	if len(l.callers) >= callersLimit {
		clear(l.callers)
	}
}

// limitEvaluations refuses a caller that asks too often.
func (s *server) limitEvaluations(r *http.Request, customer int64, public bool) error {
	caller := strconv.FormatInt(customer, 10)
	if public {
		caller = s.clientAddr(r).String()
	}
	wait := s.evaluations.take(caller, public, s.d.Now())
	s.d.Metrics.CountLimit(actionEvaluate, wait == 0)
	if wait == 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	return &ofrepError{
		status: http.StatusTooManyRequests, code: string(flagd.General), retry: seconds,
		details: fmt.Sprintf("too many evaluations; come back in %d s, or fetch all flags at once and listen for changes", seconds),
	}
}
