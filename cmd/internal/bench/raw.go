package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/eventlog"
)

// rawStream is a stream with the log's own configuration and fsync, on a server of its
// own, that republishes every message, as the catalogue feeds its followers: what the
// write side is held against.
type rawStream struct {
	server *bus.Bus
	nc     *nats.Conn
}

func openRaw(ctx context.Context, dir string) (*rawStream, error) {
	server, err := bus.Open(ctx, bus.Config{StoreDir: dir, Listen: bus.Listen{On: true}})
	if err != nil {
		return nil, err
	}
	r := &rawStream{server: server}
	if r.nc, err = server.LogConn(); err == nil {
		_, err = eventlog.Open(ctx, r.nc, eventlog.Config{Create: true})
	}
	if err == nil {
		err = r.republish(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rawStream) republish(ctx context.Context) error {
	js, err := jetstream.New(r.nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, eventlog.DefaultStream)
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	cfg.RePublish = &jetstream.RePublish{Source: events.SubjectPrefix + "*.*", Destination: events.FeedPrefix + "{{wildcard(1)}}.{{wildcard(2)}}"}
	_, err = js.UpdateStream(ctx, cfg)
	return err
}

func (r *rawStream) close() {
	if r.nc != nil {
		r.nc.Close()
	}
	r.server.Close()
}

// message is an event as eventlog sends it, without any expectation.
func message(s events.Stored) *nats.Msg {
	return &nats.Msg{Subject: s.About.Subject(), Data: s.Data, Header: nats.Header{
		events.HeaderSpecVersion: {events.SpecVersion}, events.HeaderContentType: {events.ContentType},
		events.HeaderID: {s.ID.String()}, events.HeaderType: {string(s.Type)}, events.HeaderSource: {s.Source},
	}}
}

// batches makes messages of events, marked as atomic batches of a size.
func batches(stored []events.Stored, size int) [][]*nats.Msg {
	var out [][]*nats.Msg
	for len(stored) > 0 {
		n := min(size, len(stored))
		batch := make([]*nats.Msg, n)
		id := nuid.Next()
		for i, s := range stored[:n] {
			batch[i] = message(s)
			batch[i].Header["Nats-Batch-Id"] = []string{id}
			batch[i].Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		}
		batch[n-1].Header["Nats-Batch-Commit"] = []string{"1"}
		out, stored = append(out, batch), stored[n:]
	}
	return out
}

// publishBatches publishes batches from lanes at once, each batch acknowledged
// before its lane's next.
func (r *rawStream) publishBatches(ctx context.Context, lanes int, list [][]*nats.Msg) error {
	_, err := inTurns(lanes, len(list), func(i int) error {
		last := len(list[i]) - 1
		for _, m := range list[i][:last] {
			if err := r.nc.PublishMsg(m); err != nil {
				return err
			}
		}
		return r.request(ctx, list[i][last])
	})
	return err
}

// publishEach publishes events one by one from several callers at once.
func (r *rawStream) publishEach(ctx context.Context, callers int, stored []events.Stored) (samples, error) {
	list := make([]*nats.Msg, len(stored))
	for i, s := range stored {
		list[i] = message(s)
	}
	return inTurns(callers, len(list), func(i int) error { return r.request(ctx, list[i]) })
}

func (r *rawStream) request(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := r.nc.RequestMsgWithContext(ctx, m)
	if err == nil && !strings.Contains(string(answer.Data), `"seq":`) {
		err = fmt.Errorf("the bare stream answers %s", answer.Data)
	}
	return err
}

// readRaw reads the stream from the first message to head in the fastest of
// JetStream's ways: a consumer that acknowledges nothing, two pulls of 5,000 on
// their way, nothing parsed.
func readRaw(ctx context.Context, nc *nats.Conn, head events.Seq) (took time.Duration, err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	consumer, err := js.CreateConsumer(ctx, eventlog.DefaultStream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
	})
	if err != nil {
		return 0, err
	}
	name := consumer.CachedInfo().Name
	defer func() { err = errors.Join(err, js.DeleteConsumer(ctx, eventlog.DefaultStream, name)) }()
	const batch = 5000
	ch := make(chan *nats.Msg, 3*batch)
	sub, err := nc.ChanSubscribe(nc.NewInbox(), ch)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only on a connection that is closed
	pull, err := json.Marshal(map[string]any{"batch": batch, "expires": time.Minute})
	if err != nil {
		return 0, err
	}
	ask := func() error {
		return nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+eventlog.DefaultStream+"."+name, sub.Subject, pull)
	}
	if err := errors.Join(ask(), ask()); err != nil {
		return 0, err
	}
	for got := 1; got <= int(head); got++ {
		select {
		case m := <-ch:
			if m.Reply == "" {
				return 0, fmt.Errorf("the bare read ends after %d of %d messages: %v", got-1, head, m.Header)
			}
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		if got%batch == 0 {
			if err := ask(); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}
