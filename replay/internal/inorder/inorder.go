// Package inorder does work on all processors and hands over what comes of it in
// the order in which the work was given out.
package inorder

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// aheadPerCore is how much is worked out ahead of what is being handed over, so
// that nobody waits.
const aheadPerCore = 4

// result is what came of one piece of work.
type result[Out any] struct {
	out Out
	err error
}

// job is a piece of work with the place where its result is waited for.
type job[In, Out any] struct {
	in   In
	done chan<- result[Out]
}

// errEnded tells give that no more is wanted.
var errEnded = errors.New("no more is wanted")

// Do calls give, on a goroutine of its own, which hands out pieces of work; work
// for each of them on all processors; and each with the results, in the order in
// which they were handed out, on the caller's goroutine. It ends with the first
// error of any of them in that order, once no work is being done any more. A panic
// in work is an error: it would end the process, and with it what has nothing to
// do with this work.
func Do[In, Out any](give func(hand func(In) error) error, work func(In) (Out, error), each func(Out) error) error {
	atOnce := runtime.GOMAXPROCS(0)
	jobs := make(chan job[In, Out])
	order := make(chan (<-chan result[Out]), aheadPerCore*atOnce)
	ended := make(chan struct{})
	var given error // set before order is closed
	go func() {
		defer close(order)
		defer close(jobs)
		given = give(func(in In) error {
			done := make(chan result[Out], 1)
			select {
			case order <- done:
				jobs <- job[In, Out]{in, done}
				return nil
			case <-ended:
				return errEnded
			}
		})
	}()
	for range atOnce {
		go func() {
			for j := range jobs {
				j.done <- safely(work, j.in)
			}
		}()
	}
	var err error
	for done := range order {
		r := <-done
		if err != nil {
			continue
		}
		if err = r.err; err == nil {
			err = each(r.out)
		}
		if err != nil {
			close(ended)
		}
	}
	if err == nil {
		err = given
	}
	return err
}

// Count is Do for the numbers from 0 to n-1.
func Count[Out any](n int, work func(i int) (Out, error), each func(i int, out Out) error) error {
	give := func(hand func(int) error) error {
		for i := range n {
			if err := hand(i); err != nil {
				return err
			}
		}
		return nil
	}
	at := -1
	return Do(give, work, func(out Out) error { at++; return each(at, out) })
}

func safely[In, Out any](work func(In) (Out, error), in In) (r result[Out]) {
	defer func() {
		if why := recover(); why != nil {
			r.err = fmt.Errorf("a panic in work done side by side: %v\n%s", why, debug.Stack())
		}
	}()
	r.out, r.err = work(in)
	return r
}
