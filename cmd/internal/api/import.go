package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// # How a file is imported
//
// The file is sent in pieces (ImportSend) and then run (ImportRun). First every
// line is decided, on a rehearsal that begins where the log stands: only when
// all of them would be accepted is anything written. What the log already has,
// word for word, is passed over, so that an import that was cut off can be
// given again.
//
// There are two kinds of file. Events of producers, which carry nothing that the
// catalogue adds, are published as the operator's own. A log, which is what
// Export gives, carries everything: its events are to stand here as they stood
// there, at the same Seq, recorded at the same time, deletes and restorations
// among them. So a log can only be imported where it goes on from what there
// is: into an empty catalogue, or into one that is a beginning of it.
//
// Deletions, all that leads to them and restorations go into an empty catalogue only,
// as the whole log in which they stand. What is imported says itself when it was
// recorded, and what is rehearsed and checked: in a catalogue that lives that would be a
// way around whatever has to wait.

// ImportSendRequest is a piece of a file.
type ImportSendRequest struct {
	Import string `json:"import,omitzero"` // as the first answer named it; empty for the first piece
	Offset int64  `json:"offset"`          // where the piece begins
	Data   []byte `json:"data"`
}

// ImportSendResponse says how much has arrived.
type ImportSendResponse struct {
	Import string `json:"import"`
	Offset int64  `json:"offset"` // where the next piece begins
}

// ImportRunRequest runs what was sent. It can be run once.
type ImportRunRequest struct {
	Import string `json:"import"`
	DryRun bool   `json:"dry_run,omitzero"` // decide everything and write nothing
}

// ImportReport is what became of a file.
type ImportReport struct {
	Seq     events.Seq  `json:"as_of_seq"` // where the log stood when the lines were decided
	Lines   int         `json:"lines"`
	Log     bool        `json:"log,omitzero"`     // the file is a log
	Stored  int         `json:"stored"`           // lines that the log had already
	Written int         `json:"written"`          // lines that are written now, or would be
	LastSeq events.Seq  `json:"last_seq"`         // the last event of the file in this log, as far as it is written
	DryRun  bool        `json:"dry_run,omitzero"` // nothing was to be written
	Faults  int         `json:"faults"`           // lines that are refused
	Refused []LineFault `json:"refused,omitzero"` // the first of them
}

// LineFault is why a line is refused.
type LineFault struct {
	Line  int            `json:"line"`
	ID    events.EventID `json:"id,omitzero"`
	Error *client.Error  `json:"error"`
}

// ImportStatus tells how far a run has come.
type ImportStatus struct {
	Phase string `json:"phase"` // receiving, deciding, writing
	Lines int    `json:"lines"` // done in that phase
}

// ImportStatusRequest names an import.
type ImportStatusRequest struct {
	Import string `json:"import"`
}

const (
	maxFaults  = 100 // lines shown of those refused
	maxImports = 4   // at the same time
)

// imports are the files on their way. The zero value has none.
type imports struct {
	mu    sync.Mutex
	files map[string]*importFile
}

// importFile is a file on its way.
type importFile struct {
	mu     sync.Mutex
	name   string
	file   *os.File
	size   int64
	status ImportStatus
}

func (f *importFile) at(phase string, lines int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = ImportStatus{Phase: phase, Lines: lines}
}

// ImportSend takes a piece of a file. A piece that was sent before is taken
// again.
func (a *API) ImportSend(_ context.Context, who auth.Caller, req ImportSendRequest) (out ImportSendResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	f, err := a.imports.begin(a.sys.Dir, req.Import)
	if err != nil {
		return out, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil || req.Offset < 0 || req.Offset > f.size {
		return out, badField("offset", "is %d, %d bytes of the file are here", req.Offset, f.size)
	}
	if _, err := f.file.WriteAt(req.Data, req.Offset); err != nil {
		return out, fmt.Errorf("keep a piece of the file: %w", err)
	}
	f.size = max(f.size, req.Offset+int64(len(req.Data)))
	return ImportSendResponse{Import: f.name, Offset: f.size}, nil
}

// begin finds a file on its way, or begins one when name is empty. A file that a
// crash leaves is removed when the daemon starts.
func (i *imports) begin(dir, name string) (*importFile, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if name != "" {
		f, ok := i.files[name]
		if !ok {
			return nil, badField("import", "%.40q is not on its way; begin again without one", name)
		}
		return f, nil
	}
	if len(i.files) >= maxImports {
		return nil, fmt.Errorf("%w: %d imports are on their way, no more are taken; wait for one to end", events.ErrUnavailable, len(i.files))
	}
	if i.files == nil {
		i.files = map[string]*importFile{}
	}
	file, err := os.CreateTemp(dir, "import-") // readable by its owner only
	if err != nil {
		return nil, err
	}
	f := &importFile{name: uuid.NewString(), file: file, status: ImportStatus{Phase: "receiving"}}
	i.files[f.name] = f
	return f, nil
}

// take hands over a file for its only run.
func (i *imports) take(name string) (f *importFile, done func() error, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f, ok := i.files[name]
	if !ok || f.status.Phase != "receiving" {
		return nil, nil, badField("import", "%.40q is not on its way; send the file first", name)
	}
	f.at("deciding", 0)
	return f, func() error {
		i.mu.Lock()
		delete(i.files, name)
		i.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		file := f.file
		f.file = nil
		return errors.Join(file.Close(), os.Remove(file.Name()))
	}, nil
}

// ImportStatus tells how far a run has come.
func (a *API) ImportStatus(_ context.Context, who auth.Caller, req ImportStatusRequest) (out ImportStatus, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if req.Import == "" {
		return out, badField("import", "is missing")
	}
	f, err := a.imports.begin(a.sys.Dir, req.Import)
	if err != nil {
		return out, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, nil
}

// ImportRun decides every line of a file and, when none is refused, writes them.
func (a *API) ImportRun(ctx context.Context, who auth.Caller, req ImportRunRequest) (out ImportReport, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	f, done, err := a.imports.take(req.Import)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, done()) }()
	defer a.sys.PauseDeletions()()
	rehearsal, err := a.sys.Rehearse(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, rehearsal.Close(ctx)) }()
	out.Seq, out.DryRun = rehearsal.At, req.DryRun
	decide := importer{api: a, who: who, file: f, phase: "deciding", service: rehearsal.Service, rehearsal: rehearsal, report: &out, since: rehearsal.Since}
	if err := decide.run(ctx); err != nil || out.Faults == 0 && req.DryRun {
		return out, err
	}
	if out.Faults > 0 {
		out.Written, out.LastSeq = 0, 0
		return out, nil
	}
	out.Lines, out.Stored, out.Written, out.LastSeq = 0, 0, 0, 0
	write := importer{api: a, who: who, file: f, phase: "writing", service: a.sys.Service, report: &out, since: rehearsal.Since}
	return out, write.run(ctx)
}
