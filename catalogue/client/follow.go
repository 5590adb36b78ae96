package client

import (
	"bytes"
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
	// tailEvents is how many of them are handed over at once at most.
	tailEvents = 1000
	// silence is how long nothing comes, not even the head of the log, before a
	// follower asks by itself.
	silence = 5 * time.Second
)

// Follow hands every event after a Seq to fn, in order, none twice and none left
// out: first those that are there, then each as it comes. It goes on through
// lost connections and restarts of the catalogue. It ends with fn's error, with
// ctx's, or with one that matches ErrAhead, ErrOtherLog or the Code of a refusal.
func (c *Client) Follow(ctx context.Context, after events.Seq, fn func(events.Stored) error) error {
	l, err := c.Log(ctx, after)
	if err != nil {
		return fmt.Errorf("follow from %d: %w", after, err)
	}
	return l.Tail(ctx, after, func(list []events.Stored) error {
		for _, s := range list {
			s.Data = bytes.Clone(s.Data) // whoever keeps it keeps nothing else
			if err := fn(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tail is Follow with as many events at a time as there are: fn is given some
// thousands of what was there before, and of what comes whatever has come while
// it was at work. The events of one call may share their memory.
func (l *Log) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	f := &follower{log: l, last: after, fn: fn}
	if err := f.closeIn(ctx); err != nil {
		return err
	}
	feed := make(chan *nats.Msg, feedBuffer)
	sub, err := l.client.nc.ChanSubscribe(events.FeedPrefix+">", feed)
	if err != nil {
		return fmt.Errorf("follow the feed: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	f.connections = l.client.nc.Stats().Reconnects
	// What is published from here on is in the channel or, at worst, is missed
	// and read.
	if err := f.catchUp(ctx, f.last); err != nil {
		return err
	}
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case m := <-feed:
			err = f.take(ctx, m, feed)
		case <-quiet.C:
			l.live.Store(false)
			err = f.catchUp(ctx, f.last)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		l.live.Store(true)
		quiet.Reset(silence)
	}
}

// follower is one call of Tail.
type follower struct {
	log         *Log
	last        events.Seq // handed to fn
	fn          func([]events.Stored) error
	connections uint64 // how often the connection had been made again
}

// closeIn reads what was there before, until what is left fits into the buffer
// of the feed.
func (f *follower) closeIn(ctx context.Context) error {
	for {
		before := f.last
		if err := f.catchUp(ctx, f.last); err != nil {
			return err
		}
		if f.last-before < feedBuffer/2 {
			return nil
		}
	}
}

// take deals with a message of the feed, and with those behind it that are there
// already.
func (f *follower) take(ctx context.Context, m *nats.Msg, feed <-chan *nats.Msg) error {
	if now := f.log.client.nc.Stats().Reconnects; now != f.connections {
		// Another catalogue may be there by now: ask, before its events are
		// taken for this one's.
		f.connections = now
		if err := f.catchUp(ctx, f.last); err != nil {
			return err
		}
	}
	var batch []events.Stored
	next := f.last + 1
	for {
		s, ok := eventOf(m)
		switch {
		case m.Subject == HeadSubject:
			if err := f.hear(ctx, m, &batch); err != nil {
				return err
			}
			next = f.last + 1 + events.Seq(len(batch))
		case !ok, s.Seq < next: // nobody's event, or one that was read already
		case s.Seq == next:
			batch = append(batch, s)
			next++
		default:
			return f.flushed(batch, func() error { return f.catchUp(ctx, s.Seq) })
		}
		if len(batch) == tailEvents {
			return f.hand(batch)
		}
		select {
		case m = <-feed:
		default:
			return f.hand(batch)
		}
	}
}

// hear compares the head of the log with what has come. The last event may be on
// its way still, behind the head in the channel; to read it first does no harm.
func (f *follower) hear(ctx context.Context, m *nats.Msg, batch *[]events.Stored) error {
	var head Head
	if json.Unmarshal(m.Data, &head) != nil {
		return nil //nolint:nilerr // nobody's head
	}
	ours := head.Log == "" || head.Log == f.log.identity
	if ours {
		f.log.beat(head.Seq)
	}
	if ours && head.Seq <= f.last+events.Seq(len(*batch)) {
		return nil
	}
	// A hint and no more: whoever has made it up makes a follower read once.
	some := *batch
	*batch = nil
	return f.flushed(some, func() error { return f.catchUp(ctx, f.last) })
}

// flushed hands over what has been gathered before then.
func (f *follower) flushed(batch []events.Stored, then func() error) error {
	if err := f.hand(batch); err != nil {
		return err
	}
	return then()
}

// catchUp reads to the end of the log, and at least up to a Seq that is known to
// be written.
func (f *follower) catchUp(ctx context.Context, known events.Seq) error {
	got, err := f.log.ask(ctx, ReadRequest{After: beyond, MinSeq: known})
	if err != nil {
		return fmt.Errorf("follow from %d: %w", f.last, err)
	}
	f.log.prove(Standing{got.Head, got.Rolling})
	return f.log.Read(ctx, f.last, got.Head, f.hand)
}

func (f *follower) hand(batch []events.Stored) error {
	if len(batch) == 0 {
		return nil
	}
	if err := f.fn(batch); err != nil {
		return err
	}
	f.last = batch[len(batch)-1].Seq
	return nil
}

// eventOf reads an event from the feed; false for a message that is none. Every
// event there carries its Seq, and no service can publish there: what carries no
// Seq is an answer that somebody had delivered there.
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

// headerSeq holds the Seq of an event on the feed.
const headerSeq = "Nats-Sequence"

// only is the value of a header that stands once.
func only(h nats.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}
