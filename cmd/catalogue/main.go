// Command catalogue is the tenant catalogue: the daemon, the drill, and what
// operators and auditors do with a running daemon.
//
// Rules of its output: data goes to stdout, in the form that -o asks for;
// progress and explanations go to stderr, as a live bar on a terminal and as
// plain lines elsewhere; an error is printed once, here, with what to do next.
// The exit code says what kind of failure it was (see exit.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// The garbage collector runs when the heap has grown to four times what is in
// use, a third as often as by default; near the limit
// it runs more often instead of letting the heap grow. GOGC and GOMEMLIMIT are
// heeded when they are set.
const (
	heapGrowth = 300 // percent
	heapLimit  = 1280 << 20
)

func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimit)
	}
}

func main() {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop; the second one does what signals do.
	context.AfterFunc(ctx, stop)
	code := Main(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
