package eventlog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

// TestCheckConfig changes the stream behind the log's back.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	l, nc := eventtest.NewLog(t)
	if err := errors.Join(l.CheckConfig(t.Context()), l.CheckQuorum(t.Context())); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	good := eventtest.Stream(t, nc).CachedInfo().Config
	for says, change := range map[string]func(*jetstream.StreamConfig){
		"max_age is 1h0m0s": func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs is 5":     func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 },
		"subjects is":       func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "other.*") },
		"republished":       func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{Source: ">", Destination: "x.>"} },
	} {
		bad := good
		change(&bad)
		eventtest.Reconfigure(t, nc, bad)
		if err := l.CheckConfig(t.Context()); !errors.Is(err, eventlog.ErrDrift) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		eventtest.Reconfigure(t, nc, good)
		if err := l.CheckConfig(t.Context()); err != nil {
			t.Errorf("set back: %v", err)
		}
	}
	if err := js.DeleteStream(t.Context(), eventlog.DefaultStream); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{l.CheckConfig(t.Context()), l.CheckQuorum(t.Context())} {
		if !errors.Is(err, eventlog.ErrNoStream) {
			t.Errorf("without a stream: %v", err)
		}
	}
	nc.Close()
	if err := l.CheckQuorum(t.Context()); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
}

// TestOlderStream opens a stream that was made before there were deletions.
func TestOlderStream(t *testing.T) {
	t.Parallel()
	l, nc := eventtest.NewLog(t)
	older := eventtest.Stream(t, nc).CachedInfo().Config
	all := older.Subjects
	older.Subjects = all[:4]
	eventtest.Reconfigure(t, nc, older)
	if err := l.CheckConfig(t.Context()); !errors.Is(err, eventlog.ErrDrift) {
		t.Errorf("it lacks subjects: %v", err)
	}
	again, err := eventlog.Open(t.Context(), nc, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.CheckConfig(t.Context()); err != nil || again.Identity() != l.Identity() {
		t.Errorf("it was %s and is %s, %v", l.Identity(), again.Identity(), err)
	}
	older.Subjects = all[1:4]
	eventtest.Reconfigure(t, nc, older)
	if _, err := eventlog.Open(t.Context(), nc, eventlog.Config{}); !errors.Is(err, eventlog.ErrDrift) {
		t.Errorf("other subjects: %v", err)
	}
}
