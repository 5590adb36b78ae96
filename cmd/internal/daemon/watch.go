package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/watch"
)

const (
	watchFile = "watch.json"
	seenEvery = 5 * time.Second
	// How long something must be wrong before deletions are halted for it: what is over
	// sooner is no reason.
	quorumTime = 10 * time.Second
	lagTime    = 30 * time.Second
	// countTime is how long the recount after a wave may take to come.
	countTime = 5 * time.Minute
)

// seenFile keeps how far the log was watched, so that the next start tells of what went
// wrong in between, and of nothing twice; and what the last verification has found, so that
// a start makes nothing of it good.
type seenFile struct {
	Log   string     `json:"log"`
	Seen  events.Seq `json:"seen"`
	Fault string     `json:"fault,omitzero"` // of a verification
	Whole bool       `json:"whole,omitzero"` // of the log and everything that is made of it
}

// watching is what looks at the log and at what deletions must not go on without.
type watching struct {
	sys      *System
	watcher  *watch.Watcher
	hooks    *watch.Webhook
	verified watch.Fault // what the last verification has found
	blind    watch.Fault // why nobody watches
	behind   map[string]*watch.Behind

	keeping sync.Mutex
	kept    seenFile
	written seenFile // of it, what is on disk

	mu     sync.Mutex
	alarms map[events.AlarmKind]uint64
	halts  map[events.HaltCause]uint64
}

// startWatch has the log watched, and deletions halted when something is wrong.
func (s *System) startWatch(ctx context.Context, cfg Config) error {
	if cfg.Paused || cfg.scratch != nil {
		return nil
	}
	w := &s.watching
	w.sys, w.alarms, w.halts, w.behind = s, map[events.AlarmKind]uint64{}, map[events.HaltCause]uint64{}, map[string]*watch.Behind{}
	var err error
	w.hooks, err = watch.NewWebhook(watch.WebhookConfig{URLs: cfg.Webhooks, Failed: func(host string, err error) {
		s.Logger.Warn().Err(err).Str("host", host).Msg("an alarm could not be posted")
	}})
	if err != nil {
		return err
	}
	if err := w.readSeen(ctx); err != nil {
		return err
	}
	pen := watch.Pen{Service: patient{s}, Clock: s.Clock, NewID: uuid.NewV7}
	listener := watch.Listener{Alarm: w.alarm, Halted: w.halted, Failed: func(err error) {
		s.Logger.Warn().Err(err).Msg("an alarm or a halt could not be written yet")
	}}
	w.watcher = watch.New(watch.Config{Pen: pen, Log: watchedLog{Log: s.Log, sys: s}, After: w.kept.Seen, Genesis: s.genesis, Listener: listener})
	conditions := watch.Conditions{Pen: pen, Open: w.open, Listener: listener, Probes: w.probes()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx) })
	wg.Go(func() { conditions.Run(ctx) })
	wg.Go(func() { w.hooks.Run(ctx) })
	wg.Go(func() { every(ctx, seenEvery, w.keepSeen) })
	s.close.add("the watch", func(ctx context.Context) error {
		cancel()
		wg.Wait()
		w.keepSeen(ctx)
		return nil
	})
	return nil
}

// probes are what deletions must not go on without.
func (w *watching) probes() []watch.Probe {
	s := w.sys
	return []watch.Probe{
		{Cause: events.HaltStreamConfig, Look: s.drifted},
		{Cause: events.HaltQuorum, Look: s.Log.CheckQuorum, For: quorumTime},
		{Cause: events.HaltLag, Look: func(context.Context) error { return s.Ready() }, For: lagTime},
		{Cause: events.HaltLag, Look: w.lagging},
		{Cause: events.HaltLag, Look: w.blind.Look},
		{Cause: events.HaltUncounted, Look: w.uncounted, For: lagTime},
		{Cause: events.HaltDigest, Look: w.verified.Look},
	}
}

// run watches. When the log turns out not to be what it was, everything stops.
func (w *watching) run(ctx context.Context) {
	err := w.watcher.Run(ctx)
	if ctx.Err() == nil {
		// Nobody sees what goes wrong from here on.
		w.blind.Set(fmt.Errorf("nobody watches the log: %w", err))
		w.sys.fail(fmt.Errorf("watch the log: %w", err))
	}
}

// open is the last plan that was let in and may be going on, which none is while a log is
// copied into this one: nothing of the catalogue's own may come in between.
func (w *watching) open() events.Seq {
	if w.sys.paused.Load() {
		return 0
	}
	return w.watcher.Open()
}

func (w *watching) alarm(a events.AlarmRaised) {
	w.hooks.Send(a)
	w.sys.Logger.Error().Str("alarm", string(a.Alarm)).Stringer("from", a.From).Stringer("to", a.To).Uint32("count", a.Count).Msg(a.Detail)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms[a.Alarm]++
}

func (w *watching) halted(p events.DoorHalted) {
	w.sys.Logger.Error().Str("cause", string(p.Cause)).Msg("deletions are halted: " + p.Detail)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halts[p.Cause]++
}

// Alarms counts the alarms since the start, by kind, and the halts that nobody has asked
// for, by cause.
func (s *System) Alarms() (alarms map[events.AlarmKind]uint64, halts map[events.HaltCause]uint64) {
	w := &s.watching
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.alarms), maps.Clone(w.halts)
}

// verifiedAs takes note of what a verification has found. What a verification of everything
// has found only another one makes good.
func (w *watching) verifiedAs(report replay.Report, whole bool) {
	w.keeping.Lock()
	found := w.kept
	switch {
	case !report.OK():
		found.Fault, found.Whole = fmt.Sprintf("a verification has found %d faults, the first: %s", len(report.Faults), report.Faults[0]), whole
	case whole || !found.Whole:
		found.Fault, found.Whole = "", false
	}
	w.keep(found)
	w.keeping.Unlock()
}

// lagging tells of a reader that has not read for a while what the log holds: a view, or the
// Watcher, which sees nothing there.
func (w *watching) lagging(ctx context.Context) error {
	head, err := w.sys.Log.Head(ctx)
	if err != nil {
		return nil //nolint:nilerr // that it does not answer is another condition
	}
	readers := map[string]events.Seq{"the watch": w.watcher.Seen()}
	for _, v := range w.sys.Runner.Status() {
		readers["view "+v.Name] = v.Checkpoint.Seq
	}
	return w.late(head, readers)
}

// late holds readers, and where they stand, against the head of the log.
func (w *watching) late(head events.Seq, readers map[string]events.Seq) (wrong error) {
	for _, name := range slices.Sorted(maps.Keys(readers)) {
		if w.behind[name] == nil {
			w.behind[name] = &watch.Behind{}
		}
		if late := w.behind[name].For(head, readers[name], w.sys.Clock()); late >= lagTime && wrong == nil {
			wrong = fmt.Errorf("%s stands at event %d, and has not read for %s what the log holds", name, readers[name], late.Round(time.Second))
		}
	}
	return wrong
}

// uncounted tells of a wave that has passed, and that nobody has counted.
func (w *watching) uncounted(ctx context.Context) (wrong error) {
	if w.open() == 0 {
		return nil
	}
	err := w.sys.Look(ctx, func(look deletion.Lookup) error {
		door, err := deletion.DoorOf(look)
		if err != nil {
			return err
		}
		for _, open := range door.Open {
			d, err := deletion.PlanOf(look, open.Plan)
			if err != nil {
				return err
			}
			for _, was := range door.Recent {
				if late := w.sys.Now().Sub(was.Mark.Time); was.Plan == open.Plan && int(was.Wave) > len(d.Checked) && late > countTime {
					wrong = fmt.Errorf("wave %d of %s was not counted for %s", was.Wave, was.Plan, late.Round(time.Second))
				}
			}
		}
		return nil
	})
	return errors.Join(err, wrong)
}

// drifted tells of a stream that is not as it must be, and of nothing else: whether it can
// be asked is another question.
func (s *System) drifted(ctx context.Context) error {
	if err := s.Log.CheckConfig(ctx); errors.Is(err, eventlog.ErrDrift) {
		return err
	}
	return nil
}

func (w *watching) readSeen(ctx context.Context) error {
	raw, err := os.ReadFile(filepath.Join(w.sys.Dir, watchFile))
	if err == nil {
		err = json.Unmarshal(raw, &w.kept)
	}
	if err == nil && w.kept.Log == w.sys.Identity {
		w.written = w.kept
		w.keep(w.kept)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.sys.Logger.Warn().Err(err).Msg("how far the log was watched cannot be read; what came before now is not looked at again")
	}
	head, err := w.sys.Log.Head(ctx)
	w.kept = seenFile{Log: w.sys.Identity, Seen: head}
	return err
}

func (w *watching) keepSeen(context.Context) {
	w.keeping.Lock()
	defer w.keeping.Unlock()
	now := w.kept
	now.Seen = w.watcher.Seen()
	w.keep(now)
}

// keep keeps what is known now. What cannot be kept is known all the same.
func (w *watching) keep(now seenFile) {
	w.verified.Set(nil)
	if now.Fault != "" {
		w.verified.Set(errors.New(now.Fault))
	}
	w.kept = now
	if w.sys == nil || now == w.written {
		return
	}
	if err := writeFile(filepath.Join(w.sys.Dir, watchFile), now); err != nil {
		w.sys.Logger.Warn().Err(err).Msg("how far the log was watched cannot be kept; it is looked at again after the next start")
		return
	}
	w.written = now
}

// watchedLog gives a Watcher what concerns it of a long past, which is little, from the
// history, if that is as far; and everything that comes from the log itself.
type watchedLog struct {
	*eventlog.Log

	sys *System
}

// Head asks until there is an answer.
func (l watchedLog) Head(ctx context.Context) (head events.Seq, err error) {
	for {
		if head, err = l.Log.Head(ctx); !errors.Is(err, events.ErrUnavailable) {
			return head, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return head, ctx.Err()
		}
	}
}

// patient is the Service, which takes nothing of the catalogue's own while a log is
// imported: it is to be tried again.
type patient struct{ sys *System }

// Publish publishes.
func (p patient) Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	if p.sys.paused.Load() {
		return []catalogue.Verdict{{Err: fmt.Errorf("%w while a log is imported", events.ErrUnavailable)}}
	}
	return p.sys.Service.Publish(ctx, c, requests...)
}

const (
	// longPast is how many events are read from the log all the same.
	longPast = 10_000
	// pieceEvents and pieceBytes are how much of what concerns a Watcher is in memory at once.
	pieceEvents = 1000
	pieceBytes  = 4 << 20
)

// Read reads the log, or the history.
func (l watchedLog) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	if upTo-min(after, upTo) <= longPast {
		return l.Log.Read(ctx, after, upTo, fn)
	}
	var stopped error
	err := l.recall(ctx, after, upTo, func(piece []events.Stored) error {
		after = piece[len(piece)-1].Seq
		stopped = fn(piece)
		return stopped
	})
	if err == nil || stopped != nil || ctx.Err() != nil {
		return err
	}
	l.sys.Logger.Warn().Err(err).Msg("the past is watched in the log, which takes longer")
	return l.Log.Read(ctx, after, upTo, fn)
}

// recall hands over what concerns a Watcher and the history has.
func (l watchedLog) recall(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	return history.View(l.sys.History, func(r *history.Reader) error {
		if r.Head() < upTo {
			return fmt.Errorf("%w: the history stands at %d", projectors.ErrBehind, r.Head())
		}
		var piece []events.Stored
		bytes := 0
		kinds, types := watch.Concerns()
		err := r.Gather(kinds, types, after, upTo, func(s events.Stored) error {
			piece, bytes = append(piece, s), bytes+len(s.Data)
			if len(piece) < pieceEvents && bytes < pieceBytes {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			full := piece
			piece, bytes = nil, 0
			return fn(full)
		})
		if err != nil || len(piece) == 0 {
			return err
		}
		return fn(piece)
	})
}
