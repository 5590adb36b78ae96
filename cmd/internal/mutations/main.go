// Command mutations removes each guard of the deletion rules in turn and runs the tests
// that are to notice. It fails if they stay green, or if a guard is not found where the
// list says it is.
//
//	go run ./cmd/internal/mutations             all of them; some minutes
//	go run ./cmd/internal/mutations -quick      some of each part, for CI
//	go run ./cmd/internal/mutations -run halt   those whose line matches
//
// A new guard is a new line in one of the lists. Nothing in the tree is changed: the
// compiler is given the changed file in place of the real one.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// part is guards that are tested by the same packages.
type part struct {
	packages []string
	guards   []guard
}

// guard is a piece of code without which something must not go unnoticed.
type guard struct {
	file     string // from the root of the module
	old, new string // old stands in it exactly once
	of       string // what it is a guard of
	quick    bool   // CI removes it, too
}

// quickly marks a guard as one that CI removes.
func (g guard) quickly() guard { g.quick = true; return g }

// source is a file, from the root of the module.
type source string

// never makes a condition, on which something is refused, one that never holds.
func (s source) never(condition, of string) guard {
	return s.instead(condition, "false && ("+condition+")", of)
}

// passes has a function that decides something answer that all is well.
func (s source) passes(call, of string) guard {
	return s.instead("return "+call+"\n", "return nil\n", of)
}

// ignores has what a function has found pass unheeded.
func (s source) ignores(call, of string) guard {
	return s.instead("if err := "+call+"; err != nil", "if err := "+call+"; false && err != nil", of)
}

// without leaves something out.
func (s source) without(text, of string) guard { return s.instead(text, "", of) }

// instead puts one text in place of another.
func (s source) instead(was, is, of string) guard {
	return guard{file: string(s), old: was, new: is, of: of}
}

// testTime is how long the tests may take; those that hang have noticed, too.
const testTime = 3 * time.Minute

func main() {
	quick := flag.Bool("quick", false, "only those that CI removes")
	match := flag.String("run", "", "only those whose line matches this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *quick, *match); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

func run(ctx context.Context, out io.Writer, quick bool, match string) error {
	chosen, err := regexp.Compile(match)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	var stale []error
	for _, part := range parts {
		for _, g := range part.guards {
			if _, _, err := g.changed(); err != nil {
				stale = append(stale, err)
			}
		}
	}
	if err := errors.Join(stale...); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "mutations")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	began, noticed := time.Now(), 0
	var failed []string
	for _, part := range parts {
		for _, g := range part.guards {
			line := g.file + ": " + g.of
			if quick && !g.quick || !chosen.MatchString(line) {
				continue
			}
			at := time.Now()
			err := g.remove(ctx, scratch, part.packages)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			took := time.Since(at).Seconds()
			if err != nil {
				say("FAIL  %s: %v (%.0fs)\n", line, err, took)
				failed = append(failed, line)
				continue
			}
			say("ok    %s (%.0fs)\n", line, took)
			noticed++
		}
	}
	say("%d of %d removed guards were noticed, in %s\n", noticed, noticed+len(failed), time.Since(began).Round(time.Second))
	if len(failed) > 0 {
		return fmt.Errorf("write tests for these, or put the list right:\n  %s", strings.Join(failed, "\n  "))
	}
	return nil
}

// changed is the file without the guard, and where it is.
func (g guard) changed() (path string, without []byte, err error) {
	if path, err = filepath.Abs(g.file); err != nil {
		return path, nil, err
	}
	source, err := os.ReadFile(path) //nolint:gosec // of the lists
	if err != nil {
		return path, nil, err
	}
	if n := bytes.Count(source, []byte(g.old)); n != 1 {
		return path, nil, fmt.Errorf("%q stands in %s %d times", g.old, g.file, n)
	}
	return path, bytes.Replace(source, []byte(g.old), []byte(g.new), 1), nil
}

// remove runs the tests without the guard. It is an error if they pass.
func (g guard) remove(ctx context.Context, scratch string, packages []string) error {
	path, without, err := g.changed()
	if err != nil {
		return err
	}
	changed, overlay := filepath.Join(scratch, "changed.go"), filepath.Join(scratch, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err == nil {
		err = errors.Join(os.WriteFile(changed, without, 0o600), os.WriteFile(overlay, replace, 0o600))
	}
	if err != nil {
		return err
	}
	args := append([]string{"test", "-overlay", overlay, "-vet=off", "-ldflags=-s -w", "-failfast", "-timeout", testTime.String()}, packages...)
	args = append(args, "-rapid.nofailfile", "-rapid.shrinktime=0s")
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput() //nolint:gosec // of the lists
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return err
	}
	switch {
	case err == nil:
		return errors.New("no test notices")
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return fmt.Errorf("it cannot be tested: %s", out)
	}
	return nil
}
