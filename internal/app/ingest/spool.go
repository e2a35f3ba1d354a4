package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	streamName   = "FUNNEL"
	subject      = "funnel.batch"
	consumerName = "postgres"

	// ackWait is how long a delivered batch may go without a sign of life from
	// the writer before it is delivered again.
	ackWait = time.Minute
	// publishTimeout bounds one try to make a batch durable, appendTimeout all.
	publishTimeout = 3 * time.Second
	appendTimeout  = 10 * time.Second
	// ensureTimeout bounds making stream and consumer, which happens once, while
	// everything else starts too.
	ensureTimeout = 20 * time.Second
	// fullFor is how long the spool counts as full after it refused a batch.
	fullFor = 5 * time.Second
)

// Codes of the server's answers that the client library does not name.
const (
	codeStoreFailed   = 10077
	codeNoResources   = 10023
	codeStorageFull   = 10047
	codeNoSuitableSet = 10005
	codeNotEnough     = 10074
)

// ErrFull says that the spool takes nothing more until the writer has emptied
// some of it.
var ErrFull = errors.New("the spool is full")

// Spool keeps batches where a crash of the process, or of Postgres, cannot
// reach them. It is a JetStream work queue whose only consumer is the writer:
// on a server inside of this process, or on a NATS cluster.
type Spool struct {
	log       *slog.Logger
	now       func() time.Time
	host      string
	clustered bool
	replicas  int
	maxBytes  int64

	server *server.Server // nil on a cluster
	unlock func() error
	conn   *nats.Conn
	js     jetstream.JetStream

	// ready guards what ensure makes once.
	ready    sync.Mutex
	stream   jetstream.Stream
	consumer jetstream.Consumer

	// appending is held by the one append at a time.
	appending sync.Mutex
	source    app.SourceID
	number    uint64
	total     uint64
	buf       []byte

	accounts accounts
	// fullUntil is in nanoseconds since 1970.
	fullUntil atomic.Int64
	// oldUntil is the last batch of an earlier life.
	oldUntil uint64

	closed context.CancelFunc
	ctx    context.Context
}

// newSpool connects the parts that both kinds have.
func newSpool(ctx context.Context, s *Spool) (*Spool, error) {
	js, err := jetstream.New(s.conn, jetstream.WithDefaultTimeout(publishTimeout))
	if err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	s.js = js
	s.source = app.NewSourceID(s.now())
	s.ctx, s.closed = context.WithCancel(context.WithoutCancel(ctx))
	s.accounts.init()
	return s, nil
}

// ensure makes stream and consumer, or finds them.
func (s *Spool) ensure(ctx context.Context) error {
	s.ready.Lock()
	defer s.ready.Unlock()
	if s.consumer != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.js.CreateStream(ctx, s.streamConfig())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // by another pod, just now
			stream, err = s.js.Stream(ctx, streamName)
		}
	}
	if err != nil {
		return fmt.Errorf("making the stream %s: %w", streamName, explain(err, s.replicas))
	}
	if !s.clustered {
		if stream, err = s.js.UpdateStream(ctx, s.streamConfig()); err != nil {
			return fmt.Errorf("adjusting the stream %s: %w", streamName, err)
		}
		// What was delivered and not acknowledged in an earlier life would wait
		// for its time to run out; a new consumer begins with it at once.
		if err := stream.DeleteConsumer(ctx, consumerName); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("resetting the consumer: %w", err)
		}
	}
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 4096,
		Description: "the writer to Postgres",
	})
	if err != nil {
		return fmt.Errorf("making the consumer: %w", err)
	}
	s.stream, s.consumer = stream, consumer
	return nil
}

func (s *Spool) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subject}, Description: "funnel events on their way to Postgres",
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxBytes: s.maxBytes, Replicas: s.replicas, Duplicates: 2 * time.Minute,
	}
}

// explain adds the fix to what the server says of a stream it cannot make.
func explain(err error, replicas int) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch api.ErrorCode {
	case codeNoSuitableSet, codeNotEnough:
		return fmt.Errorf("%w: the cluster has no %d servers for it; set NATS_REPLICAS to at most their number", err, replicas)
	case codeStorageFull, codeNoResources:
		return fmt.Errorf("%w: give the NATS servers more JetStream storage, or lower SPOOL_MAX_BYTES", err)
	default:
		return err
	}
}

// Append makes events and counted calls durable: when it returns nil they are
// synced to disk, or to a majority of the cluster, and the writer will get them.
// ErrFull means that nothing was stored. After any other error it is unknown;
// append the same events again, with the same ids.
func (s *Spool) Append(ctx context.Context, events []app.Event, calls []app.Calls) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	b := app.Batch{
		Source: s.source, Number: s.number + 1, Host: s.host, Clustered: s.clustered, Events: events, Calls: calls,
	}
	count := b.Count()
	b.Total = s.total + uint64(count) //nolint:gosec // never negative
	s.buf = encode(s.buf[:0], &b)
	s.accounts.offer(b.Source, count)
	err := s.publish(ctx, &b)
	if err != nil {
		s.accounts.withdraw(b.Source, count)
	}
	switch {
	case err == nil:
		s.number, s.total = b.Number, b.Total
		s.accounts.accept(b.Source, count)
		return nil
	case errors.Is(err, ErrFull):
		s.fullUntil.Store(s.now().Add(fullFor).UnixNano())
		return err
	default:
		// The batch may be there or not. Its number is never used again, and who
		// counts on it goes on under another name, so that both ledgers balance.
		s.source, s.number, s.total = app.NewSourceID(s.now()), 0, 0
		return err
	}
}

// publish tries until it knows the answer. A batch that is published twice is
// stored once: it carries an id.
func (s *Spool) publish(ctx context.Context, b *app.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	msg := &nats.Msg{Subject: subject, Data: s.buf, Header: nats.Header{
		nats.MsgIdHdr: []string{b.Source.String() + "-" + strconv.FormatUint(b.Number, 10)},
	}}
	for {
		err := s.ensure(ctx)
		if err == nil {
			err = s.publishOnce(ctx, msg)
		}
		if err == nil {
			return nil
		}
		if full(err) {
			return ErrFull
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("spooling: %w", err)
		case <-s.ctx.Done():
			return fmt.Errorf("spooling: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// full tells that there is no room from other failures to store: the server has
// one code for all of the latter, and only of the former is it sure that nothing
// was written.
func full(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeStorageFull, codeNoResources:
		return true
	case codeStoreFailed:
		return strings.Contains(api.Description, "maximum")
	default:
		return false
	}
}

func (s *Spool) publishOnce(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, err := s.js.PublishMsg(ctx, msg)
	return err
}

// Clustered says whether the spool is a cluster's.
func (s *Spool) Clustered() bool { return s.clustered }

// Full says whether the spool refused a batch a moment ago.
func (s *Spool) Full() bool { return s.now().UnixNano() < s.fullUntil.Load() }

// Pending is the number of events that this process knows to wait in the spool.
func (s *Spool) Pending() int64 { return s.accounts.pending() }

// Accounts tells what this process can say of the sources whose events wait in
// its spool.
func (s *Spool) Accounts() []app.SourceAccount {
	kind := app.SpoolEmbedded
	if s.clustered {
		kind = app.SpoolCluster
	}
	return s.accounts.list(s.host, kind)
}

// Counting says whether what an earlier life left in the spool is not counted
// yet; Accounts is empty meanwhile.
func (s *Spool) Counting() bool {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	return s.accounts.scanning
}

// Holds says whether anything waits in the spool, whoever put it there.
func (s *Spool) Holds(ctx context.Context) (bool, error) {
	state, err := s.state(ctx)
	return state.Msgs > 0, err
}

// State is what the spool takes at the moment.
type State struct {
	// Batches is their number, Bytes their size on disk, of at most MaxBytes.
	Batches, Bytes, MaxBytes uint64
}

// State asks the server.
func (s *Spool) State(ctx context.Context) (State, error) {
	state, err := s.state(ctx)
	return State{Batches: state.Msgs, Bytes: state.Bytes, MaxBytes: uint64(max(0, s.maxBytes))}, err
}

func (s *Spool) state(ctx context.Context) (jetstream.StreamState, error) {
	if err := s.ensure(ctx); err != nil {
		return jetstream.StreamState{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("asking for the state of the spool: %w", err)
	}
	return info.State, nil
}

// Close ends everything; what is spooled stays.
func (s *Spool) Close() error {
	s.closed()
	s.conn.Close()
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	if s.unlock != nil {
		return s.unlock()
	}
	return nil
}
