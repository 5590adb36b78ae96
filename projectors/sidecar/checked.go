package sidecar

import (
	"context"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
)

// checked is the log that a sidecar follows, once it is found, held against the
// catalogue's own hash wherever the views come to stand where that was told: at
// the end of what is caught up.
type checked struct{ *Sidecar }

// Head is the last event that can be read.
func (c checked) Head(ctx context.Context) (events.Seq, error) { return c.log.Load().Head(ctx) }

// Read hands the events after one Seq up to another to fn.
func (c checked) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	return c.log.Load().Read(ctx, after, upTo, func(list []events.Stored) error {
		c.read.Store(uint64(list[len(list)-1].Seq))
		return fn(list)
	})
}

// Tail hands the events after a Seq to fn as they come.
func (c checked) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	// What was there before may have been read already.
	if _, err := c.log.Load().Prove(ctx); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	return c.log.Load().Tail(ctx, after, func(list []events.Stored) error {
		c.read.Store(uint64(list[len(list)-1].Seq))
		if err := fn(list); err != nil {
			return err
		}
		return c.check()
	})
}

func (c checked) check() error {
	proof := c.log.Load().Proof()
	for _, v := range c.views {
		at := v.Home.Current().Checkpoint()
		if at.Seq == proof.Seq && at.Seq > 0 && at.Rolling != proof.Rolling {
			return fmt.Errorf("%w: up to event %d view %s was not built from what the catalogue has; have the log verified, then remove the directory",
				projectors.ErrOtherLog, at.Seq, v.Projector.Name())
		}
	}
	return nil
}
