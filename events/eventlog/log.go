package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// Config says which stream is the log.
type Config struct {
	Stream   string // CATALOGUE if empty
	Replicas int    // 1 if zero
	// Create makes the stream when there is none. Set it only when nothing
	// else (a view, a checkpoint, a backup) says that there was one.
	Create bool
	// AckWait is how long one attempt to append waits before it reads back
	// what has become of it; 5 s if zero.
	AckWait time.Duration
	// Settle bounds all attempts to append one batch; 30 s if zero. Beyond it
	// the units are answered ErrUnavailable.
	Settle time.Duration
	// Poll is how long Tail takes at most to see an event that another process
	// appended; 50 ms if zero. Those of this Log it sees at once.
	Poll time.Duration
	// Room, if set, is asked before each batch. An error is the answer to its
	// units; it should match events.ErrNoSpace.
	Room func() error
}

func (c Config) withDefaults() Config {
	if c.Stream == "" {
		c.Stream = DefaultStream
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.AckWait == 0 {
		c.AckWait = 5 * time.Second
	}
	if c.Settle == 0 {
		c.Settle = 30 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = 50 * time.Millisecond
	}
	if c.Room == nil {
		c.Room = func() error { return nil }
	}
	return c
}

// DefaultStream is the name of the stream.
const DefaultStream = "CATALOGUE"

// The faults of a log. Match with errors.Is.
var (
	// ErrNoStream is returned when there is no stream and Config.Create does
	// not say to make one.
	ErrNoStream = errors.New("the log's stream does not exist")
	// ErrDrift is returned when the stream is not configured as a log.
	ErrDrift = errors.New("the log's stream is not configured as it must be")
	// ErrQuorum is returned when most of the stream's replicas cannot be reached.
	ErrQuorum = errors.New("the log has lost its quorum")
)

// Log is the log on a stream. It is safe for concurrent use.
type Log struct {
	nc       *nats.Conn
	stream   jetstream.Stream
	cfg      Config
	identity string
	recent   recent

	mu       sync.Mutex
	appended chan struct{} // closed and replaced when something was appended
}

// Open opens the log over a connection to the account that owns the stream.
// The error matches ErrNoStream or ErrDrift, or is the connection's. The
// connection stays the caller's.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Log, error) {
	cfg = cfg.withDefaults()
	l := &Log{nc: nc, cfg: cfg, appended: make(chan struct{})}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open the log %s: %w", cfg.Stream, err)
	}
	want := streamConfig(cfg)
	l.stream, err = js.Stream(ctx, cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if !cfg.Create {
			return nil, fmt.Errorf("open the log %s: %w; if this is a new catalogue, create it, else restore the log from a copy before anything else",
				cfg.Stream, ErrNoStream)
		}
		l.stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("open the log %s: %w", cfg.Stream, err)
	}
	if wide, ok := widened(want, l.stream.CachedInfo().Config); ok {
		if l.stream, err = js.UpdateStream(ctx, wide); err != nil {
			return nil, fmt.Errorf("open the log %s, with subjects that its version did not have: %w", cfg.Stream, err)
		}
	}
	info := l.stream.CachedInfo()
	if err := drift(want, info.Config); err != nil {
		return nil, fmt.Errorf("open the log %s: %w", cfg.Stream, err)
	}
	l.identity = identityOf(info)
	return l, nil
}

func identityOf(info *jetstream.StreamInfo) string {
	return info.Config.Name + "@" + info.Created.UTC().Format(time.RFC3339Nano)
}

// Identity names this incarnation of the stream: its name and when it was
// created. A checkpoint holds it, for a stream made anew counts from 1 again.
func (l *Log) Identity() string { return l.identity }

// askWait bounds one question to the server: when the connection breaks, its
// answer is lost and nobody says so.
const askWait = 2 * time.Second

// Head is the Seq of the last event, 0 if there is none. It matches events.ErrShort
// when the stream is not the one that was opened.
func (l *Log) Head(ctx context.Context) (events.Seq, error) {
	info, err := l.info(ctx)
	if err != nil {
		return 0, fmt.Errorf("head of the log: %w", err)
	}
	return events.Seq(info.State.LastSeq), nil
}

// info is what the server says of the stream.
func (l *Log) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	info, err := l.stream.Info(ctx)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, ErrNoStream
	case err != nil:
		return nil, fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	case identityOf(info) != l.identity:
		return nil, fmt.Errorf("%w: it was %s and is %s", events.ErrShort, l.identity, identityOf(info))
	}
	return info, nil
}

// CheckConfig holds the stream as it is now against what a log must be: somebody may
// have changed it since it was opened. The error matches ErrDrift, or is that of Head.
func (l *Log) CheckConfig(ctx context.Context) error {
	info, err := l.info(ctx)
	if err == nil {
		err = drift(streamConfig(l.cfg), info.Config)
	}
	if err != nil {
		return fmt.Errorf("check the log's stream: %w", err)
	}
	return nil
}

// CheckQuorum is nil while the stream has a leader, which has most of its replicas. The
// error matches ErrQuorum, or is that of Head when nothing answers at all.
func (l *Log) CheckQuorum(ctx context.Context) error {
	info, err := l.info(ctx)
	if err == nil {
		err = quorum(info.Cluster)
	}
	if err != nil {
		return fmt.Errorf("check the log's quorum: %w", err)
	}
	return nil
}

// quorum looks at the replicas; a server that stands alone has none.
func quorum(cluster *jetstream.ClusterInfo) error {
	if cluster == nil {
		return nil
	}
	if cluster.Leader == "" {
		return fmt.Errorf("%w: the stream has no leader", ErrQuorum)
	}
	gone := 0
	for _, peer := range cluster.Replicas {
		if peer.Offline {
			gone++
		}
	}
	if all := len(cluster.Replicas) + 1; 2*(all-gone) <= all {
		return fmt.Errorf("%w: %d of %d replicas are offline", ErrQuorum, gone, all)
	}
	return nil
}

// keep has every Tail of this Log hear of a batch that was appended.
func (l *Log) keep(b *batch, first events.Seq) {
	appended := make([]events.Stored, len(b.messages))
	for i, m := range b.messages {
		appended[i] = m.event
		appended[i].Seq = first + events.Seq(i)
	}
	l.recent.add(appended)
	l.wake()
}

// wake tells every Tail of this Log that there is something to read.
func (l *Log) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.appended)
	l.appended = make(chan struct{})
}

// awaken is closed at the next append of this Log.
func (l *Log) awaken() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appended
}
