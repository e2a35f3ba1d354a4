package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// ClusterOptions configure a spool on a NATS cluster.
type ClusterOptions struct {
	// URL names the servers, as NATS clients take it: one or more, separated by
	// commas.
	URL string
	// Replicas is how many servers keep each batch.
	Replicas int
	MaxBytes int64
	Host     string
	Log      *slog.Logger
	Now      func() time.Time
}

// OpenCluster opens the spool that all pods share. It does not wait for the
// cluster: until it answers, nothing is acknowledged.
func OpenCluster(ctx context.Context, o ClusterOptions) (*Spool, error) {
	s := &Spool{log: o.Log, now: o.Now, host: o.Host, clustered: true, replicas: o.Replicas, maxBytes: o.MaxBytes}
	var err error
	s.conn, err = nats.Connect(o.URL, nats.Name("rsolv "+o.Host), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(250*time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				o.Log.Warn("the NATS cluster is away; nothing is acknowledged until it is back", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { o.Log.Info("the NATS cluster is back") }))
	if err != nil {
		// The URL may hold a password, and the error the URL.
		return nil, fmt.Errorf("NATS_URL cannot be used: expected nats://user:password@host:4222, several separated by commas")
	}
	return newSpool(ctx, s)
}
