package api

import (
	"errors"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// snapshots are views that stand at one Seq.
type snapshots struct {
	seq   events.Seq
	views map[string]*viewdb.Snapshot
}

// together runs f on snapshots of several views, all at one Seq. Mostly they are
// so by themselves; when events come in between, the Runner is made to hold
// still while they are taken.
func (r *Reads) together(f func(snapshots) error, names ...string) error {
	s := snapshots{views: map[string]*viewdb.Snapshot{}}
	return r.nested(s, f, names)
}

func (r *Reads) nested(s snapshots, f func(snapshots) error, names []string) error {
	if len(names) == 0 {
		return f(s)
	}
	home, ok := r.from.Home(names[0])
	if !ok {
		return notHere(names[0])
	}
	torn := false
	err := home.View(func(v *viewdb.Snapshot) error {
		at := v.Checkpoint().Seq
		if torn = len(s.views) > 0 && at != s.seq; torn {
			return nil
		}
		s.seq, s.views[names[0]] = at, v
		return r.nested(s, f, names[1:])
	})
	if torn {
		return r.pinned(f)
	}
	return err
}

func (r *Reads) pinned(f func(snapshots) error) error {
	p, err := r.from.Pin()
	if err != nil {
		return err
	}
	s := snapshots{seq: p.Seq, views: map[string]*viewdb.Snapshot{}}
	for _, v := range p.Views {
		s.views[v.Projector.Name()] = v.Snapshot
	}
	return errors.Join(f(s), p.Close())
}
