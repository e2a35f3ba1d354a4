// Package jobs runs the app's durable jobs with River. A job is added within
// the transaction that makes it necessary, lies in Postgres, and is tried again
// with growing pauses until it succeeds or its attempts are used up.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	// Schema is where River's tables are.
	Schema = "river"
	// poolSize is how many connections the jobs have, beside the app's.
	poolSize = 4

	jobTimeout = 30 * time.Second
	stopWait   = 10 * time.Second
	startPause = 2 * time.Second
)

// queue is how a kind of job is run.
type queue struct {
	name     string
	attempts int
}

// queues has one for each kind. Pauses between attempts are the fourth power of
// the attempt in seconds: eight attempts take about two and a half hours.
var queues = map[string]queue{
	app.StripeEventJob{}.Kind():    {"webhooks", 8},
	app.StripeCustomerJob{}.Kind(): {"billing", 12},
	app.FixChargeJob{}.Kind():      {"billing", 8},
	app.DunningJob{}.Kind():        {"mail", 10},
	app.VerifyMailJob{}.Kind():     {"mail", 6},
}

// workersOf is how many jobs of a queue one process runs at once.
var workersOf = map[string]int{"webhooks": 4, "billing": 2, "mail": 2}

// Attempt tells a handler which try this is.
type Attempt struct {
	Number int
	// Last says that nobody will try again.
	Last bool
	// At is when the job was added.
	At time.Time
}

// Handler does one kind of job; an error makes it be tried again.
type Handler[J app.Job] func(ctx context.Context, job J, attempt Attempt) error

// Options of a Client; all are required.
type Options struct {
	// URL is the database's connection string.
	URL string
	Log *slog.Logger
	// Redact makes an error of the database fit for the log.
	Redact func(error) string
}

// Client adds and runs jobs. Use New, then Handle for each kind, then Run.
type Client struct {
	o       Options
	pool    *pgxpool.Pool
	workers *river.Workers
	// insert only adds jobs.
	insert *river.Client[pgx.Tx]
}

// New returns a client, and does not connect.
func New(ctx context.Context, o Options) (*Client, error) {
	if o.URL == "" || o.Log == nil || o.Redact == nil {
		return nil, errors.New("jobs.New: a required option is missing")
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("jobs.New: the connection string cannot be used") // the error may quote it
	}
	config.MaxConns = poolSize
	config.ConnConfig.ConnectTimeout = 3 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = "rsolv-jobs"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.New("jobs.New: the connection string cannot be used")
	}
	insert, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: Schema, Logger: quiet(o)})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("making the client that adds jobs: %w", err)
	}
	return &Client{o: o, pool: pool, workers: river.NewWorkers(), insert: insert}, nil
}

// Close gives the connections up; call it when Run has ended.
func (c *Client) Close() { c.pool.Close() }

// EnqueueTx adds a job that exists if and only if the transaction commits.
func (c *Client) EnqueueTx(ctx context.Context, tx pgx.Tx, job app.Job) error {
	q, ok := queues[job.Kind()]
	if !ok {
		return fmt.Errorf("no queue takes jobs of the kind %s", job.Kind())
	}
	opts := &river.InsertOpts{Queue: q.name, MaxAttempts: q.attempts}
	if later, ok := job.(interface{ DueAt() time.Time }); ok {
		opts.ScheduledAt = later.DueAt()
	}
	_, err := c.insert.InsertTx(ctx, tx, job, opts)
	return err
}

// Handle says who does a kind of job.
func Handle[J app.Job](c *Client, handle Handler[J]) error {
	if err := river.AddWorkerSafely(c.workers, &worker[J]{handle: handle}); err != nil {
		return fmt.Errorf("adding a worker: %w", err)
	}
	return nil
}

type worker[J app.Job] struct {
	river.WorkerDefaults[J]
	handle Handler[J]
}

// Timeout implements river.Worker.
func (*worker[J]) Timeout(*river.Job[J]) time.Duration { return jobTimeout }

// Work implements river.Worker.
func (w *worker[J]) Work(ctx context.Context, job *river.Job[J]) error {
	return w.handle(ctx, job.Args, Attempt{
		Number: job.Attempt, Last: job.Attempt >= job.MaxAttempts, At: job.CreatedAt,
	})
}

// Run works on jobs until ctx ends, and then ends those that run. It waits for
// a database that is not there yet, or not migrated.
func (c *Client) Run(ctx context.Context) error {
	told := false
	for {
		client, err := c.start(ctx)
		if err == nil {
			<-ctx.Done()
			return c.stop(context.WithoutCancel(ctx), client)
		}
		if !told && ctx.Err() == nil {
			told = true
			c.o.Log.WarnContext(ctx, "jobs wait for the database", "reason", c.o.Redact(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(startPause):
		}
	}
}

func (c *Client) start(ctx context.Context) (*river.Client[pgx.Tx], error) {
	driver := riverpgxv5.New(c.pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: Schema, Logger: quiet(c.o)})
	if err != nil {
		return nil, fmt.Errorf("making the check of River's tables: %w", err)
	}
	checked, err := migrator.Validate(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("checking River's tables: %w", err)
	}
	if !checked.OK {
		return nil, errors.New("the job tables are behind: run the migrate command")
	}
	config := &river.Config{
		Schema: Schema, Logger: quiet(c.o), Workers: c.workers, Queues: map[string]river.QueueConfig{},
		// Other pods see their jobs within this when a notification is lost.
		FetchPollInterval: time.Second, JobTimeout: jobTimeout, SoftStopTimeout: stopWait,
		CompletedJobRetentionPeriod: 7 * 24 * time.Hour,
	}
	for name, n := range workersOf {
		config.Queues[name] = river.QueueConfig{MaxWorkers: n}
	}
	client, err := river.NewClient(driver, config)
	if err != nil {
		return nil, fmt.Errorf("making the client that runs jobs: %w", err)
	}
	// River stops with the context it was started with; stop decides when.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("starting: %w", err)
	}
	return client, nil
}

func (c *Client) stop(ctx context.Context, client *river.Client[pgx.Tx]) error {
	ctx, cancel := context.WithTimeout(ctx, stopWait+2*time.Second)
	defer cancel()
	if err := client.Stop(ctx); err != nil {
		return fmt.Errorf("some jobs did not end in time and will be tried again: %w", err)
	}
	return nil
}
