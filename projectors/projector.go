// Package projectors builds views from the log. A [Projector] says what rows
// events make; a [Runner] reads the log once, decodes each event once, and hands
// it to every projector; each writes its rows and its checkpoint together into
// a view of its own (package viewdb). Most views keep some kinds of entity with
// indexes over them: [EntityView] is that projector, and the packages beneath
// this one say which kinds and which indexes.
//
// A view that is empty is not folded event by event: an [Archive], which the
// history is, gives the events by aggregate, and a [Gathered] projector makes each
// row once (see [Fill] and Runner.Rebuild). The rows are the same.
//
// A view is disposable: it is behind after a crash, rebuilt beside itself when
// asked, and quarantined and rebuilt when its files are damaged. An event that
// cannot be read or folded quarantines its aggregate, in every view, visibly,
// and stops nobody else; so does a tombstone that may not stand where it does, by the
// rules of deletion, which every reader of the log asks again (see [Voucher]).
package projectors

import (
	"context"
	"errors"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// The faults of this package. Match with errors.Is.
var (
	// ErrOtherLog is returned when a checkpoint was made from another log, or
	// from one whose event at that Seq was another.
	ErrOtherLog = errors.New("the checkpoint belongs to another log")
	// ErrLogBehind is returned when the log is shorter than a checkpoint: it
	// has lost events.
	ErrLogBehind = errors.New("the log is shorter than the checkpoint")
	// ErrQuarantined is returned for a read of an aggregate that holds an event
	// which could not be read or folded.
	ErrQuarantined = errors.New("quarantined")
	// ErrBehind is returned when a view does not stand where the others do.
	ErrBehind = errors.New("the view is behind the others")
	// ErrNoView is returned when there is no view of that name.
	ErrNoView = errors.New("there is no such view")
)

// Recorded is one event of the log, decoded and vouched for once for every projector (see
// Voucher).
type Recorded struct {
	events.Stored
	Event events.Event
	// Err is why it counts for nothing, when Event is zero: it could not be decoded, or
	// may not stand where it does (*RefusedError).
	Err error
}

// PassedOver tells whether the event counts for nothing and is passed over; its
// aggregate is not quarantined.
func (r Recorded) PassedOver() bool { return PassedOver(r.About, r.Err) }

// Projector says what rows events make.
type Projector interface {
	// Name is the view's name.
	Name() string
	// Format is the version of the rows; when it is raised the view is rebuilt.
	Format() uint32
	// Project folds events, which follow each other, into rows. The batch shows
	// the rows before them. An event that does not fit is no error: it
	// quarantines its aggregate, unless it is to be passed over.
	Project(b *viewdb.Batch, recorded []Recorded) error
}

// Source is what a Runner needs of the log.
type Source interface {
	Reader
	// Tail hands over the events after a Seq as they come, until ctx ends.
	Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error
}

// Reader is a log as far as it is there.
type Reader interface {
	Log
	// Identity tells this log from any other.
	Identity() string
	// Head is the Seq of the last event.
	Head(ctx context.Context) (events.Seq, error)
}

// Log is the log, for whoever needs nothing but its events.
type Log interface {
	// Read hands over the events after one Seq up to another, in order.
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
}
