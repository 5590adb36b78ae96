package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

// importer takes a file through a Service, the rehearsal's or the real one.
type importer struct {
	api       *API
	who       auth.Caller
	file      *importFile
	phase     string
	service   *catalogue.Service
	rehearsal *daemon.Rehearsal // nil when writing
	report    *ImportReport

	last  events.Seq  // of the line before, in a log
	since events.Time // recorded, of the last event that is there or is to come before
	unit  []line      // of a unit that is not whole yet
	batch []ask
	size  int // lines in the batch
}

// line is an event of the file.
type line struct {
	number int
	event  events.Event
}

// ask is a unit of the file: its lines, and what is asked of the Service.
type ask struct {
	lines   []line
	request catalogue.Request
}

// importBatch is how many lines are asked for at once.
const importBatch = 1000

// clocksApart is how far the clock of the machine that a log comes from may be ahead.
const clocksApart = time.Minute

// errImportStopped ends a write that cannot go on.
var errImportStopped = errors.New("stopped")

func (i *importer) run(ctx context.Context) error {
	err := events.ReadNDJSON(io.NewSectionReader(i.file.file, 0, i.file.size), func(number int, e events.CloudEvent, fault error) error {
		i.report.Lines = number
		if fault == nil {
			fault = i.admit(number, e)
		}
		if fault != nil {
			i.refuse(line{number: number, event: e.Event}, fault)
			return ctx.Err()
		}
		return i.take(ctx, line{number: number, event: e.Event})
	})
	if err == nil && len(i.unit) > 0 {
		last := i.unit[len(i.unit)-1]
		i.refuse(last, badField("unitmore", "says that %d events of the unit follow, and the file ends", last.event.More))
	}
	if err == nil {
		err = i.flush(ctx)
	}
	if errors.Is(err, errImportStopped) {
		return nil
	}
	return err
}

func (i *importer) refuse(l line, err error) {
	i.report.Faults++
	if len(i.report.Refused) < maxFaults {
		i.report.Refused = append(i.report.Refused, LineFault{Line: l.number, ID: l.event.ID, Error: ErrorOf(err)})
	}
}

// admit checks what needs no state.
func (i *importer) admit(number int, e events.CloudEvent) error {
	if number == 1 {
		i.report.Log = e.Seq != 0
	}
	switch {
	case i.report.Log && e.Seq == 0:
		return badField("seq", "is missing; the file begins as a log, in which every event has one")
	case i.report.Log && e.RecordedTime == 0:
		return badField("recordedtime", "is missing; in a log every event has one")
	case i.report.Log && i.last != 0 && e.Seq != i.last+1:
		err := badField("seq", "is %d, %d comes after the line before", e.Seq, i.last+1)
		i.last = e.Seq
		return err
	case !i.report.Log && (e.Seq != 0 || e.RecordedTime != 0 || e.Via != "" || e.More != 0):
		return badField("seq", "and recordedtime, via, unitmore are set by the catalogue; leave them out, or import a whole log")
	}
	i.last = e.Seq
	if i.report.Log && i.report.Seq > 0 && e.Seq > i.report.Seq {
		if err := i.goesOn(e.Event); err != nil {
			return err
		}
	}
	return i.validate(e)
}

// goesOn checks an event of a log that is to go on from what there is. What the catalogue
// alone writes it refuses; and times that are behind those there are, or ahead: deletions
// wait for what has passed since.
func (i *importer) goesOn(e events.Event) error {
	if e.Governed() || e.Type().Internal() && e.About.Kind != events.AggregateClaim {
		return catalogue.Refuse(catalogue.ErrForbidden, "import the whole log into an empty catalogue",
			"the log stands at %d, and %s goes into an empty one only", i.report.Seq, e.Type())
	}
	if now := i.api.sys.Now(); e.RecordedTime < i.since || e.RecordedTime > now.Add(clocksApart) {
		return catalogue.Refuse(catalogue.ErrForbidden, "import the whole log into an empty catalogue",
			"the log stands at %d, and what goes on from there was recorded after %s and before %s, not at %s", i.report.Seq, i.since, now, e.RecordedTime)
	}
	i.since = e.RecordedTime
	return nil
}

// validate holds the data against its schema. In a log what stands for a
// personal field may be sealed or erased.
func (i *importer) validate(e events.CloudEvent) error {
	err := i.api.schemas.Validate(string(e.Type()), e.Data)
	var invalid *schemas.Error
	if !i.report.Log || !errors.As(err, &invalid) {
		return err
	}
	personal := i.api.schemas.Personal(string(e.Type()))
	rest := slices.DeleteFunc(slices.Clone(invalid.Faults), func(f schemas.Fault) bool {
		return slices.ContainsFunc(personal, func(path string) bool { return samePath(path, strings.TrimPrefix(f.Path, "data.")) })
	})
	if len(rest) == 0 {
		return nil
	}
	return &schemas.Error{Type: invalid.Type, Faults: rest}
}

// samePath tells whether path is one that the pattern means, in which a * is any
// place in a list.
func samePath(pattern, path string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(path, ".")
	return slices.EqualFunc(want, have, func(w, h string) bool { return w == "*" || w == h })
}

// take gathers lines to units, and units to batches.
func (i *importer) take(ctx context.Context, l line) error {
	if len(i.unit) > 0 {
		if before := i.unit[len(i.unit)-1].event; l.event.More != before.More-1 {
			i.refuse(l, badField("unitmore", "is %d, %d comes after the line before", l.event.More, before.More-1))
			i.unit = nil
			return nil
		}
	}
	i.unit = append(i.unit, l)
	if l.event.More > 0 {
		return nil
	}
	i.batch = append(i.batch, ask{lines: i.unit, request: i.request(i.unit)})
	i.size += len(i.unit)
	i.unit = nil
	if i.size < importBatch {
		return nil
	}
	return i.flush(ctx)
}

// request is what to ask of the Service for a unit. The claims in it derive from
// its other events, as they did where the log was written.
func (i *importer) request(unit []line) (r catalogue.Request) {
	last := unit[len(unit)-1].event
	if i.report.Log {
		r.Recorded = &catalogue.Recorded{Last: last.Seq, Time: last.RecordedTime, Via: last.Via}
	}
	for _, l := range unit {
		if i.report.Log && l.event.About.Kind == events.AggregateClaim {
			continue
		}
		e := l.event
		e.Seq, e.RecordedTime, e.Via, e.More = 0, 0, "", 0
		r.Events = append(r.Events, e)
	}
	return r
}

// credential is whose events the file's are.
func (i *importer) credential() catalogue.Credential {
	c := i.who.Credential()
	if i.report.Log {
		c.Roles = append(c.Roles, catalogue.RoleInternal)
	}
	return c
}

// flush asks for the batch.
func (i *importer) flush(ctx context.Context) error {
	batch := i.batch
	i.batch, i.size = nil, 0
	if len(batch) == 0 {
		return nil
	}
	requests := make([]catalogue.Request, len(batch))
	for n, a := range batch {
		requests[n] = a.request
	}
	stop := false
	for n, v := range i.service.Publish(ctx, i.credential(), requests...) {
		stop = !i.settle(batch[n], v) || stop
	}
	i.file.at(i.phase, i.report.Lines)
	if stop && i.rehearsal == nil {
		return errImportStopped // somebody else has written meanwhile
	}
	return ctx.Err()
}

// settle takes the answer to a unit. It tells whether the unit stands, or would.
func (i *importer) settle(a ask, v catalogue.Verdict) bool {
	last := a.lines[len(a.lines)-1]
	if v.Err == nil && i.report.Log && v.Seq != last.event.Seq {
		v.Err = fmt.Errorf("%w: %s stands at %d here and at %d in the file; a log goes only where a beginning of it is",
			events.ErrConflict, v.ID, v.Seq, last.event.Seq)
	}
	if v.Err != nil {
		i.refuse(last, v.Err)
		return false
	}
	if !v.Duplicate && !i.same(a) {
		return false
	}
	i.report.LastSeq = max(i.report.LastSeq, v.Seq)
	if v.Duplicate {
		i.report.Stored += len(a.lines)
	} else {
		i.report.Written += len(a.lines)
	}
	return true
}

// same holds the lines of a unit that would be written against the events that
// would be: the claims among them were derived, not read.
func (i *importer) same(a ask) bool {
	if i.rehearsal == nil || !i.report.Log {
		return true
	}
	for _, l := range a.lines {
		if id, ok := i.rehearsal.Would(l.event.Seq); !ok || id != l.event.ID {
			i.refuse(l, badField("id", "is %s, but %s would stand at %d: the file is not the log of a catalogue", l.event.ID, id, l.event.Seq))
			return false
		}
	}
	return true
}
