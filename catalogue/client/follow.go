package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/events"
)

// ErrAhead is returned when a follower is ahead of the catalogue: its Seq is
// from another log, or the log has lost events. Nothing is to be built on either
// until that is cleared up.
var ErrAhead = errors.New("the catalogue's log ends before what has been seen of it")

// Read gives the log after a Seq, as many events as fit into an answer.
func (c *Client) Read(ctx context.Context, req ReadRequest) (out ReadResponse, err error) {
	req.Format = FormatStored
	body, err := json.Marshal(req)
	if err != nil {
		return out, fmt.Errorf("read after %d: %w", req.After, err)
	}
	answer, err := c.request(ctx, subjectRead, "application/json", body, 4*c.attempt)
	if err != nil {
		return out, err
	}
	if err := events.Unmarshal(answer, &out); err != nil {
		return out, fmt.Errorf("read after %d: the answer: %w", req.After, err)
	}
	return out, nil
}

const (
	// feedBuffer is how many messages of the feed wait for fn. What does not fit
	// is read later.
	feedBuffer = 8192
	// silence is how long nothing comes, not even the head of the log, before a
	// follower asks by itself.
	silence = 5 * time.Second
)

// Follow hands every event after a Seq to fn, in order, none twice and none left
// out: first those that are there, then each as it comes. It goes on through
// lost connections and restarts of the catalogue. It ends with fn's error, with
// ctx's, or with one that matches ErrAhead or the Code of a refusal.
func (c *Client) Follow(ctx context.Context, after events.Seq, fn func(events.Stored) error) error {
	feed := make(chan *nats.Msg, feedBuffer)
	sub, err := c.nc.ChanSubscribe(events.FeedPrefix+">", feed)
	if err != nil {
		return fmt.Errorf("follow the feed: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	f := follower{client: c, last: after, fn: fn}
	// What is published from here on is in the channel or, at worst, is missed
	// and read.
	if err := f.catchUp(ctx, after); err != nil {
		return err
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case m := <-feed:
			err = f.take(ctx, m)
		case <-quiet.C:
			err = f.catchUp(ctx, f.last)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		quiet.Reset(silence)
	}
}

// follower is one call of Follow.
type follower struct {
	client *Client
	last   events.Seq // handed to fn
	fn     func(events.Stored) error
}

// take deals with a message of the feed.
func (f *follower) take(ctx context.Context, m *nats.Msg) error {
	if m.Subject == HeadSubject {
		return f.hear(ctx, m)
	}
	s, ok := eventOf(m)
	switch {
	case !ok, s.Seq <= f.last:
		return nil // nobody's event, or one that was read already
	case s.Seq == f.last+1:
		return f.hand(s)
	}
	return f.catchUp(ctx, s.Seq)
}

// hear compares the head of the log with what has been handed over. The last
// event may be on its way still, behind the head in the channel; to read it
// first does no harm.
func (f *follower) hear(ctx context.Context, m *nats.Msg) error {
	var head Head
	if json.Unmarshal(m.Data, &head) != nil || head.Seq <= f.last {
		return nil //nolint:nilerr // nobody's head, or one that was read already
	}
	// A hint and no more: whoever has made it up makes a follower read once.
	return f.catchUp(ctx, f.last)
}

// catchUp reads until nothing more is there, at least up to a Seq that is known
// to be written.
func (f *follower) catchUp(ctx context.Context, known events.Seq) error {
	for {
		got, err := f.client.Read(ctx, ReadRequest{After: f.last, MinSeq: known})
		if errors.Is(err, ErrMalformed) {
			return fmt.Errorf("follow from %d: %w: %w", f.last, ErrAhead, err)
		}
		if err != nil {
			return err
		}
		for _, s := range got.Events {
			if s.Seq != f.last+1 {
				return fmt.Errorf("follow from %d: %w: the catalogue answers with event %d", f.last, ErrInternal, s.Seq)
			}
			if err := f.hand(s); err != nil {
				return err
			}
		}
		if f.last >= got.Head && f.last >= known {
			return nil
		}
	}
}

func (f *follower) hand(s events.Stored) error {
	if err := f.fn(s); err != nil {
		return err
	}
	f.last = s.Seq
	return nil
}

// eventOf reads an event from the feed; false for a message that is none. The
// server puts the Seq into every event it repeats, and no service can publish on
// the feed: what carries no Seq is an answer that somebody had delivered there.
func eventOf(m *nats.Msg) (s events.Stored, ok bool) {
	rest, found := strings.CutPrefix(m.Subject, events.FeedPrefix)
	about, err := events.ParseSubject(events.SubjectPrefix + rest)
	if !found || err != nil {
		return s, false
	}
	seq, err := strconv.ParseUint(only(m.Header, headerSeq), 10, 64)
	if err != nil || seq == 0 {
		return s, false
	}
	id, err := events.ParseID[events.EventID](only(m.Header, events.HeaderID))
	typ, source := only(m.Header, events.HeaderType), only(m.Header, events.HeaderSource)
	if err != nil || typ == "" || source == "" {
		return s, false
	}
	return events.Stored{Seq: events.Seq(seq), About: about, ID: id, Type: events.Type(typ), Source: source, Data: m.Data}, true
}

// headerSeq is set by the server on what it republishes.
const headerSeq = "Nats-Sequence"

// only is the value of a header that stands once.
func only(h nats.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}
