package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// The size of one direct get. The server holds writers off while it answers
// one, some 3 ms for every 1,000 events, so it must not be large; each costs a
// round trip, so it must not be small.
const (
	getMessages = 1024
	getBytes    = 8 << 20
	// getWait is how long the next message of an answer may take.
	getWait = time.Second
)

// getRequest is a request to the direct get API.
type getRequest struct {
	Seq      uint64   `json:"seq,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
	NextBy   string   `json:"next_by_subj,omitempty"`
	LastOf   []string `json:"multi_last,omitempty"`
}

// errNoAnswer is returned when the server did not complete an answer.
var errNoAnswer = errors.New("no complete answer from the log")

// getter makes direct gets over one inbox. It is not safe for concurrent use.
type getter struct {
	log *Log
	sub *nats.Subscription
	ch  chan *nats.Msg
}

// do makes one request and hands its messages to take, in order.
func (g *getter) do(ctx context.Context, req getRequest, take func(*nats.Msg) error) error {
	err := g.try(ctx, req, take)
	if err != nil {
		// What still comes in answer to this request must not be taken for an
		// answer to the next.
		g.close()
	}
	return err
}

func (g *getter) try(ctx context.Context, req getRequest, take func(*nats.Msg) error) error {
	if g.sub == nil {
		ch := make(chan *nats.Msg, getMessages+1)
		sub, err := g.log.nc.ChanSubscribe(g.log.nc.NewInbox(), ch)
		if err != nil {
			return err
		}
		g.sub, g.ch = sub, ch
	}
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if err := g.log.nc.PublishRequest("$JS.API.DIRECT.GET."+g.log.cfg.Stream, g.sub.Subject, body); err != nil {
		return err
	}
	wait := time.NewTimer(getWait)
	defer wait.Stop()
	for {
		select {
		case m := <-g.ch:
			if done, err := endOf(m); done || err != nil {
				return err
			}
			if err := take(m); err != nil {
				return err
			}
			wait.Reset(getWait)
		case <-wait.C:
			return errNoAnswer
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endOf tells whether a message ends an answer, and how. Every message of the
// stream has a Seq, put there by the server.
func endOf(m *nats.Msg) (bool, error) {
	if m.Header == nil || m.Header[jetstream.SequenceHeader] != nil {
		return false, nil
	}
	switch status := last(m.Header["Status"]); status {
	case "204", "404":
		return true, nil
	case "503":
		return true, fmt.Errorf("%w: %w", errNoAnswer, nats.ErrNoResponders)
	default:
		return true, fmt.Errorf("%w: %s %s", errNoAnswer, status, last(m.Header["Description"]))
	}
}

func (g *getter) close() {
	if g.sub != nil {
		// It fails only on a connection that is closed, and then it is gone anyway.
		_ = g.sub.Unsubscribe()
		g.sub, g.ch = nil, nil
	}
}

// reader reads the log in order from a Seq on.
type reader struct {
	get   getter
	after events.Seq
}

func (l *Log) newReader(after events.Seq) *reader {
	return &reader{get: getter{log: l}, after: after}
}

func (r *reader) close() { r.get.close() }

// next reads up to limit events that are there now; none at the end of the
// log. The error is a *GapError, or passing.
func (r *reader) next(ctx context.Context, limit int) ([]events.Stored, error) {
	limit = min(limit, getMessages)
	var out []events.Stored
	req := getRequest{Seq: uint64(r.after) + 1, Batch: limit, MaxBytes: getBytes}
	err := r.get.do(ctx, req, func(m *nats.Msg) error {
		want := r.after + events.Seq(len(out)) + 1
		if m.Header == nil {
			// Headers that do not even parse hide the Seq with them. The next
			// message shows whether this one stood where it seems to.
			out = append(out, events.Stored{Seq: want, Data: m.Data})
			return nil
		}
		s, err := incoming(m)
		if err != nil {
			return err
		}
		if s.Seq != want {
			return &events.GapError{Want: want, Got: s.Seq}
		}
		if out == nil {
			out = make([]events.Stored, 0, limit)
		}
		out = append(out, s)
		return nil
	})
	// What came before a fault is good: it is contiguous.
	r.after += events.Seq(len(out))
	if len(out) > 0 && !errors.Is(err, events.ErrGap) {
		return out, nil
	}
	return out, err
}

// headsAtOnce is how many aggregates one request asks about: few enough that
// the largest possible events of all of them fit in one answer.
const headsAtOnce = 32

// headsOf asks for the last Seq of each aggregate that carries an expectation
// in the batch; 0 for one without events.
func (l *Log) headsOf(ctx context.Context, b *batch) (map[events.Aggregate]events.Seq, error) {
	g := getter{log: l}
	defer g.close()
	subjects := make([]string, 0, len(b.heads))
	for about := range b.heads {
		subjects = append(subjects, about.Subject())
	}
	heads := make(map[events.Aggregate]events.Seq, len(b.heads))
	for some := range slices.Chunk(subjects, headsAtOnce) {
		err := g.do(ctx, getRequest{LastOf: some, MaxBytes: headsAtOnce << 20}, func(m *nats.Msg) error {
			s, err := incoming(m)
			if err == nil {
				heads[s.About] = s.Seq
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// nextOf is the first event of the aggregate after a Seq, as the stream's
// leader has it.
func (l *Log) nextOf(ctx context.Context, about events.Aggregate, after events.Seq) (events.Stored, bool, error) {
	body, err := json.Marshal(getRequest{Seq: uint64(after) + 1, NextBy: about.Subject()})
	if err != nil {
		return events.Stored{}, false, err
	}
	answer, err := l.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+l.cfg.Stream, body)
	if err != nil {
		return events.Stored{}, false, err
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return events.Stored{}, false, err
	}
	if got.Error != nil {
		if got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return events.Stored{}, false, nil
		}
		return events.Stored{}, false, got.Error
	}
	// Without headers that parse it is no event of ours: another's, then.
	header, _ := nats.DecodeHeadersMsg(got.Message.Header)
	return stored(events.Seq(got.Message.Seq), got.Message.Subject, header, got.Message.Data), true, nil
}
