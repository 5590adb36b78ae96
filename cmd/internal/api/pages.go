package api

import (
	"context"
	"encoding/binary"
	"fmt"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/viewdb"
)

const (
	// maxPartEvents is how many events may be asked for at once in bulk.
	maxPartEvents = 16 * pages.Size
	// maxPartBytes is how large an answer in bulk grows: a message of the bus,
	// less what the headers take.
	maxPartBytes = 1<<20 - 16<<10
)

// Pages gives the log after a Seq in bulk, as it is kept for that.
func (a *API) Pages(ctx context.Context, req client.ReadRequest) (out client.Pages, err error) {
	n := req.Limit
	if n == 0 {
		n = maxPartEvents
	}
	switch {
	case n < 0 || n > maxPartEvents:
		return out, badField("limit", "is %d; from 1 to %d are allowed", n, maxPartEvents)
	case !req.Filter.IsZero():
		return out, badField("filter", "does not go with pages, which hold every event; say %s, or leave the format out", client.FormatStored)
	}
	if err := a.waitFor(ctx, req.MinSeq); err != nil {
		return out, err
	}
	err = a.sys.Homes[pages.Name].View(func(s *viewdb.Snapshot) error {
		at := s.Checkpoint()
		if at.Seq < req.MinSeq {
			// The others have come that far: this one is out of service.
			return fmt.Errorf("%w: the pages of the log are being made again and stand at %d", events.ErrUnavailable, at.Seq)
		}
		out = client.Pages{Log: a.sys.Identity, Head: at.Seq, Rolling: at.Rolling}
		if req.After >= at.Seq {
			return nil
		}
		upTo := min(at.Seq, req.After+events.Seq(n))
		size := 0
		return pages.Read(s, req.After, upTo, func(page []byte) error {
			size += len(page) + binary.MaxVarintLen32
			if len(out.Pages) > 0 && size > maxPartBytes {
				return viewdb.ErrStop
			}
			out.Pages = append(out.Pages, append([]byte(nil), page...))
			return ctx.Err()
		})
	})
	return out, err
}
