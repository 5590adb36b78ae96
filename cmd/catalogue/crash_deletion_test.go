package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// inside opens a catalogue that no daemon has open, lets f work on it, and closes it.
func inside(t *testing.T, data string, f func(ctx context.Context, sys *daemon.System, crew *people.Crew) error) {
	t.Helper()
	ctx := t.Context()
	sys, err := daemon.Open(ctx, daemon.Config{DataDir: data, Stepped: true})
	if err != nil {
		t.Fatal(err)
	}
	err = f(ctx, sys, people.NewCrew(sys.Deletions(), sys.Clock))
	if err := errors.Join(err, sys.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

// fixtureList lists the first of the fixture's tenants.
func fixtureList(tenants int) (list []deletion.Asked) {
	for n := range tenants {
		list = append(list, deletion.Asked{
			ID: fixtureTenant(n).String(), Parent: events.DeriveID[events.AccountID]("crash").String(), Name: fmt.Sprintf("t%d.example.net", n),
		})
	}
	return list
}

// startedFixture is a catalogue of tenants in which the deletion of all but the last is
// started and nothing of it done.
func startedFixture(t *testing.T, data string, tenants int) (id events.PlanID) {
	t.Helper()
	c := mustStart(t, data)
	run(t, exitOK, "import", writeFixture(t, tenants), "--data", data)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	inside(t, data, func(ctx context.Context, sys *daemon.System, crew *people.Crew) error {
		ask, err := crew.TakeOut(ctx, sys.Service, events.DeriveID[events.RunID]("crash"), fixtureList(tenants-1)...)
		if err != nil {
			return err
		}
		p, err := crew.Start(ctx, ask)
		id = p.ID
		return err
	})
	return id
}

// awaitEvent waits until a daemon's feed shows an event of a type, n times.
func awaitEvent(t *testing.T, c *child, about string, kind events.Type, n int) <-chan struct{} {
	t.Helper()
	r, err := (&where{server: c.NATS}).dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	seen := make(chan struct{})
	if _, err := r.conn.Subscribe(events.FeedPrefix+about, func(m *nats.Msg) {
		if m.Header.Get(events.HeaderType) != string(kind) {
			return
		}
		if n--; n == 0 {
			close(seen)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// tombstonesIn counts the tombstones of each tenant in the log, in a daemon's export.
func tombstonesIn(t *testing.T, data string) map[events.Aggregate]int {
	t.Helper()
	counts := map[events.Aggregate]int{}
	log := run(t, exitOK, "export", "--data", data)
	if err := events.ReadNDJSON(bytes.NewReader(log), func(_ int, e events.CloudEvent, err error) error {
		if err == nil && e.Type().Tombstone() {
			counts[e.About]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return counts
}

// The daemon is killed at random moments while it executes a deletion. Started again it
// goes on by itself, to the end that a run comes to which nothing interrupted: everything
// that was planned is gone, once, and nothing else.
func TestKilledWhileDeleting(t *testing.T) {
	t.Parallel()
	const tenants = 300 // in eight waves
	planned := filepath.Join(t.TempDir(), "planned")
	id := startedFixture(t, planned, tenants)
	midway := 0
	for i := range *kills {
		data := copyOf(t, planned)
		c := mustStart(t, data)
		select {
		case <-awaitEvent(t, c, "door.>", events.DoorPassed{}.EventType(), 1+i%7):
		case <-time.After(10 * time.Second): // that wave had passed before anybody listened
		}
		time.Sleep(rand.N(20 * time.Millisecond)) // the moment of the crash
		c.kill()
		gone := 0
		inside(t, data, func(ctx context.Context, sys *daemon.System, _ *people.Crew) error {
			d, err := sys.Deletions().Deletion(ctx, id)
			gone = len(d.Checked)
			return err
		})
		if gone < 7 {
			midway++
		}
		c = mustStart(t, data)
		done := awaitEvent(t, c, "deletion.>", events.DeletionFinished{}.EventType(), 1)
		if len(tombstonesIn(t, data)) < tenants-1 {
			<-done
		}
		counts := tombstonesIn(t, data)
		for n := range tenants {
			want := 1
			if n == tenants-1 {
				want = 0
			}
			if got := counts[events.OfTenant(fixtureTenant(n))]; got != want {
				t.Errorf("killed after wave %d, tenant %d has %d tombstones, not %d", gone, n, got, want)
			}
		}
		run(t, exitOK, "verify", "--data", data)
		c.kill()
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d of them before the last wave was checked", *kills, midway)
}

// A halt that was acknowledged outlives the daemon: what was killed in the middle of a
// deletion does not go on with it, and says that it has ended.
func TestKilledAndHalted(t *testing.T) {
	t.Parallel()
	const tenants = 300
	data := filepath.Join(t.TempDir(), "data")
	id := startedFixture(t, data, tenants)
	c := mustStart(t, data)
	select {
	case <-awaitEvent(t, c, "door.>", events.DoorPassed{}.EventType(), 2):
	case <-time.After(time.Minute):
		t.Fatal("no two waves have passed since the daemon takes connections")
	}
	c.kill()
	inside(t, data, func(ctx context.Context, sys *daemon.System, _ *people.Crew) error {
		return sys.Deletions().Halt(ctx, "user_oncall", events.DoorHalted{Cause: events.HaltByPerson})
	})
	c = mustStart(t, data)
	before := len(tombstonesIn(t, data))
	done := awaitEvent(t, c, "deletion.>", events.DeletionFinished{}.EventType(), 1)
	var ended bool
	for !ended {
		select {
		case <-done:
			ended = true
		case <-time.After(time.Second):
			ended = bytes.Contains(run(t, exitOK, "export", "--data", data), []byte(events.DeletionFinished{}.EventType()))
		}
	}
	if after := len(tombstonesIn(t, data)); after != before || after >= tenants-1 {
		t.Errorf("%s: %d tenants were gone when it was halted, %d are now", id, before, after)
	}
	run(t, exitOK, "verify", "--data", data)
}
