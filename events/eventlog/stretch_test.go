package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

// long is more than is read with direct gets.
const long = 6000

// appendLong appends events about as many tenants.
func appendLong(t *testing.T, l *eventlog.Log) {
	t.Helper()
	units := make([]events.Unit, long)
	for i := range units {
		units[i] = eventtest.One(eventtest.Event(fmt.Sprint("tenant", i), i), 0)
	}
	eventtest.MustAppend(t, l, units...)
}

// eachOnce checks that every event comes once and in order, and ends with errEnough
// at the last.
func eachOnce(after events.Seq, each func(events.Seq)) func([]events.Stored) error {
	return func(got []events.Stored) error {
		for _, s := range got {
			if after++; s.Seq != after || s.About != eventtest.Event(fmt.Sprint("tenant", after-1), int(after-1)).About {
				return fmt.Errorf("event %d about %s where %d belongs", s.Seq, s.About, after)
			}
		}
		each(after)
		if after == long {
			return errEnough
		}
		return nil
	}
}

var errEnough = errors.New("enough")

// TestLongStretch reads and follows a log that is long enough for a consumer,
// from several places in it, while the connection breaks.
func TestLongStretch(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	appendLong(t, r.log)
	for _, after := range []events.Seq{0, 1, long - 2049, long - 2048, long - 2047, long - 1} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			if err := r.log.Read(t.Context(), after, long, eachOnce(after, func(events.Seq) {})); !errors.Is(err, errEnough) {
				t.Error("Read:", err)
			}
			if err := r.log.Tail(t.Context(), after, eachOnce(after, func(events.Seq) {})); !errors.Is(err, errEnough) {
				t.Error("Tail:", err)
			}
		})
	}
}

// TestLongStretchSurvives breaks the connection again and again while a long
// stretch is read.
func TestLongStretchSurvives(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	appendLong(t, r.log)
	broken := 0
	breakOff := func(at events.Seq) {
		if broken < 3 && at > events.Seq(broken)*long/4 {
			broken++
			if err := r.conn.ForceReconnect(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := r.log.Read(t.Context(), 0, long, eachOnce(0, breakOff)); !errors.Is(err, errEnough) || broken != 3 {
		t.Errorf("Read: %v; %d times broken", err, broken)
	}
	broken = 0
	if err := r.log.Tail(t.Context(), 0, eachOnce(0, breakOff)); !errors.Is(err, errEnough) || broken != 3 {
		t.Errorf("Tail: %v; %d times broken", err, broken)
	}
}

// TestNoConsumerIsLeft reads a long stretch to its end and gives up in the middle
// of another: the server keeps no consumer of either.
func TestNoConsumerIsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	appendLong(t, r.log)
	if err := r.log.Read(t.Context(), 0, long, func([]events.Stored) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := r.log.Read(t.Context(), 0, long, func([]events.Stored) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Error(err)
	}
	stream := eventtest.Stream(t, r.conn)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		info, err := stream.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Consumers == 0 {
			return
		}
	}
}

// TestGapInLongStretch takes the first events away.
func TestGapInLongStretch(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	appendLong(t, r.log)
	js, err := jetstream.New(r.conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventlog.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	limited := stream.CachedInfo().Config
	limited.MaxMsgs, limited.Discard = long-100, jetstream.DiscardOld
	if _, err := js.UpdateStream(t.Context(), limited); err != nil {
		t.Fatal(err)
	}
	none := func([]events.Stored) error { return nil }
	var gap *events.GapError
	if err := r.log.Read(t.Context(), 5, long, none); !errors.As(err, &gap) || gap.Want != 6 || gap.Got != 101 {
		t.Error("Read:", err)
	}
	if err := r.log.Tail(t.Context(), 5, none); !errors.As(err, &gap) || gap.Want != 6 || gap.Got != 101 {
		t.Error("Tail:", err)
	}
}
