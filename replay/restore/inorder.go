package restore

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// inOrder does the work for 0 to n-1 on all processors, and calls each with the
// results in order. It ends with the first error of either, once no work is being
// done any more.
func inOrder[T any](n int, work func(i int) (T, error), each func(i int, result T) error) error {
	type result struct {
		value T
		err   error
	}
	atOnce := runtime.GOMAXPROCS(0)
	results := make([]chan result, n)
	for i := range results {
		results[i] = make(chan result, 1)
	}
	// A few are worked out ahead of the one that each is at, so that nobody waits.
	ahead := make(chan struct{}, 4*atOnce)
	next, stop, stopped := make(chan int), make(chan struct{}), make(chan struct{}, atOnce)
	for range atOnce {
		go func() {
			defer func() { stopped <- struct{}{} }()
			for i := range next {
				value, err := safely(work, i)
				results[i] <- result{value, err}
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range n {
			select {
			case ahead <- struct{}{}:
				next <- i
			case <-stop:
				return
			}
		}
	}()
	var err error
	for i := 0; i < n && err == nil; i++ {
		r := <-results[i]
		<-ahead
		if err = r.err; err == nil {
			err = each(i, r.value)
		}
	}
	close(stop)
	for range atOnce {
		<-stopped
	}
	return err
}

// safely turns a panic into an error: it would end the process, and with it what
// has nothing to do with this restoration.
func safely[T any](work func(int) (T, error), i int) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("working out target %d: %v\n%s", i, r, debug.Stack())
		}
	}()
	return work(i)
}
