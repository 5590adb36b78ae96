package replay_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// TestVerifyReportsADamagedStream copies a catalogue's log to a real stream and
// damages that: what is wrong is in the report, whatever the log says to whoever
// reads it.
func TestVerifyReportsADamagedStream(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(5)
	w.Settle()
	head := w.Head()
	for name, test := range map[string]struct {
		keep int64      // of the stream's messages, the newest
		copy events.Seq // of the log
		seq  events.Seq
		says string
	}{
		"a gap":     {keep: 3, copy: head, seq: head - 2, says: "gap"},
		"too short": {keep: -1, copy: head - 2, seq: 1, says: "last event is"},
	} {
		r := verify(t, copied(t, w, test.copy, test.keep), w.Views)
		found := slices.ContainsFunc(r.Faults, func(f replay.Fault) bool {
			return f.Seq == test.seq && strings.Contains(f.What, test.says)
		})
		if r.OK() || !found || len(r.Views) != 0 {
			t.Errorf("%s: no fault at %d that says %q: %+v", name, test.seq, test.says, r)
		}
	}
}

// copied is a stream with the first events of a log, of which only the newest are
// left.
func copied(t *testing.T, w *replaytest.World, upTo events.Seq, keep int64) *eventlog.Log {
	t.Helper()
	log, nc := eventtest.NewLog(t)
	heads := map[events.Aggregate]events.Seq{}
	err := w.Log.Read(t.Context(), 0, upTo, func(stored []events.Stored) error {
		for _, s := range stored {
			eventtest.MustAppend(t, log, eventtest.One(s, heads[s.About]))
			heads[s.About] = s.Seq
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventlog.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	if keep > 0 {
		limited := stream.CachedInfo().Config
		limited.MaxMsgs, limited.Discard = keep, jetstream.DiscardOld
		if _, err := js.UpdateStream(context.Background(), limited); err != nil {
			t.Fatal(err)
		}
	}
	return log
}
