package replay

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

const (
	// maxFaults bounds how many differences are listed of one view.
	maxFaults = 100
	// maxLooked bounds how many rows, about, are kept to be looked at one by one.
	maxLooked = 50_000
)

// differences makes a view's rows once more and lists, of the bins in which they
// differ from those it has, which do; and notes the aggregates they are about.
func (v *verification) differences(s *subject, bins []int, wrong map[events.Aggregate]bool) ([]Fault, error) {
	f := &finder{bins: map[int]bool{}, rows: map[string]*pair{}, about: map[events.Aggregate]*viewdb.Sum{}}
	rows := max(s.have.Sum().Rows, s.want.Sum().Rows, 1)
	looked := min(len(bins), max(1, int(maxLooked*viewdb.Bins/rows)))
	for _, bin := range bins[:looked] {
		f.bins[bin] = true
	}
	err := s.Snapshot.Scan(nil, nil, v.pacing(v.opts.Spare.Pace(), func(key, value []byte) { f.has(key, value) }))
	if err == nil {
		err = v.makeAgain(s, f)
	}
	if err != nil {
		return nil, err
	}
	for about, sum := range f.about {
		if *sum != (viewdb.Sum{}) {
			wrong[about] = true
		}
	}
	faults := f.faults(s.Projector.Name())
	for _, fault := range faults {
		wrong[fault.About] = wrong[fault.About] || !fault.About.IsZero()
	}
	if len(faults) == 0 && len(bins) > looked {
		faults = []Fault{{View: s.Projector.Name(), Seq: s.at.Seq, What: "its rows are not what the log makes of them"}}
	}
	return faults, nil
}

// makeAgain makes the rows that a view should have.
func (v *verification) makeAgain(s *subject, into *finder) error {
	if s.gathered != nil {
		return projectors.Gather(v.ctx, v.archive, v.history.Snapshot, func() projectors.Gatherers {
			rows := &rowsAbout{finder: into}
			return projectors.Gatherers{Pace: v.opts.Spare.Pace(), Each: []projectors.Gatherer{telling{gathererUpTo{s.gathered.Gather(rows), s.at.Seq}, rows}}}
		}, nil)
	}
	c, err := s.collected.Collect(into, 0, nil)
	if err != nil {
		return err
	}
	err = projectors.ReadDecoded(v.ctx, v.log, v.opts.Spare, projectors.NewVoucher(v.opts.Genesis), s.at.Seq, func(recorded []projectors.Recorded) error {
		for _, r := range recorded {
			if err := c.Add(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Close()
}

// rowsAbout are the rows that a Gatherer makes, whom they are about with them: an
// index entry does not say.
type rowsAbout struct {
	*finder
	about events.Aggregate
}

// Set takes a row that should be there.
func (r *rowsAbout) Set(key, value []byte) error { return r.Add(key, value, 0) }

// Add takes a row that should be there.
func (r *rowsAbout) Add(key, value []byte, rank uint64) error {
	return r.should(key, value, rank, r.about)
}

// telling tells the rows of a Gatherer whom they are about: those of an aggregate
// come with the first event of the next one.
type telling struct {
	projectors.Gatherer
	to *rowsAbout
}

// Add takes an event.
func (g telling) Add(p *projectors.Archived) error {
	err := g.Gatherer.Add(p)
	g.to.about = p.About
	return err
}

// finder holds rows against each other. As projectors.Rows it takes those that
// should be there.
type finder struct {
	mu    sync.Mutex
	bins  map[int]bool     // rows in them are kept
	rows  map[string]*pair // by key
	about map[events.Aggregate]*viewdb.Sum
}

// pair is a row as it is and as it should be.
type pair struct {
	have, want []byte // nil: there is none
	rank       uint64
	about      events.Aggregate // of what should be there; zero: the key says
}

func (f *finder) has(key, value []byte) {
	row := viewdb.RowSum(key, value)
	if sum := f.sumOf(key); sum != nil {
		*sum = sum.Plus(row)
	}
	if f.bins[viewdb.Bin(key)] {
		f.of(key).have = append([]byte{}, value...)
	}
}

// Set takes a row that should be there.
func (f *finder) Set(key, value []byte) error { return f.Add(key, value, 0) }

// Add takes a row that should be there.
func (f *finder) Add(key, value []byte, rank uint64) error {
	return f.should(key, value, rank, events.Aggregate{})
}

func (f *finder) should(key, value []byte, rank uint64, about events.Aggregate) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	row := viewdb.RowSum(key, value)
	if sum := f.sumOf(key); sum != nil {
		*sum = sum.Minus(row)
	}
	if !f.bins[viewdb.Bin(key)] {
		return nil
	}
	if p := f.of(key); p.want == nil || rank >= p.rank {
		p.want, p.rank, p.about = append([]byte{}, value...), rank, about
	}
	return nil
}

func (f *finder) of(key []byte) *pair {
	p := f.rows[string(key)]
	if p == nil {
		p = &pair{}
		f.rows[string(key)] = p
	}
	return p
}

// sumOf is the sum of what is there and should not be, less what is not there and
// should, of the aggregate that a row is about; nil for rows of other kinds.
func (f *finder) sumOf(key []byte) *viewdb.Sum {
	about, ok := aboutOf(key)
	if !ok {
		return nil
	}
	sum := f.about[about]
	if sum == nil {
		sum = &viewdb.Sum{}
		f.about[about] = sum
	}
	return sum
}

// aboutOf is the aggregate that a row's key begins with: that of an entity or more
// of them, of a head, of a quarantine, of an event. Rows of other kinds say none.
func aboutOf(key []byte) (about events.Aggregate, ok bool) {
	if len(key) < 18 || !strings.ContainsRune("ehqbu", rune(key[0])) {
		return about, false
	}
	return events.AggregateFromKey(key[1:18])
}

// faults lists the rows that differ, in key order.
func (f *finder) faults(view string) (faults []Fault) {
	for _, key := range slices.Sorted(maps.Keys(f.rows)) {
		p := f.rows[key]
		what := "the row is not what the log makes of it"
		switch {
		case p.have == nil:
			what = "the row is missing"
		case p.want == nil:
			what = "the row should not be there"
		case bytes.Equal(p.have, p.want):
			continue
		}
		fault := rowFault(view, []byte(key), what)
		if fault.About.IsZero() {
			fault.About = p.about
		}
		if faults = append(faults, fault); len(faults) == maxFaults {
			break
		}
	}
	return faults
}

// rowFault names the aggregate or the Seq that a row's key tells.
func rowFault(view string, key []byte, what string) Fault {
	f := Fault{View: view, What: fmt.Sprintf("%s (%x)", what, key)}
	f.About, _ = aboutOf(key) // zero for rows of other kinds
	if view == history.Name {
		f.Seq, _ = history.SeqOf(key)
	}
	return f
}
