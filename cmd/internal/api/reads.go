package api

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/schemas"
)

// Views is what a Reads reads: the views of a daemon, or those of a sidecar.
type Views interface {
	// Log tells which log they are built from, and Head its last event.
	Log() string
	Head(ctx context.Context) (events.Seq, error)
	// Seq is the last event that every view in service has applied.
	Seq() events.Seq
	WaitFor(ctx context.Context, seq events.Seq) error
	// Home is where a view lives; false when it is not among them.
	Home(name string) (*viewdb.Home, bool)
	Pin() (*projectors.Pinned, error)
	Status() []projectors.Status
	// Ready is nil, or why they should not be read.
	Ready() error
}

// Opener opens personal fields for those who may see them.
type Opener interface {
	OpenEvent(e events.Event) (events.Event, error)
	OpenEntity(owner events.Aggregate, e events.Entity) (events.Entity, error)
	OpenPersonal(owner events.Aggregate, p events.Personal) (events.Personal, error)
	Index(kind seal.IndexKind, normalized string) []byte
}

// Reads answers what can be answered from views alone. It is safe for concurrent
// use. A request that needs a view which is not there is refused.
type Reads struct {
	from      Views
	snapshots *replay.Snapshots
	opener    Opener
	now       func() events.Time
	schemas   *schemas.Set
}

// NewReads makes the reads of views that are kept without the keys: personal
// fields are given as they are, sealed, whoever asks. snapshots may be nil.
func NewReads(from Views, snapshots *replay.Snapshots, now func() events.Time) (*Reads, error) {
	set, err := schemas.New()
	if err != nil {
		return nil, err
	}
	return &Reads{from: from, snapshots: snapshots, opener: sealed{}, now: now, schemas: set}, nil
}

// sealed opens nothing.
type sealed struct{}

func (sealed) OpenEvent(e events.Event) (events.Event, error) { return e, nil }

func (sealed) OpenEntity(_ events.Aggregate, e events.Entity) (events.Entity, error) { return e, nil }

func (sealed) OpenPersonal(events.Aggregate, events.Personal) (events.Personal, error) {
	return "", fmt.Errorf("%w here; ask the catalogue itself", seal.ErrNoKey)
}

func (sealed) Index(seal.IndexKind, string) []byte { return nil }

// From is what it reads.
func (r *Reads) From() Views { return r.from }

// Has tells whether a view is there to be read.
func (r *Reads) Has(view string) bool {
	_, ok := r.from.Home(view)
	return ok
}

func (r *Reads) history(f func(*history.Reader) error) error {
	home, ok := r.from.Home(history.Name)
	if !ok {
		return notHere(history.Name)
	}
	return history.View(home, f)
}

func notHere(view string) error {
	return fmt.Errorf("%w here: %s; ask the catalogue itself, or run it here too", projectors.ErrNoView, view)
}

// waitFor waits until the views have come as far as a caller knows the log to
// be: whoever has published reads what it wrote.
func (r *Reads) waitFor(ctx context.Context, seq events.Seq) error {
	if seq == 0 || r.from.Seq() >= seq {
		return nil
	}
	head, err := r.from.Head(ctx)
	if err != nil {
		return err
	}
	if seq > head {
		return badField("min_seq", "is %d, the last event is %d", seq, head)
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	return r.from.WaitFor(ctx, seq)
}

// Standing tells where the log and every view stand.
func (r *Reads) Standing(ctx context.Context) (out ViewsResponse, err error) {
	out.Log = r.from.Log()
	if out.Head, err = r.from.Head(ctx); err != nil {
		return out, err
	}
	reason := r.from.Ready()
	if out.Ready = reason == nil; !out.Ready {
		out.Reason = reason.Error()
	}
	for _, s := range r.from.Status() {
		out.Views = append(out.Views, r.view(s, out.Head))
	}
	return out, nil
}

func (r *Reads) view(s projectors.Status, head events.Seq) View {
	v := View{Name: s.Name, Seq: s.Checkpoint.Seq, Lag: max(head, s.Checkpoint.Seq) - s.Checkpoint.Seq, Rebuilding: s.Rebuilding}
	fault := s.Fault
	home, _ := r.from.Home(s.Name)
	err := home.View(func(snapshot *viewdb.Snapshot) error {
		quarantined, err := projectors.Quarantined(snapshot)
		for about, q := range quarantined {
			if v.Quarantined == nil {
				v.Quarantined = map[string]projectors.Quarantine{}
			}
			v.Quarantined[about.String()] = q
		}
		return err
	})
	if err = errors.Join(fault, err); err != nil {
		v.Fault = err.Error()
	}
	if db, release, err := home.Acquire(); err == nil {
		v.DiskBytes = db.Metrics().DiskBytes
		release()
	}
	return v
}
