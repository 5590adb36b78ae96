package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"tenantcatalogue/events"
)

// ErrOtherLog is returned when the catalogue that answers keeps another log than
// the one that was being read. Nothing of the two fits together.
var ErrOtherLog = errors.New("the catalogue answers from another log")

// Log is the catalogue's log as a service reads it through the gate: what is
// written in bulk, what comes as it comes. It belongs to one log: when another
// one answers, because a server was set up anew, every method fails with
// ErrOtherLog. It is safe for concurrent use.
type Log struct {
	client   *Client
	identity string

	live atomic.Bool // the catalogue answers, or its feed comes

	mu    sync.Mutex
	proof Standing   // where Tail has asked how the log stands
	read  events.Seq // the furthest head that an answer named
	beats events.Seq // the head as it was last told on the feed
}

// Standing is a place in the log as the catalogue tells it.
type Standing struct {
	Seq     events.Seq
	Rolling events.Rolling // hash over the log up to Seq
}

// Log asks the catalogue which log it keeps and waits until it can be read up to
// a Seq that is known to be written, such as a checkpoint's; 0 for none. The
// error matches ErrAhead when the log ends before it.
func (c *Client) Log(ctx context.Context, known events.Seq) (*Log, error) {
	l := &Log{client: c}
	got, err := l.ask(ctx, ReadRequest{After: beyond, MinSeq: known})
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l.identity = got.Log
	l.prove(Standing{got.Head, got.Rolling})
	return l, nil
}

// beyond is after every event: a read from there tells the head alone.
const beyond events.Seq = math.MaxInt64

// Identity tells this log from any other.
func (l *Log) Identity() string { return l.identity }

// Proof is how the log stands where Log, Prove or Tail has last asked: a reader that
// comes to stand there compares its own hash with that one.
func (l *Log) Proof() Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proof
}

func (l *Log) prove(s Standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proof = s
}

// Furthest is the last event of the log, as far as is known without asking.
func (l *Log) Furthest() events.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.read, l.beats)
}

func (l *Log) heard(head events.Seq) {
	l.live.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = max(l.read, head)
}

// beat notes the head that was told on the feed. It is not held on to: the next
// one puts right what somebody has made up.
func (l *Log) beat(head events.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats = head
}

// Live tells whether the catalogue can be reached: whether it has answered since
// it was last doubted. What has been read may be old when it cannot.
func (l *Log) Live() bool { return l.live.Load() && l.client.nc.IsConnected() }

// Head asks for the last event that can be read.
func (l *Log) Head(ctx context.Context) (events.Seq, error) {
	got, err := l.ask(ctx, ReadRequest{After: beyond})
	return got.Head, err
}

// Prove asks how the log stands.
func (l *Log) Prove(ctx context.Context) (Standing, error) {
	got, err := l.ask(ctx, ReadRequest{After: beyond})
	if err == nil {
		l.prove(Standing{got.Head, got.Rolling})
	}
	return l.Proof(), err
}

// ask makes one request and makes sure whose answer it is.
func (l *Log) ask(ctx context.Context, req ReadRequest) (out Pages, err error) {
	req.Format = FormatPages
	body, err := json.Marshal(req)
	if err != nil {
		return out, fmt.Errorf("read after %d: %w", req.After, err)
	}
	answer, err := l.client.request(ctx, subjectRead, "application/json", body, 4*l.client.attempt)
	switch {
	case errors.Is(err, ErrMalformed) && req.MinSeq > 0:
		return out, fmt.Errorf("%w: %w", ErrAhead, err)
	case err != nil:
		return out, err
	}
	if err := out.UnmarshalBinary(answer); err != nil {
		return out, fmt.Errorf("read after %d: %w: %w", req.After, ErrInternal, err)
	}
	if l.identity != "" && out.Log != l.identity {
		return out, fmt.Errorf("%w: it was %s and is %s", ErrOtherLog, l.identity, out.Log)
	}
	l.heard(out.Head)
	return out, nil
}

const (
	// partsAhead is how many parts are asked for before they are needed: enough
	// that neither the round trip nor the decoding of one holds up the next.
	partsAhead = 4
	// partEvents is how many events are asked for at once. Parts end where the
	// catalogue's pages do, at multiples of 256.
	partEvents = 8 * 256
)

// Read hands the events after one Seq up to another to fn, in order and without
// a gap, some thousands at a time. The next ones are fetched and taken apart
// while fn works. fn may keep what it gets; the events of one call share their
// memory. The catalogue is waited for as long as ctx lasts. The error is fn's,
// ctx's, or matches ErrAhead, ErrOtherLog or the Code of a refusal.
func (l *Log) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	defer cancel()
	type part struct {
		events []events.Stored
		err    error
	}
	var ahead []chan part
	for next := after; next < upTo || len(ahead) > 0; {
		for len(ahead) < partsAhead && next < upTo {
			from, to, ch := next, min(upTo, next-next%partEvents+partEvents), make(chan part, 1)
			fetching.Go(func() {
				got, err := l.part(ctx, from, to)
				ch <- part{got, err}
			})
			ahead, next = append(ahead, ch), to
		}
		p := <-ahead[0]
		ahead = ahead[1:]
		if p.err != nil {
			return p.err
		}
		if err := fn(p.events); err != nil {
			return err
		}
	}
	return nil
}

// part reads the events after one Seq up to another, which takes more than one
// answer when they are large.
func (l *Log) part(ctx context.Context, after, upTo events.Seq) (all []events.Stored, err error) {
	for after < upTo {
		got, err := l.ask(ctx, ReadRequest{After: after, MinSeq: upTo, Limit: int(upTo - after)})
		if err != nil {
			return nil, err
		}
		some, err := got.events(after, upTo)
		if err != nil {
			return nil, fmt.Errorf("read after %d: %w", after, err)
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("read after %d: %w: the catalogue answers with nothing, though it goes on to %d", after, ErrInternal, upTo)
		}
		after = some[len(some)-1].Seq
		if all == nil {
			all = some
		} else {
			all = append(all, some...)
		}
	}
	return all, nil
}
