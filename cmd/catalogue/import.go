package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
)

// importPiece is how much of a file goes into a message; JSON makes it a third
// longer.
const importPiece = 512 << 10

// errImportRefused is returned when nothing of a file was written.
var errImportRefused = errors.New("nothing of the file was written")

func (a *app) importFile() *cobra.Command {
	var w where
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Publish the events of a file, all or none",
		Long: `Publishes the events of a file: CloudEvents in JSON, one a line.

Every line is decided first, as of one event of the log: when one is refused, nothing
is written, and every refused line is named with the reason. What the log has already,
word for word, is passed over: an import that was cut off can be given again.

A file is one of two things. Events of producers, without the attributes that the
catalogue sets, are published as the operator's. The log of a catalogue, as export
writes it, is copied: every event stands where it stood, recorded when it was, deletes
and restorations among them. A log goes into an empty catalogue, or into one that is
a beginning of it, and nowhere else; nobody may publish meanwhile. Deletions, what leads
to them and restorations go into an empty one only.

Exit code 4 when lines are refused and nothing was written, 5 when somebody who published
meanwhile made lines illegal after others were written.`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.runImport(ctx, r, args[0], dryRun) })
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "decide every line and write nothing")
	return cmd
}

func (a *app) runImport(ctx context.Context, r *remote, path string, dryRun bool) (err error) {
	in := a.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return usage(err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	p := newProgress(a.Err)
	name, err := upload(ctx, r, in)
	if err != nil {
		return err
	}
	stop := watchImport(ctx, r, name, p)
	raw, err := r.ask(ctx, operators+"import.run", api.ImportRunRequest{Import: name, DryRun: dryRun})
	stop()
	if err != nil {
		return err
	}
	var report api.ImportReport
	if err := decode(raw, &report); err != nil {
		return err
	}
	if err := a.print(raw, func(w *tabwriter.Writer) { importTable(w, report) }); err != nil {
		return err
	}
	switch {
	case report.Faults > 0 && report.Written > 0:
		return fmt.Errorf("%w: %d lines were written and %d refused, because somebody else wrote meanwhile; give the import again",
			errPartial, report.Written, report.Faults)
	case report.Faults > 0:
		return fmt.Errorf("%w: %d of %d lines are refused", errImportRefused, report.Faults, report.Lines)
	}
	return nil
}

// upload sends a file and gives the name of the import.
func upload(ctx context.Context, r *remote, in io.Reader) (name string, err error) {
	piece := make([]byte, importPiece)
	for offset := int64(0); ; {
		n, err := io.ReadFull(in, piece)
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return name, fmt.Errorf("read the file: %w", err)
		}
		if n > 0 || name == "" {
			out, err := get[api.ImportSendResponse](ctx, r, operators+"import.send", api.ImportSendRequest{Import: name, Offset: offset, Data: piece[:n]})
			if err != nil {
				return name, err
			}
			name, offset = out.Import, out.Offset
		}
		if ended {
			return name, nil
		}
	}
}

// watchImport shows how far an import has come, until it is stopped.
func watchImport(ctx context.Context, r *remote, name string, p *progress) (stop func()) {
	phase := ""
	return poll(ctx, p, func(ctx context.Context) bool {
		s, err := get[api.ImportStatus](ctx, r, operators+"import.status", api.ImportStatusRequest{Import: name})
		if err != nil {
			return false // it is for show; the run itself says what goes wrong
		}
		if s.Phase != phase {
			phase = s.Phase
			p.line("%s", phase)
		}
		p.count("lines", s.Lines)
		return true
	})
}

func importTable(w *tabwriter.Writer, r api.ImportReport) {
	row(w, "decided as of event", r.Seq)
	row(w, "lines", r.Lines)
	row(w, "in the log already", r.Stored)
	if r.DryRun {
		row(w, "would be written", r.Written)
	} else {
		row(w, "written", r.Written)
	}
	for _, f := range r.Refused {
		row(w, fmt.Sprintf("line %d", f.Line), fmt.Sprintf("%s %v", f.ID, f.Error))
	}
	if more := r.Faults - len(r.Refused); more > 0 {
		row(w, "and", fmt.Sprintf("%d more", more))
	}
}

// rehearse has one event decided and not written.
func rehearse(ctx context.Context, r *remote, raw []byte) (v client.Verdict, err error) {
	sent, err := get[api.ImportSendResponse](ctx, r, operators+"import.send", api.ImportSendRequest{Data: append(raw, '\n')})
	if err != nil {
		return v, err
	}
	report, err := get[api.ImportReport](ctx, r, operators+"import.run", api.ImportRunRequest{Import: sent.Import, DryRun: true})
	if err != nil {
		return v, err
	}
	if len(report.Refused) > 0 {
		return v, report.Refused[0].Error
	}
	return client.Verdict{Seq: report.LastSeq, Duplicate: report.Stored > 0}, nil
}

func (a *app) export() *cobra.Command {
	var w where
	req := api.ExportRequest{}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the whole log to stdout: a CloudEvent a line, oldest first",
		Long: `Writes the whole log to stdout: CloudEvents in JSON, one a line, with all that the
catalogue has added to them. import makes a catalogue of it again.

Personal fields are opened, so that the file can be read by people and by another
catalogue, whose keys differ; keep it as carefully as a key. With --sealed they stay as
they are in the log, and only a catalogue with the same keys can import the file; the
certificates of restorations hold there too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.runExport(ctx, r, req) })
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.Uint64Var((*uint64)(&req.After), "after", 0, "only what comes after this event")
	f.BoolVar(&req.Sealed, "sealed", false, "leave personal fields sealed")
	return cmd
}

func (a *app) runExport(ctx context.Context, r *remote, req api.ExportRequest) error {
	p := newProgress(a.Err)
	defer p.clear()
	for {
		out, err := get[api.ExportResponse](ctx, r, operators+"export", req)
		if err != nil {
			return err
		}
		if _, err := a.Out.Write(out.Data); err != nil {
			return err
		}
		p.at(int(out.After), int(out.UpTo))
		if out.After == out.UpTo {
			return nil
		}
		req.After, req.Skip, req.UpTo = out.After, out.Skip, out.UpTo
	}
}
