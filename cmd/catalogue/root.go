package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// Streams are the process's own, or a test's.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// app is what every command shares.
type app struct {
	Streams
	clock   func() time.Time // when a person signs
	output  string           // -o
	running bool             // the command line was understood, a command runs
}

// Main runs one command line and gives the exit code.
func Main(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams, clock: time.Now}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root() //nolint:contextcheck // a command gets its context when it runs
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.running {
		err = usage(err) // cobra did not get past the command line
	}
	if err != nil {
		a.say("catalogue: %s", explain(err))
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "catalogue",
		Short: "An event-sourced tenant catalogue: nothing is deleted that cannot be brought back, proven",
		Long: `The tenant catalogue: a daemon that keeps the log and its views, and the commands of
operators and auditors, which find a running daemon by --data, --context or --server.

Exit codes:
  0  done
  1  failed; the message says why
  2  the command line is wrong
  3  somebody else was first: read again and retry
  4  refused by a rule or a safeguard: asking again will not help
  5  some of it was done, some not; the answer says what
  6  a verification found differences`,
		// Errors are printed once, by Main; usage only when it was wrong.
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.checkOutput()
		},
	}
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "form of the answer: table, json or yaml")
	root.AddCommand(a.serve(), a.view(), a.drill(), a.tenant(), a.product(), a.apps(), a.history(), a.asOf(), a.diff(), a.lookup(),
		a.deletions(), a.halt(), a.policy(), a.roster(), a.keygen(), a.alarms(), a.liens(),
		a.restore(), a.importFile(), a.export(), a.views(), a.rebuild(), a.verify(), a.bench(), a.version())
	a.watch(root)
	return root
}

// watch makes every command say that it runs.
func (a *app) watch(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
			return run(cmd, args)
		}
	}
	for _, child := range cmd.Commands() {
		a.watch(child)
	}
}
