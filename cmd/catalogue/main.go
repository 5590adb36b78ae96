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
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	tuneMemory(ctx)
	// The first signal asks to stop; the second one does what signals do.
	context.AfterFunc(ctx, stop)
	code := Main(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
