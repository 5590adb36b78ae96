package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// Point is a restore point, resolved: everything up to and including Seq.
type Point struct {
	Text  string      `json:"text"`          // as it was asked for
	Seq   events.Seq  `json:"seq"`           // the place in the log it stands for
	Time  events.Time `json:"time,omitzero"` // the instant, where one was asked for
	Last  *Neighbour  `json:"last,omitzero"` // the event at Seq
	Next  *Neighbour  `json:"next,omitzero"` // the first event that is left out
	Count uint64      `json:"after"`         // how many events are left out
	// Ambiguous lists events after Seq that were recorded at that instant or
	// before it all the same, because a clock ran backwards. Choose a seq:N.
	Ambiguous []Neighbour `json:"ambiguous,omitzero"`
}

// Neighbour is an event beside a restore point.
type Neighbour struct {
	Seq          events.Seq       `json:"seq"`
	ID           events.EventID   `json:"id"`
	Type         events.Type      `json:"type"`
	About        events.Aggregate `json:"subject"`
	RecordedTime events.Time      `json:"recordedtime,omitzero"`
	Actor        string           `json:"actor,omitzero"`
	Run          events.RunID     `json:"run,omitzero"`
}

// asked is a restore point before it is resolved.
type asked struct {
	seq     events.Seq    // seq:N
	time    events.Time   // RFC 3339, or -2h from now
	run     events.RunID  // before run_…
	earlier time.Duration // 5m before run_…
}

// ResolvePoint finds the Seq that a text stands for. The texts are:
//
//	2022-04-05T07:33:00Z    everything recorded up to then
//	-2h                     everything recorded up to two hours before now
//	seq:4711                everything up to that event
//	before run_…            everything before the run's first event
//	5m before run_…         everything recorded up to five minutes before it
//
// A Seq inside a unit moves back to before the unit: a state in its middle
// never was.
func ResolvePoint(r Reader, text string, now events.Time) (Point, error) {
	a, err := parsePoint(text, now)
	if err != nil {
		return Point{}, err
	}
	p := Point{Text: text, Seq: a.seq, Time: a.time}
	var resolved history.Resolved
	if !a.run.IsZero() {
		if err := beforeRun(r, a, &p); err != nil {
			return p, err
		}
	}
	if p.Time != 0 {
		if resolved, err = r.Resolve(p.Time); err != nil {
			return p, err
		}
		p.Seq = resolved.Seq
	}
	if p.Seq > r.Head() {
		return p, fmt.Errorf("%q: %w: the last event is %d", text, ErrPoint, r.Head())
	}
	if p.Seq, err = edge(r, p.Seq); err != nil {
		return p, err
	}
	return p, p.look(r, resolved.Ambiguous)
}

// beforeRun places the point by the run's first event.
func beforeRun(r Reader, a asked, p *Point) error {
	var first events.Event
	err := r.Find(history.Query{Run: a.run}, func(e events.Event) error {
		first = e
		return viewdb.ErrStop
	})
	if err != nil {
		return err
	}
	if first.Seq == 0 {
		return fmt.Errorf("%w: %s; check the id, e.g. with the history of its tenants", ErrNoRun, a.run)
	}
	if a.earlier > 0 {
		p.Time = first.RecordedTime.Add(-a.earlier)
		return nil
	}
	start, err := r.UnitStart(first.Seq)
	p.Seq = start - 1
	return err
}

// edge moves a Seq that is inside a unit to before it.
func edge(r Reader, seq events.Seq) (events.Seq, error) {
	if seq == 0 {
		return 0, nil
	}
	last, err := r.UnitEdge(seq)
	if err != nil || last == seq {
		return seq, err
	}
	start, err := r.UnitStart(seq)
	return start - 1, err
}

// look fills in the events around the point.
func (p *Point) look(r Reader, ambiguous []events.Seq) error {
	var err error
	if p.Last, err = neighbour(r, p.Seq); err != nil {
		return err
	}
	if p.Next, err = neighbour(r, p.Seq+1); err != nil {
		return err
	}
	p.Count = uint64(r.Head() - p.Seq)
	for _, seq := range ambiguous {
		n, err := neighbour(r, seq)
		if err != nil {
			return err
		}
		if n != nil {
			p.Ambiguous = append(p.Ambiguous, *n)
		}
	}
	return nil
}

func neighbour(r Reader, seq events.Seq) (*Neighbour, error) {
	s, found, err := r.Get(seq)
	if err != nil || !found {
		return nil, err
	}
	n := &Neighbour{Seq: s.Seq, ID: s.ID, Type: s.Type, About: s.About}
	if e, err := events.Decode(s); err == nil {
		n.RecordedTime, n.Actor, n.Run = e.RecordedTime, e.Actor, e.Run
	}
	return n, nil
}

func parsePoint(text string, now events.Time) (asked, error) {
	wrong := func(why string) (asked, error) {
		return asked{}, fmt.Errorf("%.80q: %w: %s; say 2022-04-05T07:33:00Z, -2h, seq:4711, before run_… or 5m before run_…", text, ErrPoint, why)
	}
	if number, ok := strings.CutPrefix(text, "seq:"); ok {
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil || seq == 0 {
			return wrong("a Seq is a number from 1")
		}
		return asked{seq: events.Seq(seq)}, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := parseDuration(ago)
		if err != nil {
			return wrong("no duration follows the minus sign, or none that fits 290 years")
		}
		return asked{time: now.Add(-d)}, nil
	}
	if before, run, ok := cutBefore(text); ok {
		id, err := events.ParseID[events.RunID](run)
		if err != nil {
			return wrong(err.Error())
		}
		a := asked{run: id}
		if before == "" {
			return a, nil
		}
		if a.earlier, err = parseDuration(before); err != nil {
			return wrong("no duration stands before the word before")
		}
		return a, nil
	}
	t, err := events.ParseTime(text)
	if err != nil {
		return wrong("it is no time in UTC")
	}
	return asked{time: t}, nil
}

// cutBefore cuts "5m before run_…" or "before run_…" at the word.
func cutBefore(text string) (duration, run string, ok bool) {
	if run, ok = strings.CutPrefix(text, "before "); ok {
		return "", run, true
	}
	duration, run, ok = strings.Cut(text, " before ")
	return duration, run, ok && duration != ""
}

// parseDuration reads a positive duration without a sign.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && (d <= 0 || text[0] == '+') {
		err = fmt.Errorf("%w: %q is not a time that passes", ErrPoint, text)
	}
	return d, err
}
