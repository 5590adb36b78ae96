package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// Read hands the events after one Seq up to another to fn, in order and
// without a gap, some hundreds at a time. What fn gets is its own to keep. The
// next events are fetched while fn works. Read ends with fn's error, or with
// one that matches ErrGap, ErrShort if the log ends before upTo, or
// events.ErrUnavailable if it did not answer for Config.Settle.
func (l *Log) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	if after >= upTo {
		return nil
	}
	head, err := l.Head(ctx)
	if err != nil {
		return err
	}
	if head < upTo {
		return fmt.Errorf("read up to event %d: %w: its last event is %d", upTo, ErrShort, head)
	}
	r := l.newReader(after)
	return pump(ctx, r, func(ctx context.Context) ([]events.Stored, error) {
		if r.after == upTo {
			return nil, errEnd
		}
		wait, cancel := context.WithTimeout(ctx, l.cfg.Settle)
		defer cancel()
		for {
			got, err := r.next(wait, int(min(upTo-r.after, getMessages)))
			if len(got) > 0 || errors.Is(err, ErrGap) {
				return got, err
			}
			if !pause(wait) {
				return nil, fmt.Errorf("read event %d: %w: %w", r.after+1, events.ErrUnavailable, errors.Join(err, context.Cause(wait)))
			}
		}
	}, fn)
}

// Tail hands every event after a Seq to fn, in order and without a gap: first
// those that are there, then each as it comes, as many at a time as there are.
// It goes on through lost connections and ends with the context's cause, fn's
// error, or one that matches ErrGap or ErrShort.
func (l *Log) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	r := l.newReader(after)
	broken := true // so that the first thing is to look whether the log reaches after
	return pump(ctx, r, func(ctx context.Context) ([]events.Stored, error) {
		for {
			awaken := l.awaken()
			got, err := []events.Stored(nil), error(nil)
			if broken {
				err = l.reaches(ctx, r.after)
			}
			if err == nil {
				got, err = r.next(ctx, getMessages)
			}
			if len(got) > 0 || errors.Is(err, ErrGap) || errors.Is(err, ErrShort) || errors.Is(err, ErrNoStream) {
				return got, err
			}
			broken = err != nil
			if err := l.idle(ctx, awaken); err != nil {
				return nil, err
			}
		}
	}, fn)
}

// reaches tells whether the log is the one that was opened and has the Seq.
func (l *Log) reaches(ctx context.Context, seq events.Seq) error {
	head, err := l.Head(ctx)
	if err == nil && head < seq {
		err = fmt.Errorf("read on from event %d: %w: its last event is %d", seq, ErrShort, head)
	}
	return err
}

// idle waits until there may be something new.
func (l *Log) idle(ctx context.Context, awaken <-chan struct{}) error {
	t := time.NewTimer(l.cfg.Poll)
	defer t.Stop()
	select {
	case <-awaken:
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// errEnd ends a pump without an error.
var errEnd = errors.New("end")

// pump calls fetch, which uses r, for the next events while fn handles the last.
func pump(ctx context.Context, r *reader, fetch func(context.Context) ([]events.Stored, error), fn func([]events.Stored) error) error {
	outer := ctx
	ctx, cancel := context.WithCancel(outer)
	type fetched struct {
		events []events.Stored
		err    error
	}
	ch, stopped := make(chan fetched, 1), make(chan struct{})
	defer func() {
		cancel()
		<-stopped
	}()
	go func() {
		defer close(stopped)
		defer close(ch)
		defer r.close()
		for {
			got, err := fetch(ctx)
			select {
			case ch <- fetched{got, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for f := range ch {
		if len(f.events) > 0 {
			if err := fn(f.events); err != nil {
				return err
			}
		}
		if errors.Is(f.err, errEnd) {
			return nil
		}
		if f.err != nil && outer.Err() == nil {
			return f.err
		}
	}
	return context.Cause(outer)
}

// Get reads one event. The error matches ErrShort if the log has not come that
// far, ErrGap if the event is missing, or events.ErrUnavailable.
func (l *Log) Get(ctx context.Context, seq events.Seq) (events.Stored, error) {
	ask, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	m, err := l.stream.GetMsg(ask, uint64(seq))
	switch {
	case err == nil:
		return stored(seq, m.Subject, m.Header, m.Data), nil
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return events.Stored{}, fmt.Errorf("get event %d: %w: %w", seq, events.ErrUnavailable, err)
	}
	if err := l.reaches(ctx, seq); err != nil {
		return events.Stored{}, err
	}
	return events.Stored{}, fmt.Errorf("get event %d: %w", seq, ErrGap)
}

// LastOf is the last event about an aggregate, false if there is none.
func (l *Log) LastOf(ctx context.Context, about events.Aggregate) (events.Stored, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	m, err := l.stream.GetLastMsgForSubject(ctx, about.Subject())
	switch {
	case err == nil:
		return stored(events.Seq(m.Sequence), m.Subject, m.Header, m.Data), true, nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return events.Stored{}, false, nil
	}
	return events.Stored{}, false, fmt.Errorf("last event of %s: %w: %w", about, events.ErrUnavailable, err)
}
