package replay

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// ErrNoHistory is returned when views are to be held against the log and the
// history is not among them, or stands behind one of them.
var ErrNoHistory = errors.New("no history to compare with")

// Subject is a view to hold against the log, standing still: its own Seq is what
// the log is folded up to for it.
type Subject struct {
	Projector projectors.Projector
	Snapshot  *viewdb.Snapshot
}

// Subjects are pinned views.
func Subjects(pinned *projectors.Pinned) (out []Subject) {
	for _, v := range pinned.Views {
		out = append(out, Subject{v.Projector, v.Snapshot})
	}
	return out
}

// ViewReport is how a view compares with a fresh fold of the log. The digests are
// viewdb.Sums, in hex.
type ViewReport struct {
	Name          string     `json:"name"`
	Seq           events.Seq `json:"seq"`
	Rows          int64      `json:"rows"`
	Digest        string     `json:"digest"`                  // of its rows
	RebuiltDigest string     `json:"rebuilt_digest,omitzero"` // of the fresh fold's rows; empty: there is no telling while the history is wrong
}

// Options are what a verification can do without.
type Options struct {
	Progress func(at, of events.Seq) // hears how far it has come
	Spare    *projectors.Spare       // what it may use of the processors
	Genesis  deletion.Genesis        // what the first policy is held against
}

// Report is what a verification found.
type Report struct {
	Events events.Seq   `json:"events"`         // how many events the log was read up to
	Since  events.Seq   `json:"since,omitzero"` // what lies before was proven then, and the log read from there; 0: all of it
	Anew   string       `json:"anew,omitzero"`  // why it did not go on from the last proof, when there was one
	Views  []ViewReport `json:"views"`
	Faults []Fault      `json:"faults,omitzero"`
	// PassedOver are events that may not stand where they do and count for nothing, in no
	// view: somebody has written past the catalogue. At most 1000 are listed.
	PassedOver []Fault `json:"passed_over,omitzero"`

	Hash  events.Rolling `json:"-"` // of the log up to Events
	Proof Proof          `json:"-"` // what this has proven; zero unless OK

	wrong map[events.Aggregate]bool
}

// OK tells whether nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// Wrong tells whether a view has other rows of an aggregate than the log makes.
func (r Report) Wrong(about events.Aggregate) bool { return r.wrong[about] }

// Told tells whether every view could be held against the log.
func (r Report) Told() bool {
	for _, v := range r.Views {
		if v.RebuiltDigest == "" {
			return false
		}
	}
	return len(r.Views) > 0
}

// Verify is fsck. It reads the whole log again and checks it in itself; holds
// against it every row of the views that are made of the log in its order, the
// history among them; and folds that history again, by aggregate, for every row
// of the others. Nothing is taken from a checkpoint, and nothing is written: the
// rows are summed as they come (see viewdb.Sum), and looked at one by one only
// where the sums differ. When the log has a gap, nothing can be said of the views,
// and the report has none.
//
// The history must be among the subjects, none of which may stand further on.
func Verify(ctx context.Context, log Log, subjects []Subject, opts Options) (Report, error) {
	v, err := newVerification(ctx, log, subjects, opts)
	if err == nil {
		err = together(v.scan, v.fold)
	}
	var r Report
	if err == nil {
		r, err = v.report()
	}
	if err != nil {
		err = fmt.Errorf("verify: %w", err)
	}
	return r, err
}

// report compares what was found, and folds the history where that is worth it.
func (v *verification) report() (r Report, err error) {
	if err := v.check.end(v.ctx, v.log, v.upTo); err != nil {
		return r, err
	}
	r = Report{Events: v.check.at, Hash: v.check.hash, Faults: v.check.faults, PassedOver: v.check.passed, wrong: map[events.Aggregate]bool{}}
	if v.check.torn {
		return r, nil
	}
	for _, s := range v.subjects {
		if s.collected == nil {
			continue
		}
		if err := v.compare(s, &r); err != nil {
			return r, err
		}
	}
	if v.history.trusted {
		if err := v.gather(); err != nil {
			return r, err
		}
	}
	for _, s := range v.subjects {
		if s.gathered == nil || !v.history.trusted {
			continue
		}
		if err := v.compare(s, &r); err != nil {
			return r, err
		}
	}
	for _, s := range v.subjects {
		r.Views = append(r.Views, s.report())
	}
	if r.OK() {
		r.Proof = v.proof()
	}
	return r, nil
}

// compare holds a subject's rows against those that the log makes.
func (v *verification) compare(s *subject, r *Report) error {
	if v.check.rolls[s.at.Seq] != s.at.Rolling {
		r.Faults = append(r.Faults, Fault{View: s.Projector.Name(), Seq: s.at.Seq, What: "the rolling hash of its checkpoint is not the log's"})
	}
	s.compared, s.trusted = true, true
	bins := s.have.Differ(&s.want)
	if len(bins) == 0 {
		return nil
	}
	faults, err := v.differences(s, bins, r.wrong)
	if err != nil {
		return err
	}
	if s.trusted = len(faults) == 0; s.trusted {
		s.want = s.have // a row was made twice, alike
	}
	r.Faults = append(r.Faults, faults...)
	return nil
}

func (s *subject) report() ViewReport {
	have := s.have.Sum()
	r := ViewReport{Name: s.Projector.Name(), Seq: s.at.Seq, Rows: have.Rows, Digest: have.String()}
	if s.compared {
		r.RebuiltDigest = s.want.Sum().String()
	}
	return r
}
