package api

import (
	"maps"
	"sync"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// The verdicts that are no refusal, as Counts names them.
const (
	VerdictStored    = "stored"
	VerdictDuplicate = "duplicate"
)

// Counts is what was done since the start, whatever it was asked through.
type Counts struct {
	Verdicts     map[string]uint64 // on events that were published, by client.Code or one of those above
	RestoreFails uint64            // calls to apply that ended in an error, or with tenants that failed
	Restored     uint64            // events that restorations have written
	LastRestore  time.Time         // when the last restoration was applied whole; zero: none was
	Alarms       map[events.AlarmKind]uint64
	Halts        map[events.HaltCause]uint64 // that nobody has asked for
	LastVerify   time.Time                   // when it was last proven that every view is what the log makes of it; zero: never
}

// Counts tells what was done since the start.
func (a *API) Counts() Counts {
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	out := a.tally.counts
	out.Verdicts, out.LastVerify = maps.Clone(out.Verdicts), a.sys.Proven()
	out.Alarms, out.Halts = a.sys.Alarms()
	return out
}

// tally counts.
type tally struct {
	mu     sync.Mutex
	counts Counts
}

func (t *tally) published(verdicts []client.Verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts.Verdicts == nil {
		t.counts.Verdicts = map[string]uint64{}
	}
	for _, v := range verdicts {
		switch {
		case v.Error != nil:
			t.counts.Verdicts[string(v.Error.Code)]++
		case v.Duplicate:
			t.counts.Verdicts[VerdictDuplicate]++
		default:
			t.counts.Verdicts[VerdictStored]++
		}
	}
}

func (t *tally) applied(s restore.Status, err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Restored += uint64(max(s.Added, 0))
	if err != nil || len(s.Failed) > 0 {
		t.counts.RestoreFails++
		return
	}
	t.counts.LastRestore = now
}
