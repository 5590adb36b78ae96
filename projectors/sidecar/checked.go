package sidecar

import (
	"context"
	"fmt"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
)

// checked is the log through the gate, held against the catalogue's own hash
// wherever the views come to stand where that was told: at the end of what is
// caught up.
type checked struct {
	*client.Log
	views []projectors.View
}

// Tail hands the events after a Seq to fn as they come.
func (c checked) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	return c.Log.Tail(ctx, after, func(list []events.Stored) error {
		if err := fn(list); err != nil {
			return err
		}
		return c.check()
	})
}

func (c checked) check() error {
	proof := c.Proof()
	for _, v := range c.views {
		at := v.Home.Current().Checkpoint()
		if at.Seq == proof.Seq && at.Seq > 0 && at.Rolling != proof.Rolling {
			return fmt.Errorf("%w: up to event %d view %s was not built from what the catalogue has; have the log verified, then remove the directory",
				projectors.ErrOtherLog, at.Seq, v.Projector.Name())
		}
	}
	return nil
}
