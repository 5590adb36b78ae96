package replay

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// Subject is a view to verify, standing still: its own Seq is what the log is
// folded up to for it.
type Subject struct {
	Projector projectors.Projector
	Snapshot  *viewdb.Snapshot
}

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
// into scratch views, which scratch opens and Verify closes. Every row of every
// subject must be the same; when the log has a gap, nothing can be said of them,
// and the report has no views. progress, when set, hears how far it has come.
func Verify(ctx context.Context, log Log, stream string, subjects []Subject, scratch func(projectors.Projector) (*viewdb.DB, error), progress func(at, of events.Seq)) (Report, error) {
	v := &verifier{stream: stream, log: newLogCheck()}
	defer v.close()
	for _, s := range subjects {
		db, err := scratch(s.Projector)
		if err != nil {
			return Report{}, fmt.Errorf("verify view %s: %w", s.Projector.Name(), err)
		}
		at := s.Snapshot.Checkpoint()
		v.views = append(v.views, &verified{Subject: s, at: at, db: db})
		v.upTo = max(v.upTo, at.Seq)
	}
	err := log.Read(ctx, 0, v.upTo, func(stored []events.Stored) error {
		if progress != nil {
			progress(stored[len(stored)-1].Seq, v.upTo)
		}
		return errors.Join(v.fold(stored), ctx.Err())
	})
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return v.report()
}

type verifier struct {
	stream  string
	upTo    events.Seq
	views   []*verified
	log     *logCheck
	torn    bool    // the log has a gap: no view can be folded any further
	faults  []Fault // of the views
	decoded []projectors.Recorded
}

// verified is a subject with its fresh fold.
type verified struct {
	Subject
	at      viewdb.Checkpoint
	db      *viewdb.DB
	rolling events.Rolling // of the log at the subject's Seq
}

func (v *verifier) close() {
	for _, view := range v.views {
		_ = view.db.Close() // scratch
	}
}

// fold checks the events in themselves and folds them into every scratch view
// that stands before them.
func (v *verifier) fold(stored []events.Stored) error {
	v.decoded = projectors.Decode(v.decoded, stored)
	rolls := make([]events.Rolling, len(stored))
	for i, s := range stored {
		v.torn = v.torn || s.Seq != v.log.at+1
		v.log.add(s, v.decoded[i].Err)
		rolls[i] = v.log.hash
	}
	if v.torn {
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, len(v.views))
	for i, view := range v.views {
		n := 0
		for n < len(stored) && stored[n].Seq <= view.at.Seq {
			n++
		}
		if n == 0 {
			continue
		}
		view.rolling = rolls[n-1]
		wg.Go(func() {
			errs[i] = projectors.Apply(view.db, view.Projector, v.stream, v.decoded[:n], rolls[n-1])
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// report compares every subject with its fresh fold.
func (v *verifier) report() (Report, error) {
	v.log.end(v.upTo)
	r := Report{Events: v.log.at, Faults: v.log.faults}
	if v.torn {
		return r, nil
	}
	for _, view := range v.views {
		have, rows, err := viewdb.Digest(view.Snapshot)
		if err != nil {
			return r, err
		}
		want, _, err := viewdb.Digest(view.db)
		if err != nil {
			return r, err
		}
		name := view.Projector.Name()
		r.Views = append(r.Views, ViewReport{
			Name: name, Seq: view.at.Seq, Rows: rows,
			Digest: hex.EncodeToString(have[:]), RebuiltDigest: hex.EncodeToString(want[:]),
		})
		if view.rolling != view.at.Rolling {
			v.faults = append(v.faults, Fault{View: name, Seq: view.at.Seq, What: "the rolling hash of its checkpoint is not the log's"})
		}
		if have == want {
			continue
		}
		faults, err := differences(view)
		if err != nil {
			return r, err
		}
		v.faults = append(v.faults, faults...)
	}
	r.Faults = append(r.Faults, v.faults...)
	return r, nil
}

// differences lists the rows that are not what the log makes of them.
func differences(view *verified) ([]Fault, error) {
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
	if err := compare(view.db, view.Snapshot, "the row is missing", true); err != nil {
		return nil, err
	}
	if len(faults) >= maxFaults {
		return faults, nil
	}
	return faults, compare(view.Snapshot, view.db, "the row should not be there", false)
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
