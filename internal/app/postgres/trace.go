package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tracer measures queries. Waiting for a connection belongs to the query that
// had to wait, but the pool and the connection report separately; the wait of
// one storage call is carried in its context from the one to the other.
type tracer struct {
	observe func(time.Duration)
	now     func() time.Time
}

var (
	_ pgx.QueryTracer       = (*tracer)(nil)
	_ pgxpool.AcquireTracer = (*tracer)(nil)
)

type (
	waitKey    struct{}
	queryKey   struct{}
	acquireKey struct{}
)

func withWait(ctx context.Context) context.Context {
	return context.WithValue(ctx, waitKey{}, new(atomic.Int64))
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, queryKey{}, t.now())
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	started, ok := ctx.Value(queryKey{}).(time.Time)
	if !ok {
		return
	}
	took := t.now().Sub(started)
	if wait, ok := ctx.Value(waitKey{}).(*atomic.Int64); ok {
		took += time.Duration(wait.Swap(0))
	}
	t.observe(took)
}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (t *tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return context.WithValue(ctx, acquireKey{}, t.now())
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (t *tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	started, ok := ctx.Value(acquireKey{}).(time.Time)
	if !ok {
		return
	}
	waited := t.now().Sub(started)
	if data.Err != nil {
		// No query will follow; the wait is all there was of it.
		t.observe(waited)
		return
	}
	if wait, ok := ctx.Value(waitKey{}).(*atomic.Int64); ok {
		wait.Add(int64(waited))
	}
}
