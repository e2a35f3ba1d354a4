package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// EmbeddedOptions configure a spool inside of this process.
type EmbeddedOptions struct {
	// Dir is the folder that belongs to the spool alone.
	Dir string
	// MaxBytes bounds what it keeps.
	MaxBytes int64
	// Host names the pod in the ledger.
	Host string
	Log  *slog.Logger
	Now  func() time.Time
}

const startTimeout = 30 * time.Second

// OpenEmbedded opens the spool in a folder, and finds what an earlier life left
// in it. Two processes on one folder would destroy it, so that the second one
// is refused.
func OpenEmbedded(ctx context.Context, o EmbeddedOptions) (*Spool, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the spool: %w", err)
	}
	unlock, err := lockFile(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("the spool in %s: %w", o.Dir, err)
	}
	s := &Spool{log: o.Log, now: o.Now, host: o.Host, replicas: 1, maxBytes: o.MaxBytes, unlock: unlock}
	if err := s.startServer(o.Dir); err != nil {
		return nil, errors.Join(err, unlock())
	}
	if s.conn, err = nats.Connect("", nats.InProcessServer(s.server), nats.Name("app")); err != nil {
		s.server.Shutdown()
		return nil, errors.Join(fmt.Errorf("connecting to the spool: %w", err), unlock())
	}
	if _, err = newSpool(ctx, s); err == nil {
		err = s.recover(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Spool) startServer(dir string) error {
	var err error
	s.server, err = server.NewServer(&server.Options{
		ServerName: "spool", DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
		JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: s.maxBytes + s.maxBytes/4,
		MaxPayload: 1 << 20,
	})
	if err != nil {
		return fmt.Errorf("making the spool's server: %w", err)
	}
	s.server.SetLoggerV2(&serverLog{s.log}, false, false, false)
	go s.server.Start()
	if !s.server.ReadyForConnections(startTimeout) {
		s.server.Shutdown()
		return fmt.Errorf("the spool in %s did not open within %v", dir, startTimeout)
	}
	return nil
}

// recover makes the stream, and counts in the background what is in it.
func (s *Spool) recover(ctx context.Context) error {
	if err := s.ensure(ctx); err != nil {
		return err
	}
	state, err := s.state(ctx)
	if err != nil {
		return err
	}
	if state.Msgs == 0 {
		return nil
	}
	s.log.Info("batches of an earlier life wait in the spool", "batches", state.Msgs, "bytes", state.Bytes)
	s.accounts.mu.Lock()
	s.accounts.scanning = true
	s.accounts.mu.Unlock()
	s.oldUntil = state.LastSeq
	go s.scan(state.FirstSeq, state.LastSeq)
	return nil
}

// scan counts the batches of earlier lives.
func (s *Spool) scan(first, last uint64) {
	for sequence := first; sequence <= last && s.ctx.Err() == nil; sequence++ {
		msg, err := s.stream.GetMsg(s.ctx, sequence)
		var b app.Batch
		if err == nil {
			b, err = decode(msg.Data)
		}
		switch {
		case err == nil:
			s.accounts.found(sequence, &b)
		case errors.Is(err, jetstream.ErrMsgNotFound): // settled meanwhile
		case s.ctx.Err() == nil:
			s.log.Warn("a batch in the spool cannot be counted", "sequence", sequence, "error", err)
		}
	}
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	s.accounts.scanning, s.accounts.settledAhead = false, map[uint64]bool{}
}

// serverLog takes what the server says and is worth knowing.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}
func (l *serverLog) Warnf(format string, args ...any) {
	l.log.Warn("spool", "message", fmt.Sprintf(format, args...))
}

func (l *serverLog) Errorf(format string, args ...any) {
	l.log.Error("spool", "message", fmt.Sprintf(format, args...))
}

func (l *serverLog) Fatalf(format string, args ...any) {
	l.log.Error("spool", "message", fmt.Sprintf(format, args...))
}
