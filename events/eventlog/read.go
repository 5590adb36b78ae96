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
// without a gap, some hundreds at a time. What fn gets it may keep. The
// next events are fetched while fn works. Read ends with fn's error, or with
// one that matches events.ErrGap, events.ErrShort if the log ends before upTo, or
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
		return fmt.Errorf("read up to event %d: %w: its last event is %d", upTo, events.ErrShort, head)
	}
	next, stop := l.stretch(after, upTo)
	defer stop()
	return pump(ctx, func(ctx context.Context) ([]events.Stored, error) {
		wait, cancel := context.WithTimeout(ctx, l.cfg.Settle)
		defer cancel()
		for {
			got, err := next(wait)
			if len(got) > 0 || errors.Is(err, errEnd) || errors.Is(err, events.ErrGap) || errors.Is(err, events.ErrShort) {
				return got, err
			}
			if !pause(wait) {
				return nil, fmt.Errorf("read on to event %d: %w: %w", upTo, events.ErrUnavailable, errors.Join(err, context.Cause(wait)))
			}
		}
	}, fn)
}

// stretchPulled is how long a stretch of the log must be for a consumer to be
// worth making.
const stretchPulled = 2 * getMessages

// stretch reads the events after one Seq up to another that is in the log: next
// gives some, and errEnd behind the last. Any other error but events.ErrGap and
// events.ErrShort is passing.
func (l *Log) stretch(after, upTo events.Seq) (next func(context.Context) ([]events.Stored, error), stop func()) {
	if upTo-after < stretchPulled {
		r := l.newReader(after)
		return func(ctx context.Context) ([]events.Stored, error) {
			if r.after == upTo {
				return nil, errEnd
			}
			return r.next(ctx, int(min(upTo-r.after, getMessages)))
		}, r.close
	}
	p := l.newPuller(after, upTo)
	return func(ctx context.Context) ([]events.Stored, error) {
		if p.done() {
			return nil, errEnd
		}
		return p.next(ctx)
	}, p.close
}

// Tail hands every event after a Seq to fn, in order and without a gap: first
// those that are there, then each as it comes, as many at a time as there are. What fn
// gets it may keep and must not change: others have it too.
// It goes on through lost connections and ends with the context's cause, fn's
// error, or one that matches events.ErrGap or events.ErrShort.
func (l *Log) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	t := &tailer{near: l.newReader(after), look: true}
	defer t.close()
	return pump(ctx, func(ctx context.Context) ([]events.Stored, error) {
		for {
			awaken := l.awaken()
			got, err := t.next(ctx)
			if len(got) > 0 || errors.Is(err, events.ErrGap) || errors.Is(err, events.ErrShort) || errors.Is(err, ErrNoStream) {
				return got, err
			}
			if t.ask, err = l.idle(ctx, awaken); err != nil {
				return nil, err
			}
		}
	}, fn)
}

// tailer reads on from an event: what was just appended here from memory, with
// direct gets near the end of the log, with a puller far from it.
type tailer struct {
	near *reader
	far  *puller
	look bool // the end of the log may be far, or the log no longer reach here
	ask  bool // the log may hold what was not appended here
}

func (t *tailer) next(ctx context.Context) ([]events.Stored, error) {
	if t.look && t.far == nil {
		head, err := t.near.get.log.reaches(ctx, t.near.after)
		if err != nil {
			return nil, err
		}
		t.look = false
		if head-t.near.after >= stretchPulled {
			t.far = t.near.get.log.newPuller(t.near.after, head)
		}
	}
	if t.far == nil {
		got, last := t.near.get.log.recent.after(t.near.after, getMessages)
		t.near.after += events.Seq(len(got))
		if len(got) > 0 || last && !t.ask {
			return got, nil
		}
		t.ask = false
		got, err := t.near.next(ctx, getMessages)
		t.look = err != nil || len(got) == getMessages
		return got, err
	}
	got, err := t.far.next(ctx)
	t.near.after = t.far.after
	if t.look = err != nil || t.far.done(); t.look {
		t.far.close()
		t.far = nil
	}
	return got, err
}

func (t *tailer) close() {
	t.near.close()
	if t.far != nil {
		t.far.close()
	}
}

// reaches gives the head of the log, if the log is the one that was opened and has
// the Seq.
func (l *Log) reaches(ctx context.Context, seq events.Seq) (head events.Seq, err error) {
	head, err = l.Head(ctx)
	if err == nil && head < seq {
		err = fmt.Errorf("read on from event %d: %w: its last event is %d", seq, events.ErrShort, head)
	}
	return head, err
}

// idle waits until there may be something new, and tells whether nobody here has
// said so.
func (l *Log) idle(ctx context.Context, awaken <-chan struct{}) (ask bool, err error) {
	t := time.NewTimer(l.cfg.Poll)
	defer t.Stop()
	select {
	case <-awaken:
	case <-t.C:
		ask = true
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return ask, err
}

// errEnd ends a pump without an error.
var errEnd = errors.New("end")

// pump calls fetch for the next events while fn handles the last. fetch has
// returned for the last time when pump does.
func pump(ctx context.Context, fetch func(context.Context) ([]events.Stored, error), fn func([]events.Stored) error) error {
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

// Get reads one event. The error matches events.ErrShort if the log has not come that
// far, events.ErrGap if the event is missing, or events.ErrUnavailable.
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
	if _, err := l.reaches(ctx, seq); err != nil {
		return events.Stored{}, err
	}
	return events.Stored{}, fmt.Errorf("get event %d: %w", seq, events.ErrGap)
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
