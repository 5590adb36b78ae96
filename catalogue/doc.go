// Package catalogue decides what may happen to tenants, and is the only writer
// of their log.
//
// # One fold
//
// [Evolve] applies one event to the [State] of the aggregate it is about. The
// write side, every view and every replay use it, so that they cannot differ.
// [Fold] does so for all that the write side knows, its [Facts]: states, heads,
// the first answer to every event id, and the ids that were issued. An event
// that does not fit quarantines its aggregate, and nothing else.
//
// # Decisions
//
// [Decide] tells whether an event may follow a state; restorations use it too,
// to decide again what is kept. A tenant's URL and cloud id are claims,
// aggregates of their own, which are taken and released in one unit with the
// tenant's event.
//
// # Writing
//
// [Service.Publish] takes requests from any number of callers. One goroutine
// decides them in order on a [Layer] over the [Store], and appends what may
// happen as one batch. When the batch stands in the log where it was expected
// to, the layer is kept and the callers are answered. Otherwise somebody else
// has written, or an acknowledgment was lost: the store catches up with the log
// and everything is decided again, refusals included. So every answer holds
// against the log, whoever else writes to it; the one exception is the id of a
// product or an app, which is known to be new only if all writers use one
// Service.
//
// An event id is answered once and for ever: the same event again gets its
// first answer, another one with its id [ErrIDReused]. Only then come the epoch,
// which fences writers that do not know of a delete or a restore, and
// Request.Expect, which pins a request to the aggregate's last event.
package catalogue
