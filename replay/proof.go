package replay

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Proof is what a verification has proven: that up to an event every row of some
// views is what the log makes of it. What comes later can be proven from there
// (see [VerifySince]).
type Proof struct {
	Stream  string         `json:"stream"`
	Seq     events.Seq     `json:"seq"`
	Event   events.EventID `json:"event"`
	Rolling string         `json:"rolling_hash"` // of the log up to there, hex
	Views   []ProvenView   `json:"views"`
}

// ProvenView is a view as it was then.
type ProvenView struct {
	Name   string `json:"name"`
	Format uint32 `json:"format"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"` // viewdb.Sum of its rows, hex
}

// IsZero tells whether it proves nothing.
func (p Proof) IsZero() bool { return p.Seq == 0 }

// proof is what was proven of the subjects that stand where the history does.
func (v *verification) proof() Proof {
	at := v.history.at
	p := Proof{Stream: at.Stream, Seq: at.Seq, Event: at.Event, Rolling: hex.EncodeToString(at.Rolling[:])}
	for _, s := range v.subjects {
		if s.at != at {
			continue
		}
		sum := s.have.Sum()
		p.Views = append(p.Views, ProvenView{Name: s.Projector.Name(), Format: s.Projector.Format(), Rows: sum.Rows, Digest: sum.String()})
	}
	return p
}

// VerifySince is Verify for what a proof does not cover yet: the events after it,
// and every row of the views. The log is read from there on, and from where the
// rows begin that the next events share with those before. The aggregates
// that have events since are folded again up to the proof, whose rows are taken
// off what was proven, and up to now, whose rows take their place; that must be
// what the views have, all of it. Event ids are compared among those events
// alone. If anything differs, or the proof is of other views or of another log,
// everything is verified.
func VerifySince(ctx context.Context, log Log, subjects []Subject, proof Proof, opts Options) (Report, error) {
	v, err := newVerification(ctx, log, subjects, opts)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	why := error(nil)
	want, err := v.proven(proof)
	if err == nil {
		since := &tail{verification: v, from: proof, want: want, touched: map[events.Aggregate]bool{}}
		if err = together(v.scan, since.fold); err == nil {
			r, ok := since.report()
			if ok {
				return r, nil
			}
			why = errors.New("something has changed that no event has changed")
		} else if !errors.Is(err, viewdb.ErrCorrupt) {
			return Report{}, fmt.Errorf("verify since event %d: %w", proof.Seq, err)
		}
	}
	if err != nil {
		why = err
	}
	r, err := Verify(ctx, log, subjects, opts)
	if r.Anew = why.Error(); proof.IsZero() {
		r.Anew = ""
	}
	return r, err
}

// proven is the sum that a proof has of each subject; the log's hash goes on from
// the proof's.
func (v *verification) proven(p Proof) (want []viewdb.Sum, err error) {
	if p.IsZero() || p.Stream != v.history.at.Stream || p.Seq > v.upTo {
		return nil, fmt.Errorf("%w: the proof is of event %d of log %q", projectors.ErrOtherLog, p.Seq, p.Stream)
	}
	rolling, err := hex.DecodeString(p.Rolling)
	if err != nil || len(rolling) != len(v.check.hash) {
		return nil, fmt.Errorf("the proof's rolling hash %q is none", p.Rolling)
	}
	copy(v.check.hash[:], rolling)
	for _, s := range v.subjects {
		i := slices.IndexFunc(p.Views, func(of ProvenView) bool {
			return of.Name == s.Projector.Name() && of.Format == s.Projector.Format()
		})
		if i < 0 || s.at != v.history.at {
			return nil, fmt.Errorf("%w: view %s", projectors.ErrNoView, s.Projector.Name())
		}
		sum, err := viewdb.ParseSum(p.Views[i].Digest, p.Views[i].Rows)
		if err != nil {
			return nil, err
		}
		want = append(want, sum)
	}
	return want, nil
}

// tail is a verification of what came after a proof.
type tail struct {
	*verification

	from    Proof
	want    []viewdb.Sum // of each subject's rows; proven first, and then as the log goes on
	touched map[events.Aggregate]bool
}

// fold makes what has become of the rows since.
func (t *tail) fold() error {
	after := t.from.Seq - 1 // so that the proof's own event is met
	for _, s := range t.subjects {
		if s.collected != nil {
			after = min(after, s.collected.Since(t.from.Seq))
		}
	}
	t.check.at, t.check.known, t.check.knownAs = after, t.from.Seq, t.from.Event
	var to []collectorUpTo
	var ended []func()
	for i, s := range t.subjects {
		if s.collected == nil {
			continue
		}
		for _, part := range t.sides(i) {
			c, err := s.collected.Collect(tallied{&part.sum}, after, s.Snapshot)
			if err != nil {
				return err
			}
			to = append(to, collectorUpTo{c, part.upTo})
			ended = append(ended, part.count)
		}
	}
	// What the history has of the past is compared with what was proven of it.
	voucher, err := projectors.VoucherFrom(t.opts.Genesis, t.archive, t.history.Snapshot, after)
	if err != nil {
		return err
	}
	err = t.readLog(voucher, to, func(r projectors.Recorded) {
		if r.Seq > t.from.Seq {
			t.touched[r.About] = true
		}
	})
	if err != nil || t.check.torn {
		return err
	}
	for _, count := range ended {
		count()
	}
	return t.gather()
}

// side is rows of a subject, made up to an event, and what to do with their sum.
type side struct {
	upTo  events.Seq
	sum   viewdb.Tally
	count func()
}

// sides are the two of a subject: the rows as the proof has them, which are taken
// off, and the rows as they should be now.
func (t *tail) sides(subject int) [2]*side {
	was, is := &side{upTo: t.from.Seq}, &side{upTo: t.upTo}
	was.count = func() { t.want[subject] = t.want[subject].Minus(was.sum.Sum()) }
	is.count = func() { t.want[subject] = t.want[subject].Plus(is.sum.Sum()) }
	return [2]*side{was, is}
}

// gather makes the rows of the aggregates that have events since, as they were
// and as they are.
func (t *tail) gather() error {
	about := make([]events.Aggregate, 0, len(t.touched))
	for a := range t.touched {
		about = append(about, a)
	}
	slices.SortFunc(about, func(a, b events.Aggregate) int { return cmp.Compare(string(a.Key()), string(b.Key())) })
	var work []func() error
	var ended []func()
	workers := runtime.GOMAXPROCS(0)
	for share := range slices.Chunk(about, max(1, (len(about)+workers-1)/workers)) {
		to := projectors.Gatherers{Pace: t.opts.Spare.Pace()}
		for i, s := range t.subjects {
			if s.gathered == nil {
				continue
			}
			for _, part := range t.sides(i) {
				to.Each = append(to.Each, gathererUpTo{s.gathered.Gather(tallied{&part.sum}), part.upTo})
				ended = append(ended, part.count)
			}
		}
		work = append(work, func() error {
			return projectors.GatherOf(t.ctx, t.archive, t.history.Snapshot, share, to)
		})
	}
	if err := together(work...); err != nil {
		return err
	}
	for _, count := range ended {
		count()
	}
	return nil
}

// report tells whether everything is as it should be, and what was found then.
func (t *tail) report() (r Report, ok bool) {
	if err := t.check.end(t.ctx, t.log, t.upTo); err != nil || t.check.torn || len(t.check.faults) > 0 {
		return r, false
	}
	r = Report{Events: t.check.at, Since: t.from.Seq, PassedOver: t.check.passed, Hash: t.check.hash, Proof: t.proof()}
	for i, s := range t.subjects {
		have := s.have.Sum()
		if have != t.want[i] || t.check.hash != s.at.Rolling {
			return r, false
		}
		r.Views = append(r.Views, ViewReport{
			Name: s.Projector.Name(), Seq: s.at.Seq, Rows: have.Rows, Digest: have.String(), RebuiltDigest: t.want[i].String(),
		})
	}
	return r, true
}
