package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/term"
)

// The forms of an answer.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

func (a *app) checkOutput() error {
	switch a.output {
	case outputTable, outputJSON, outputYAML:
		return nil
	}
	return usagef("-o %s: say table, json or yaml", a.output)
}

// say tells people something on stderr, of which nobody can be told when it is
// gone.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.Err, format+"\n", args...) }

// row is a line of a table; a tabwriter keeps its fault for Flush.
func row(w *tabwriter.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			_, _ = fmt.Fprint(w, "\t")
		}
		_, _ = fmt.Fprint(w, c)
	}
	_, _ = fmt.Fprintln(w)
}

// print writes v as -o asks; table writes the table.
func (a *app) print(v any, table func(w *tabwriter.Writer)) error {
	switch a.output {
	case outputJSON:
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	case outputYAML:
		return a.printYAML(v)
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// printYAML goes through JSON, so that both have the same field names.
func (a *app) printYAML(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return err
	}
	plainStyle(&node)
	enc := yaml.NewEncoder(a.Out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	return enc.Close()
}

// plainStyle takes JSON's braces and quotes off.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plainStyle(child)
	}
}

// progress tells on stderr how far something has come: on a terminal as a bar
// that is drawn over, elsewhere as a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	bar      bool // one is drawn
	last     time.Time
}

const (
	barWidth   = 30
	barEvery   = 100 * time.Millisecond
	plainEvery = 10 * time.Second
)

// write writes to stderr, of which nobody can be told when it is gone.
func (p *progress) write(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

func newProgress(w io.Writer) *progress {
	f, isFile := w.(*os.File)
	return &progress{w: w, terminal: isFile && term.IsTerminal(int(f.Fd())), last: time.Now()}
}

// line says something that stays.
func (p *progress) line(format string, args ...any) {
	p.clear()
	p.write(format+"\n", args...)
	p.last = time.Now()
}

// count says how many there are so far, when it is not known how many there
// will be.
func (p *progress) count(what string, n int) {
	if n == 0 || !p.due() {
		return
	}
	if !p.terminal {
		p.write("  %d %s\n", n, what)
		return
	}
	p.write("\r  %d %s ", n, what)
	p.bar = true
}

// due tells whether it is time to say something again.
func (p *progress) due() bool {
	every := plainEvery
	if p.terminal {
		every = barEvery
	}
	if time.Since(p.last) < every {
		return false
	}
	p.last = time.Now()
	return true
}

// at says how far it has come.
func (p *progress) at(done, of int) {
	if of <= 0 || !p.due() {
		return
	}
	if !p.terminal {
		p.write("  %d of %d\n", done, of)
		return
	}
	full := min(barWidth, barWidth*done/of)
	p.write("\r  [%s%s] %d of %d ", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, of)
	p.bar = true
}

func (p *progress) clear() {
	if p.bar {
		p.write("\r\x1b[K")
		p.bar = false
	}
}
