package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/replay/drill"
)

// Env is what rows run in: the data set, a copy to write in, and the catalogue
// that is open on one of them. One is open at a time, so that rows do not share
// their memory with anything. It is for one goroutine.
type Env struct {
	Dataset

	scratch string   // removed in the end
	program []string // how to run the catalogue in a process of its own
	tell    drill.Tell
	soak    time.Duration
	cast    *drill.Cast
	copied  string // the copy; empty while there is none
	round   int    // numbers scratch directories

	sys  *daemon.System
	mode mode
}

// mode is what is open.
type mode int

const (
	closed  mode = iota
	reading      // the data set
	writing      // the copy
	paused       // the copy, views paused
)

// listen is how serve listens: rows are measured on what serve would run.
const listen = "127.0.0.1:0"

func newEnv(d Dataset, opts Options) (*Env, error) {
	scratch, err := os.MkdirTemp(d.dir, "scratch-") // on the same disk, for the links of the copy
	if err != nil {
		return nil, err
	}
	return &Env{Dataset: d, scratch: scratch, program: opts.Program, tell: opts.Tell, soak: opts.Soak, cast: d.Cast()}, nil
}

// Serving is the data set as serve runs it, views caught up. Append nothing.
func (e *Env) Serving(ctx context.Context) (*daemon.System, error) { return e.to(ctx, reading) }

// Writing is a copy of the data set as serve runs it, views caught up.
func (e *Env) Writing(ctx context.Context) (*daemon.System, error) { return e.to(ctx, writing) }

// WriteSide is the copy with its views paused.
func (e *Env) WriteSide(ctx context.Context) (*daemon.System, error) { return e.to(ctx, paused) }

// Stopped is the directory of a new copy, with nothing open on it: what other rows
// have written does not stand in it.
func (e *Env) Stopped(ctx context.Context) (dir string, err error) {
	if err := e.discard(ctx); err != nil {
		return "", err
	}
	return e.copy(ctx)
}

// Scratch is an empty directory on the disk that the data set is on.
func (e *Env) Scratch() (string, error) {
	e.round++
	dir := filepath.Join(e.scratch, fmt.Sprint("scratch-", e.round))
	return dir, os.Mkdir(dir, 0o700)
}

func (e *Env) to(ctx context.Context, m mode) (*daemon.System, error) {
	if e.mode == m {
		return e.sys, nil
	}
	if err := e.stop(ctx); err != nil {
		return nil, err
	}
	dir := e.Data()
	if m != reading {
		var err error
		if dir, err = e.copy(ctx); err != nil {
			return nil, err
		}
	}
	sys, err := open(ctx, daemon.Config{DataDir: dir, NATSListen: listen, Paused: m == paused}, e.tell)
	if err != nil {
		return nil, err
	}
	e.sys, e.mode = sys, m
	return sys, settled(ctx, sys)
}

// open opens a catalogue and waits for its views, unless they are paused. Nothing is
// deleted in it but by who measures that.
func open(ctx context.Context, cfg daemon.Config, tell drill.Tell) (*daemon.System, error) {
	cfg.Stepped = true
	sys, err := daemon.Open(ctx, cfg)
	if err != nil || cfg.Paused {
		return sys, err
	}
	if err := caughtUp(ctx, sys, tell); err != nil {
		return nil, errors.Join(err, sys.Close(context.WithoutCancel(ctx)))
	}
	return sys, nil
}

// caughtUp waits until every view stands at the head of the log.
func caughtUp(ctx context.Context, sys *daemon.System, tell drill.Tell) error {
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	if at := sys.Seq(); at+1000 < head && tell.Line != nil {
		tell.Line("the views follow from event %d to %d", at, head)
	}
	reached := make(chan error, 1)
	go func() { reached <- sys.Runner.WaitFor(ctx, head) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-reached:
			return err
		case <-tick.C:
			if tell.Progress != nil {
				tell.Progress(int(sys.Seq()), int(head))
			}
		case <-sys.Done():
			return sys.Err()
		}
	}
}

// settled waits until the views have compacted what they have written, or what is
// left of that no longer shrinks.
func settled(ctx context.Context, sys *daemon.System) error {
	const enough = 2 * time.Second
	tick := time.NewTicker(enough / 10)
	defer tick.Stop()
	least, since := uint64(math.MaxUint64), time.Now()
	for least > 0 && time.Since(since) < enough {
		debt := uint64(0)
		for _, home := range sys.Homes {
			debt += home.Current().Metrics().CompactDebt
		}
		if debt < least {
			least, since = debt, time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (e *Env) copy(ctx context.Context) (string, error) {
	if e.copied != "" {
		return e.copied, nil
	}
	dir := filepath.Join(e.scratch, "copy")
	if e.tell.Line != nil {
		e.tell.Line("copying the data set, to write in")
	}
	if err := copyTree(ctx, e.Data(), dir); err != nil {
		return "", fmt.Errorf("copy the data set: %w", err)
	}
	e.copied = dir
	return dir, nil
}

// discard throws the copy away, when a row has left it in no state to go on with.
func (e *Env) discard(ctx context.Context) error {
	if err := e.stop(ctx); err != nil {
		return err
	}
	dir := e.copied
	e.copied = ""
	return os.RemoveAll(dir)
}

func (e *Env) stop(ctx context.Context) error {
	if e.sys == nil {
		return nil
	}
	sys := e.sys
	e.sys, e.mode = nil, closed
	return sys.Close(context.WithoutCancel(ctx))
}

// close ends what is open and removes the copy.
func (e *Env) close(ctx context.Context) error {
	return errors.Join(e.stop(ctx), os.RemoveAll(e.scratch))
}
