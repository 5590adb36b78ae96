package main

import (
	"context"
	"fmt"
	"io"

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
	output string // -o
}

// Main runs one command line and gives the exit code.
func Main(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(streams.Err, "catalogue:", explain(err))
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "catalogue",
		Short: "An event-sourced tenant catalogue: nothing is deleted that cannot be brought back, proven",
		// Errors are printed once, by Main; usage only when it was wrong.
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.checkOutput()
		},
	}
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "form of the answer: table, json or yaml")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(a.serve(), a.drill(), a.tenant(), a.product(), a.apps(), a.importFile(), a.export(), a.views(), a.rebuild(), a.version())
	return root
}
