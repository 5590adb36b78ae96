package eventlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"tenantcatalogue/events"
)

// backoff is the wait between two attempts to append the same batch.
const backoff = 20 * time.Millisecond

// commit publishes a batch until it is known whether it is stored, and gives
// the Seq of its first event. An error that matches events.ErrConflict says
// that some expectation does not hold; nothing of the batch was written then.
func (l *Log) commit(ctx context.Context, b *batch) (events.Seq, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Settle)
	defer cancel()
	lost := false // whether an attempt may yet turn out to be stored
	for {
		if err := l.cfg.Room(); err != nil && !lost {
			return 0, fmt.Errorf("append %d events: %w", len(b.messages), err)
		}
		first, err := l.publish(ctx, b)
		if err == nil {
			return first, nil
		}
		refusal := refusalOf(err)
		if refusal != nil && !lost && !b.outrun(err) {
			return 0, refusal
		}
		if lost = lost || mayBeStored(err); lost {
			first, stored, settleErr := l.settle(ctx, b)
			if settleErr == nil && stored || errors.Is(settleErr, events.ErrConflict) {
				return first, settleErr
			}
			if settleErr == nil && l.cfg.Replicas == 1 && codeOf(err) == codeWrongLastSeq && !b.vouched {
				// The expectation of some other message does not hold, and never will
				// again: any attempt that is still on its way meets the same. Of
				// several replicas the one that was asked may just be behind.
				return 0, refusal
			}
			err = errors.Join(err, settleErr)
		}
		if b.outrun(err) {
			// Which need not touch what is expected here. An attempt that may still
			// be on its way expects the log to end where it does no longer.
			b.vouched = false
			continue
		}
		if errors.Is(err, nats.ErrConnectionClosed) || !pause(ctx) {
			return 0, fmt.Errorf("append %d events: %w: %w", len(b.messages), events.ErrUnavailable, err)
		}
	}
}

// stage sends all messages of a batch but the last, which are not answered, and
// gives the batch's id.
func (l *Log) stage(b *batch) (id string, err error) {
	out := newOutgoing()
	id = nuid.Next()
	for i := range len(b.messages) - 1 {
		msg := out.set(b, i)
		out.place(id, i+1, false)
		if err := l.nc.PublishMsg(msg); err != nil {
			return "", err
		}
	}
	return id, nil
}

// publish makes one attempt. What was staged is used once: the server may have
// forgotten it.
func (l *Log) publish(ctx context.Context, b *batch) (events.Seq, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.AckWait)
	defer cancel()
	id, out, n := b.staged, newOutgoing(), len(b.messages)
	if b.staged = ""; id == "" {
		var err error
		if id, err = l.stage(b); err != nil {
			return 0, err
		}
	}
	msg := out.set(b, n-1)
	if n > 1 {
		out.place(id, n, true)
	}
	answer, err := l.nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
		Count int                 `json:"count"` // of a batch
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("acknowledgment: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Seq < uint64(n) || n > 1 && ack.Count != n {
		return 0, fmt.Errorf("acknowledgment of %d events at %d for a batch of %d", ack.Count, ack.Seq, n)
	}
	return events.Seq(ack.Seq) - events.Seq(n) + 1, nil
}

// The server's refusals, by its error codes. nats.go names few of them.
const (
	codeWrongLastSeq         = 10071
	codeWrongLastSeqConstant = 10164
	codeInsufficient         = 10023
	codeStorageExceeded      = 10047
	codeAccountExceeded      = 10002
	codeMaxBytes             = 10077 // store failed: a limit of the stream
	codeTooManyBatches       = 10210
	codeIncompleteBatch      = 10176
)

// refusalOf is the answer to units whose batch the server has refused for
// good; nil if another attempt may succeed.
func refusalOf(err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("append: %w: %w", events.ErrTooLarge, err)
		}
		return nil
	}
	switch api.ErrorCode { //nolint:exhaustive // the other codes are judged by their status
	case codeWrongLastSeq, codeWrongLastSeqConstant:
		return fmt.Errorf("append: %w: %w", events.ErrConflict, err)
	case codeInsufficient, codeStorageExceeded, codeAccountExceeded, codeMaxBytes:
		return fmt.Errorf("append: %w: %w", events.ErrNoSpace, err)
	case codeTooManyBatches, codeIncompleteBatch:
		return nil
	}
	if api.Code == 503 {
		return nil // no leader at the moment
	}
	return fmt.Errorf("append: %w: %w", events.ErrUnavailable, err)
}

// codeOf is the code of the server's refusal; 0 if it is none.
func codeOf(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

// outrun tells whether a refusal means that somebody else has written since base.
func (b *batch) outrun(err error) bool { return b.vouched && codeOf(err) == codeWrongLastSeq }

// mayBeStored tells whether an attempt that ended like this may nevertheless
// be in the stream, now or later.
func mayBeStored(err error) bool {
	var api *jetstream.APIError
	return !errors.As(err, &api) && !errors.Is(err, nats.ErrNoResponders)
}

// settle finds out what has become of a batch whose acknowledgment was lost.
// Not stored and no error means: not yet, send it again.
func (l *Log) settle(ctx context.Context, b *batch) (first events.Seq, stored bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.AckWait)
	defer cancel()
	head := b.messages[0]
	next, found, err := l.nextOf(ctx, head.event.About, head.expected)
	if err != nil || !found {
		return 0, false, err
	}
	if !same(next, head.event) {
		return 0, false, &events.ConflictError{About: head.event.About, Expected: head.expected, Actual: next.Seq}
	}
	// Ours it is only if the rest of the batch stands behind it.
	r := l.newReader(next.Seq - 1)
	defer r.close()
	for at := 0; at < len(b.messages); {
		got, err := r.next(ctx, len(b.messages)-at)
		if err != nil {
			return 0, false, err
		}
		if len(got) == 0 && !pause(ctx) {
			return 0, false, fmt.Errorf("read back event %d: %w", next.Seq+events.Seq(at), context.Cause(ctx))
		}
		for _, s := range got {
			if !same(s, b.messages[at].event) {
				return 0, false, &events.ConflictError{About: head.event.About, Expected: head.expected, Actual: next.Seq}
			}
			at++
		}
	}
	return next.Seq, true, nil
}

// same tells whether two events are the same but for their Seq. One with the same id may
// be another's, or that of an earlier decision, which was recorded at another time.
func same(a, b events.Stored) bool {
	return a.ID == b.ID && a.About == b.About && a.Type == b.Type && a.Source == b.Source && bytes.Equal(a.Data, b.Data)
}

// siftAttempts bounds how often a batch is sent again although every
// expectation in it holds: on a cluster the replica that answers may be behind.
const siftAttempts = 50

// sift refuses the units of a refused batch whose expectations do not hold,
// and puts the others back in front of pending.
func (a *appender) sift(ctx context.Context, b *batch) error {
	stale := make(map[int]error)
	for attempt := 0; len(stale) == 0; attempt++ {
		if attempt == siftAttempts {
			return fmt.Errorf("append %d events: %w: the log refuses the expectations and holds what was expected; try again",
				len(b.messages), events.ErrUnavailable)
		}
		if attempt > 0 && !pause(ctx) {
			return fmt.Errorf("append %d events: %w: %w", len(b.messages), events.ErrUnavailable, context.Cause(ctx))
		}
		heads, err := a.log.headsOf(ctx, b)
		if err != nil {
			return fmt.Errorf("append %d events: %w: %w", len(b.messages), events.ErrUnavailable, err)
		}
		for _, m := range b.messages {
			about := m.event.About
			if unit := b.heads[about]; m.guarded && heads[about] != m.expected && stale[unit] == nil {
				stale[unit] = &events.ConflictError{About: about, Expected: m.expected, Actual: heads[about]}
			}
		}
	}
	var again []int
	for _, i := range b.units {
		if err := stale[i]; err != nil {
			a.answers[i].Err = err
		} else {
			again = append(again, i)
		}
	}
	a.pending = append(again, a.pending...)
	return nil
}

// pause waits for backoff, and tells whether the context is still good.
func pause(ctx context.Context) bool {
	t := time.NewTimer(backoff)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
