package web

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"tenantcatalogue/catalogue"
)

// work is what goes on when whoever asked for it is gone.
type work struct {
	ctx    context.Context //nolint:containedctx // of everything the server does; it ends with the server
	cancel context.CancelFunc

	mu      sync.Mutex
	closing bool
	running sync.WaitGroup
}

func newWork() *work {
	w := &work{}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// begin runs a function beside the request; it is refused once the server stops.
func (w *work) begin(do func(context.Context)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return catalogue.ErrStopped
	}
	w.running.Go(func() { do(w.ctx) })
	return nil
}

// close waits for what runs; when ctx ends first it is told to stop.
func (w *work) close(ctx context.Context) error {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	defer w.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.running.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		w.cancel()
		<-done
		return fmt.Errorf("work begun over HTTP was cut off: %w; what it wrote stays, ask for it again", ctx.Err())
	}
}

// task is one piece of work; value and err are read after done.
type task[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// tasks are pieces of work of one sort, each at most once at a time.
type tasks[T any] struct {
	mu      sync.Mutex
	running map[string]*task[T]
}

// join begins the work of that name, or finds it running.
func (t *tasks[T]) join(w *work, name string, do func(context.Context) (T, error)) (*task[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if running, ok := t.running[name]; ok {
		return running, nil
	}
	one := &task[T]{done: make(chan struct{})}
	err := w.begin(func(ctx context.Context) {
		defer close(one.done)
		defer t.forget(name)
		defer func() {
			if cause := recover(); cause != nil {
				one.err = fmt.Errorf("%s: panic: %v\n%s", name, cause, debug.Stack())
			}
		}()
		one.value, one.err = do(ctx)
	})
	if err != nil {
		return nil, err
	}
	if t.running == nil {
		t.running = map[string]*task[T]{}
	}
	t.running[name] = one
	return one, nil
}

func (t *tasks[T]) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, name)
}
