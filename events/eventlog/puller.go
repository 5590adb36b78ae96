package eventlog

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// The size of a pull: large, so that few have to be asked for, and bounded in
// bytes, for an event can be as large as a message.
const (
	pullMessages = 4096
	pullBytes    = 8 << 20
	// pullsAhead is how many messages may be on their way.
	pullsAhead = 2 * pullMessages
	// pullExpires is how long the server keeps a request it cannot fulfil.
	pullExpires = 30 * time.Second
	// pullerIdle is how long the server keeps a consumer that nobody asks: one
	// whose reader has died.
	pullerIdle = 30 * time.Second
)

// puller reads a stretch of the log through a consumer, which is several times
// faster than direct gets: the server finds each message by going on from the
// last one, and adds no headers. A consumer would also deliver what is not yet on
// disk, so the last event is got directly before any is asked for. It is not safe
// for concurrent use.
type puller struct {
	log   *Log
	after events.Seq // the last one that came
	upTo  events.Seq

	onDisk   bool   // upTo, and so everything before it
	consumer string // empty: there is none now
	sub      *nats.Subscription
	ch       chan *nats.Msg
	owed     int    // messages asked for that have not come
	came     uint64 // messages that the consumer has delivered
}

func (l *Log) newPuller(after, upTo events.Seq) *puller {
	return &puller{log: l, after: after, upTo: upTo}
}

// done tells whether everything has come.
func (p *puller) done() bool { return p.after >= p.upTo }

// next waits for the next events and takes as many as are there. The error is a
// *GapError, or passing: the next call makes a new consumer.
func (p *puller) next(ctx context.Context) ([]events.Stored, error) {
	out, err := p.try(ctx)
	if err != nil {
		p.close()
	}
	return out, err
}

func (p *puller) try(ctx context.Context) ([]events.Stored, error) {
	if p.consumer == "" {
		if err := p.open(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.ask(); err != nil {
		return nil, err
	}
	wait := time.NewTimer(getWait)
	defer wait.Stop()
	out := make([]events.Stored, 0, min(getMessages, p.upTo-p.after))
	for len(out) == 0 {
		select {
		case m := <-p.ch:
			if err := p.take(m, &out); err != nil {
				return nil, err
			}
		case <-wait.C:
			return nil, errNoAnswer
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	for len(out) < cap(out) && !p.done() {
		select {
		case m := <-p.ch:
			if err := p.take(m, &out); err != nil {
				// What came before a fault is good; the fault shows again.
				p.close()
				return out, nil
			}
		default:
			return out, nil
		}
	}
	return out, nil
}

// take reads a message: an event, or the server's word on a request.
func (p *puller) take(m *nats.Msg, out *[]events.Stored) error {
	if m.Reply == "" {
		return p.heed(m)
	}
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	// The consumer counts what it delivers: a message lost on the way is none that
	// is missing in the log.
	if meta.Sequence.Consumer != p.came+1 {
		return fmt.Errorf("%w: messages %d to %d were lost on the way", errNoAnswer, p.came+1, meta.Sequence.Consumer-1)
	}
	p.came++
	p.owed--
	seq := events.Seq(meta.Sequence.Stream)
	if seq != p.after+1 {
		return &events.GapError{Want: p.after + 1, Got: seq}
	}
	p.after = seq
	*out = append(*out, stored(seq, m.Subject, m.Header, m.Data))
	return nil
}

// heed takes note of a request that ends before all of it has come.
func (p *puller) heed(m *nats.Msg) error {
	pending, err := strconv.Atoi(last(m.Header["Nats-Pending-Messages"]))
	if err != nil {
		return fmt.Errorf("%w: %s %s", errNoAnswer, last(m.Header["Status"]), last(m.Header["Description"]))
	}
	p.owed -= pending
	return p.ask()
}

// ask keeps messages on their way while there are more to come.
func (p *puller) ask() error {
	for {
		open := int(p.upTo-p.after) - p.owed
		if open <= 0 || p.owed > pullsAhead-pullMessages {
			return nil
		}
		n := min(open, pullMessages)
		body, err := json.Marshal(struct {
			Batch    int           `json:"batch"`
			MaxBytes int           `json:"max_bytes"`
			Expires  time.Duration `json:"expires"`
		}{n, pullBytes, pullExpires})
		if err != nil {
			return err
		}
		subject := "$JS.API.CONSUMER.MSG.NEXT." + p.log.cfg.Stream + "." + p.consumer
		if err := p.log.nc.PublishRequest(subject, p.sub.Subject, body); err != nil {
			return err
		}
		p.owed += n
	}
}

func (p *puller) open(ctx context.Context) error {
	if !p.onDisk {
		if _, err := p.log.Get(ctx, p.upTo); err != nil {
			return err
		}
		p.onDisk = true
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	c, err := p.log.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(p.after) + 1,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: pullerIdle,
	})
	if err != nil {
		return err
	}
	p.consumer, p.owed, p.came = c.CachedInfo().Name, 0, 0
	p.ch = make(chan *nats.Msg, pullsAhead+pullMessages)
	p.sub, err = p.log.nc.ChanSubscribe(p.log.nc.NewInbox(), p.ch)
	return err
}

// close lets go of the consumer. If the server does not hear of it now it
// notices by itself.
func (p *puller) close() {
	if p.sub != nil {
		_ = p.sub.Unsubscribe() // fails only on a connection that is closed
		p.sub = nil
	}
	if p.consumer != "" {
		_ = p.log.nc.Publish("$JS.API.CONSUMER.DELETE."+p.log.cfg.Stream+"."+p.consumer, nil)
		p.consumer = ""
	}
}
