package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// Export writes a data set as a database would be given it, in PostgreSQL's text
// form for COPY:
//
//	events.tsv   seq, kind, id, version, recorded time, type, actor, run, payload
//	doomed.tsv   the tenants that a wrong run deletes
//
// Claims are left out: a database has unique indexes for them.
func (d Dataset) Export(ctx context.Context, dir string, tell drill.Tell) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	doomed := &strings.Builder{}
	cast := d.Cast()
	for i := range d.Deleted {
		_, _ = fmt.Fprintln(doomed, cast.Tenant(i).UUID()) // into memory
	}
	if err := os.WriteFile(filepath.Join(dir, "doomed.tsv"), []byte(doomed.String()), 0o644); err != nil { //nolint:gosec // for the database's user to read
		return err
	}
	sys, err := daemon.Open(ctx, daemon.Config{DataDir: d.Data(), Paused: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sys.Close(context.WithoutCancel(ctx))) }()
	out, err := os.Create(filepath.Join(dir, "events.tsv"))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	versions := map[events.Aggregate]int{}
	err = sys.Log.Read(ctx, 0, d.Events, func(stored []events.Stored) error {
		if tell.Progress != nil {
			tell.Progress(int(stored[0].Seq), int(d.Events))
		}
		for _, s := range stored {
			if s.About.Kind == events.AggregateClaim {
				continue
			}
			versions[s.About]++
			if err := exportEvent(w, s, versions[s.About]); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, w.Flush(), out.Close())
}

func exportEvent(w *bufio.Writer, s events.Stored, version int) error {
	e, err := events.Decode(s)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(e.Payload)
	if err != nil {
		return err
	}
	run := `\N`
	if !e.Run.IsZero() {
		run = e.Run.UUID().String()
	}
	_, err = fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", s.Seq, s.About.Kind, s.About.ID, version,
		e.RecordedTime, s.Type, e.Actor, run, strings.ReplaceAll(string(payload), `\`, `\\`))
	return err
}
