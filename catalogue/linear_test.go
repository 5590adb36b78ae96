package catalogue_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

// TestLinearizable runs two Services on one log, in memory and on JetStream,
// and holds what their callers saw against one catalogue that takes one request
// at a time.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		log := eventtest.NewMemoryLog("linear")
		checkLinear(t, log, log, 150)
	})
	// Many short histories meet more beginnings and ends of bursts than a long one.
	t.Run("short", func(t *testing.T) {
		t.Parallel()
		for range 100 {
			log := eventtest.NewMemoryLog("linear")
			checkLinear(t, log, log, 6)
		}
	})
	t.Run("jetstream", func(t *testing.T) {
		t.Parallel()
		bus := eventtest.Start(t)
		logs := make([]*eventlog.Log, 2)
		for i := range logs {
			nc, err := bus.LogConn()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			if logs[i], err = eventlog.Open(t.Context(), nc, eventlog.Config{Create: i == 0}); err != nil {
				t.Fatal(err)
			}
		}
		checkLinear(t, logs[0], logs[1], 40)
	})
}

const (
	linearTenants = 3
	linearCallers = 4 // of each Service
)

func checkLinear(t *testing.T, a, b catalogue.Log, each int) {
	t.Helper()
	first := open(t, a)
	first.must(anAccount(1))
	for n := range linearTenants {
		first.must(aTenant(n))
	}
	services := []*system{first, open(t, b)}
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	begun := time.Now()
	for caller := range linearCallers * len(services) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(caller), 1))
			for i := range each {
				in := linearInput{tenant: rnd.IntN(linearTenants), what: rnd.IntN(len(linearPayloads))}
				e := event(fmt.Sprint("linear", caller, i), about(in.tenant), linearPayloads[in.what])
				op := porcupine.Operation{ClientId: caller, Input: in, Call: time.Since(begun).Nanoseconds()}
				op.Output = services[caller%len(services)].ask(one(e))
				op.Return = time.Since(begun).Nanoseconds()
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	result, _ := porcupine.CheckOperationsVerbose(linearModel, history, time.Minute)
	if result != porcupine.Ok {
		t.Fatalf("%d operations: %s", len(history), result)
	}
	if len(history) != each*linearCallers*len(services) {
		t.Errorf("%d operations", len(history))
	}
	log := catalogtest.Read(t, a)
	noDoubles(t, log)
	stored := map[events.Seq]events.EventID{}
	for _, e := range log {
		stored[e.Seq] = e.ID
	}
	for _, op := range history {
		if v, _ := op.Output.(catalogue.Verdict); v.Err == nil && stored[v.Seq] != v.ID {
			t.Errorf("%s was acknowledged at %d, where %s stands", v.ID, v.Seq, stored[v.Seq])
		}
	}
}

var linearPayloads = []events.Payload{deactivate, reactivate, group, ungroup, usage}

type linearInput struct{ tenant, what int }

// linearState is one tenant: what decides whether the next event is legal, and
// how many there were.
type linearState struct {
	inactive, group bool
	version         uint64
}

var linearModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		out := make([][]porcupine.Operation, linearTenants)
		for _, op := range history {
			in, _ := op.Input.(linearInput)
			out[in.tenant] = append(out[in.tenant], op)
		}
		return out
	},
	Init: func() any { return linearState{version: 1} },
	Step: func(state, input, output any) (bool, any) {
		s, _ := state.(linearState)
		in, _ := input.(linearInput)
		v, _ := output.(catalogue.Verdict)
		next, want := s, error(nil)
		next.version++
		switch linearPayloads[in.what] {
		case deactivate:
			next.inactive = true
			if s.inactive {
				want = catalogue.ErrIllegal
			}
		case reactivate:
			next.inactive = false
			if !s.inactive {
				want = catalogue.ErrIllegal
			}
		case group:
			next.group = true
		case ungroup:
			next.group = false
			if !s.group {
				want = catalogue.ErrNotFound
			}
		}
		switch {
		case errors.Is(v.Err, events.ErrConflict):
			return true, s // another was always first: nothing was written
		case want != nil:
			return errors.Is(v.Err, want), s
		}
		return v.Err == nil && !v.Duplicate && v.Version == next.version, next
	},
}

// TestModelCanFail keeps the model honest.
func TestModelCanFail(t *testing.T) {
	t.Parallel()
	ops := func(outputs ...catalogue.Verdict) (history []porcupine.Operation) {
		for i, out := range outputs {
			history = append(history, porcupine.Operation{
				Input: linearInput{0, 0}, Output: out, Call: int64(2 * i), Return: int64(2*i + 1),
			})
		}
		return history
	}
	taken, refused := catalogue.Verdict{Version: 2}, catalogue.Verdict{Err: catalogue.ErrIllegal}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"taken, then refused":     {ops(taken, refused), true},
		"refused before":          {ops(refused, taken), false},
		"taken twice":             {ops(taken, catalogue.Verdict{Version: 3}), false},
		"with the wrong version":  {ops(catalogue.Verdict{Version: 3}), false},
		"with an unlikely answer": {ops(catalogue.Verdict{Err: events.ErrUnavailable}), false},
	} {
		if got := porcupine.CheckOperations(linearModel, c.history); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
