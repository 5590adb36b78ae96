package main

import (
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// build says what the program was made of.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitzero"` // of the source
	Time     string `json:"time,omitzero"`     // of that revision, RFC 3339
	Modified bool   `json:"modified,omitzero"` // the source was changed since
	Go       string `json:"go"`
}

// unreleased is the version of a program that was not built from a tag.
const unreleased = "0.0.0"

func readBuild() build {
	b := build{Version: unreleased}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	if v, tagged := strings.CutPrefix(info.Main.Version, "v"); tagged {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			return a.print(b, func(w *tabwriter.Writer) {
				row(w, "version", b.Version)
				row(w, "revision", b.Revision)
				row(w, "time", b.Time)
				row(w, "go", b.Go)
			})
		},
	}
}
