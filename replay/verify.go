package replay

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// ViewReport is how a view compares with a fresh fold of the log.
type ViewReport struct {
	Name          string     `json:"name"`
	Seq           events.Seq `json:"seq"`
	Rows          int        `json:"rows"`
	Digest        string     `json:"digest"`         // of its rows, hex
	RebuiltDigest string     `json:"rebuilt_digest"` // of the fresh fold's rows, hex
}

// Report is what verify found.
type Report struct {
	Events events.Seq   `json:"events"` // how many events the log was read up to
	Views  []ViewReport `json:"views"`
	Faults []Fault      `json:"faults,omitzero"`
}

// OK tells whether nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// maxFaults bounds how many differences are listed of one view.
const maxFaults = 100

// Verify is fsck: it reads the whole log again, checks it in itself, and folds it
// into views of its own, in scratch, which it closes. Every row of every subject
// must be the same; when the log has a gap, nothing can be said of them, and the
// report has no views. progress, when set, hears how far it has come.
func Verify(ctx context.Context, log Log, stream string, subjects []Subject, scratch Scratch, progress func(at, of events.Seq)) (Report, error) {
	f, err := NewRefold(ctx, log, stream, subjects, scratch, progress)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	r, err := f.Report(ctx)
	return r, errors.Join(err, f.Close())
}

// compare holds a subject against its fresh fold.
func (v *refolded) compare() (r ViewReport, faults []Fault, err error) {
	have, rows, err := viewdb.Digest(v.Snapshot)
	if err != nil {
		return r, nil, err
	}
	want, _, err := viewdb.Digest(v.db())
	if err != nil {
		return r, nil, err
	}
	name := v.Projector.Name()
	r = ViewReport{
		Name: name, Seq: v.at.Seq, Rows: rows,
		Digest: hex.EncodeToString(have[:]), RebuiltDigest: hex.EncodeToString(want[:]),
	}
	if v.db().Checkpoint().Rolling != v.at.Rolling {
		faults = append(faults, Fault{View: name, Seq: v.at.Seq, What: "the rolling hash of its checkpoint is not the log's"})
	}
	if have == want {
		return r, faults, nil
	}
	differ, err := differences(v)
	return r, append(faults, differ...), err
}

// differences lists the rows that are not what the log makes of them.
func differences(view *refolded) ([]Fault, error) {
	var faults []Fault
	compare := func(from, with viewdb.Reader, missing string, values bool) error {
		return from.Scan(nil, nil, func(key, value []byte) error {
			other, found, err := with.Get(key)
			if err != nil {
				return err
			}
			what := ""
			switch {
			case !found:
				what = missing
			case values && string(other) != string(value):
				what = "the row is not what the log makes of it"
			default:
				return nil
			}
			faults = append(faults, rowFault(view.Projector.Name(), key, what))
			if len(faults) >= maxFaults {
				return viewdb.ErrStop
			}
			return nil
		})
	}
	if err := compare(view.db(), view.Snapshot, "the row is missing", true); err != nil {
		return nil, err
	}
	if len(faults) >= maxFaults {
		return faults, nil
	}
	return faults, compare(view.Snapshot, view.db(), "the row should not be there", false)
}

// rowFault names the aggregate or the Seq that a row's key tells.
func rowFault(view string, key []byte, what string) Fault {
	f := Fault{View: view, What: fmt.Sprintf("%s (%x)", what, key)}
	if len(key) >= 18 {
		f.About, _ = events.AggregateFromKey(key[1:18]) // zero for rows of other kinds
	}
	if view == history.Name {
		f.Seq, _ = history.SeqOf(key)
	}
	return f
}
