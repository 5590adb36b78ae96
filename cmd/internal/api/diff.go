package api

import (
	"context"
	"errors"
	"slices"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
)

// DiffRequest asks what differs between two points.
type DiffRequest struct {
	Tenants []events.TenantID `json:"tenants,omitzero"` // empty: all that have events in between
	From    string            `json:"from"`             // see replay.ResolvePoint
	To      string            `json:"to,omitzero"`      // empty: now
	Limit   int               `json:"limit,omitzero"`   // tenants
	Page    string            `json:"page,omitzero"`    // next of the page before
}

// DiffResponse is what differs, tenant by tenant in the order of their ids.
type DiffResponse struct {
	From    replay.Point `json:"from"`
	To      replay.Point `json:"to"`
	Tenants []TenantDiff `json:"tenants"`
	Next    string       `json:"next,omitzero"`
}

// TenantDiff is what differs of one tenant.
type TenantDiff struct {
	Tenant  events.TenantID `json:"tenant"`
	Changes []Change        `json:"changes"`
	Fault   string          `json:"fault,omitzero"` // why it could not be told
}

// Change is a piece of the tenant that differs.
type Change struct {
	Kind   string        `json:"kind"`
	Before events.Entity `json:"before,omitzero"` // absent: it was not there
	After  events.Entity `json:"after,omitzero"`  // absent: it is gone
}

// Diff tells what differs between two points.
func (a *API) Diff(ctx context.Context, who auth.Caller, req DiffRequest) (out DiffResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	n, err := limit(req.Limit)
	if err != nil {
		return out, err
	}
	query := req
	query.Limit, query.Page = 0, ""
	page, err := parseToken(req.Page, query)
	if err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	err = history.View(a.sys.History, func(r *history.Reader) error {
		if page.Seq == 0 {
			page.Seq = r.Head()
		}
		d := differ{api: a, ctx: ctx, reader: r.At(page.Seq), out: &out}
		return d.run(req, &page, n)
	})
	return out, err
}

// differ is one diff.
type differ struct {
	api    *API
	ctx    context.Context
	reader *history.Reader
	out    *DiffResponse
}

func (d *differ) run(req DiffRequest, page *token, n int) (err error) {
	if req.From == "" {
		return badField("from", "is missing; say seq:4711, a time in UTC, -2h or before run_…")
	}
	if d.out.From, err = replay.ResolvePoint(d.reader, req.From, d.api.sys.Now()); err != nil {
		return err
	}
	if d.out.To = (replay.Point{Text: "now", Seq: d.reader.Head()}); req.To != "" {
		if d.out.To, err = replay.ResolvePoint(d.reader, req.To, d.api.sys.Now()); err != nil {
			return err
		}
	}
	ids := slices.Clone(req.Tenants)
	if len(ids) == 0 {
		if ids, err = d.touched(); err != nil {
			return err
		}
	}
	slices.SortFunc(ids, events.TenantID.Compare)
	ids = slices.Compact(ids)
	d.out.Tenants = []TenantDiff{}
	for _, id := range ids {
		key := id.UUID()
		if page.After != nil && slices.Compare(key[:], page.After) <= 0 {
			continue
		}
		if len(d.out.Tenants) == n {
			last := d.out.Tenants[n-1].Tenant.UUID()
			page.After = last[:]
			d.out.Next = page.String()
			return nil
		}
		t, err := d.tenant(id)
		if err != nil {
			return err
		}
		d.out.Tenants = append(d.out.Tenants, t)
	}
	return nil
}

// touched lists the tenants that have events between the points.
func (d *differ) touched() ([]events.TenantID, error) {
	low, high := d.out.From.Seq, d.out.To.Seq
	if low > high {
		low, high = high, low
	}
	seen := map[events.TenantID]bool{}
	err := d.reader.Read(low, high, func(s events.Stored) error {
		if id := s.About.Tenant(); !id.IsZero() {
			seen[id] = true
		}
		return d.ctx.Err()
	})
	ids := make([]events.TenantID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	return ids, err
}

func (d *differ) tenant(id events.TenantID) (out TenantDiff, err error) {
	out = TenantDiff{Tenant: id, Changes: []Change{}}
	about := events.OfTenant(id)
	before, err := d.past(about, d.out.From.Seq)
	if err == nil {
		var after replay.Past
		if after, err = d.past(about, d.out.To.Seq); err == nil {
			return out, d.changes(&out, before, after)
		}
	}
	if errors.Is(err, replay.ErrQuarantined) || errors.Is(err, replay.ErrUnknown) {
		out.Fault = err.Error()
		return out, nil
	}
	return out, err
}

// past is a tenant at a Seq; one that was not there yet has no state.
func (d *differ) past(about events.Aggregate, seq events.Seq) (replay.Past, error) {
	p, err := d.api.snapshots.AsOf(d.reader, about, seq)
	if errors.Is(err, replay.ErrBefore) {
		err = nil
	}
	return p, err
}

func (d *differ) changes(out *TenantDiff, before, after replay.Past) error {
	changes, err := replay.Diff(before.State, after.State)
	if err != nil {
		return err
	}
	for _, c := range changes {
		shown := Change{Kind: c.Key.Kind.String()}
		if shown.Before, err = d.open(before.About, c.Before); err != nil {
			return err
		}
		if shown.After, err = d.open(after.About, c.After); err != nil {
			return err
		}
		out.Changes = append(out.Changes, shown)
	}
	return nil
}

func (d *differ) open(owner events.Aggregate, e events.Entity) (events.Entity, error) {
	if e == nil {
		return nil, nil //nolint:nilnil // no entity is an answer here
	}
	return d.api.sys.Sealer.OpenEntity(owner, e)
}
