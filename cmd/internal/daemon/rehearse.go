package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/viewdb"
)

// Rehearsal is a second write side that decides as the real one does, from where
// the log stood when it began, and keeps to itself what it writes: it tells what
// would become of events, without a trace of them.
type Rehearsal struct {
	Service *catalogue.Service
	At      events.Seq  // where the log stood
	Since   events.Time // when the event there was recorded, if it can be read
	log     *rehearsalLog
	close   closer
}

// Rehearse begins a rehearsal. Close it.
func (s *System) Rehearse(ctx context.Context) (*Rehearsal, error) {
	head, err := s.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{At: head, log: &rehearsalLog{real: s.Log, at: head}}
	if err := r.open(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("rehearse: %w", err), r.Close(ctx))
	}
	return r, nil
}

func (r *Rehearsal) open(ctx context.Context, s *System) error {
	dir, err := os.MkdirTemp(s.Dir, "rehearsal-")
	if err != nil {
		return err
	}
	r.close.add("the rehearsal's directory", plain(func() error { return os.RemoveAll(dir) }))
	live, release, err := s.Heads.Acquire()
	if err != nil {
		return err
	}
	copied := filepath.Join(dir, heads.Name)
	err = live.SaveTo(copied)
	release()
	if err != nil {
		return err
	}
	db, err := viewdb.Open(viewdb.Config{Dir: copied, Name: heads.Name, Format: heads.Format})
	if err != nil {
		return err
	}
	r.close.add("the rehearsal's store", plain(db.Close))
	if at := db.Checkpoint().Seq; at > r.At {
		// The heads were saved after the head was read; begin there.
		r.At, r.log.at = at, at
	}
	store, err := heads.Open(db, s.Identity, heads.DefaultItems)
	if err != nil {
		return err
	}
	r.Service, err = catalogue.Open(ctx, catalogue.Config{Log: r.log, Store: store, Seal: s.Sealer, Clock: s.Clock, Guard: deletion.Guard{Genesis: s.genesis}})
	if err != nil {
		return err
	}
	r.close.add("the rehearsal's service", plain(r.Service.Close))
	return s.Log.Read(ctx, r.At-min(r.At, 1), r.At, func(stored []events.Stored) error {
		for _, last := range stored {
			if e, err := events.Decode(last); err == nil {
				r.Since = e.RecordedTime
			}
		}
		return nil
	})
}

// Would is the id of the event that would stand at seq.
func (r *Rehearsal) Would(seq events.Seq) (id events.EventID, ok bool) {
	if seq <= r.At || seq > r.At+events.Seq(len(r.log.ids)) {
		return id, false
	}
	return r.log.ids[seq-r.At-1], true
}

// Close ends the rehearsal and forgets everything.
func (r *Rehearsal) Close(ctx context.Context) error {
	return r.close.run(context.WithoutCancel(ctx))
}

// rehearsalLog shows the real log up to a Seq, and goes on by itself. It has one
// writer, which asks and reads in turn.
type rehearsalLog struct {
	real catalogue.Log
	at   events.Seq
	ids  []events.EventID // of what was appended
}

// Stage makes ready to append.
func (l *rehearsalLog) Stage(_ events.Seq, units []events.Unit) (commit func(context.Context) []events.Appended) {
	return func(context.Context) []events.Appended { return l.append(units) }
}

// append takes everything: what the real log would refuse of a single writer it
// refuses for its faults, and this one has none.
func (l *rehearsalLog) append(units []events.Unit) []events.Appended {
	out := make([]events.Appended, len(units))
	for i, u := range units {
		out[i].First = l.at + events.Seq(len(l.ids)) + 1
		for _, e := range u.Events {
			l.ids = append(l.ids, e.ID)
		}
		out[i].Last = l.at + events.Seq(len(l.ids))
	}
	return out
}

// Read shows the real log. What was appended here nobody reads again: a single
// writer never falls behind.
func (l *rehearsalLog) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	return l.real.Read(ctx, after, min(upTo, l.at), fn)
}

// Head is the last event appended.
func (l *rehearsalLog) Head(context.Context) (events.Seq, error) {
	return l.at + events.Seq(len(l.ids)), nil
}
