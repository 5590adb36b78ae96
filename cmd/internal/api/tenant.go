package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Tenant is a tenant with what it has. A deleted one has its record, and what is kept of it.
type Tenant struct {
	tenants.Record
	Products   []events.Product  `json:"products"`
	Apps       []events.App      `json:"apps"`
	Resources  []events.Resource `json:"resources"`
	Members    int               `json:"members"`     // how many
	Groups     int               `json:"groups"`      // how many
	SiteAdmins []string          `json:"site_admins"` // opaque user ids
	// Deleted tells of one that is deleted what it had and how long that is kept.
	Deleted *Deleted `json:"deleted,omitzero"`
	// Cut names the lists that are longer than the maxLimit items shown.
	Cut []string `json:"cut,omitzero"`
	// NotHere names the views that a sidecar does not keep: what they have of the
	// tenant is not shown.
	NotHere []string `json:"not_here,omitzero"`
}

// TenantGetRequest asks for a tenant as it is now.
type TenantGetRequest struct {
	Tenant events.TenantID `json:"tenant"`
	MinSeq events.Seq      `json:"min_seq,omitzero"` // wait for the views to have come this far
}

// TenantGetResponse is the tenant as of a Seq.
type TenantGetResponse struct {
	Seq    events.Seq `json:"as_of_seq"`
	Tenant Tenant     `json:"tenant"`
}

// TenantGet gives a tenant with what it has, all as of one Seq.
func (r *Reads) TenantGet(ctx context.Context, req TenantGetRequest) (out TenantGetResponse, err error) {
	if err := r.waitForTenant(ctx, req); err != nil {
		return out, err
	}
	ofLiving := []string{commerce.Name, apps.Name, identity.Name, placement.Name}
	out, err = r.tenantGet(req.Tenant, ofLiving)
	if err == nil && out.Tenant.Status == events.TenantStatusDeleted {
		out, err = r.tenantGet(req.Tenant, slices.Concat(ofLiving, ofDeleted))
	}
	return out, err
}

// tenantGet reads a tenant from those of some views that are here.
func (r *Reads) tenantGet(id events.TenantID, names []string) (out TenantGetResponse, err error) {
	here := []string{tenants.Name}
	var notHere []string
	for _, name := range names {
		if r.Has(name) {
			here = append(here, name)
		} else {
			notHere = append(notHere, name)
		}
	}
	err = r.together(func(s snapshots) error {
		out.Seq = s.seq
		out.Tenant, err = readTenant(s, id)
		out.Tenant.NotHere = notHere
		if err == nil && out.Tenant.Status == events.TenantStatusDeleted {
			out.Tenant.Deleted, err = r.deleted(s, out.Tenant.Record)
		}
		return err
	}, here...)
	return out, err
}

// TenantRecordResponse is a tenant's record as of a Seq.
type TenantRecordResponse struct {
	Seq    events.Seq     `json:"as_of_seq"`
	Record tenants.Record `json:"record"`
}

// TenantRecord gives what a service asks before each of its requests: where a
// tenant is and how it stands, without what it has.
func (r *Reads) TenantRecord(ctx context.Context, req TenantGetRequest) (out TenantRecordResponse, err error) {
	if err := r.waitForTenant(ctx, req); err != nil {
		return out, err
	}
	err = r.together(func(s snapshots) error {
		out.Seq = s.seq
		out.Record, err = readRecord(s, req.Tenant)
		return err
	}, tenants.Name)
	return out, err
}

func (r *Reads) waitForTenant(ctx context.Context, req TenantGetRequest) error {
	if req.Tenant.IsZero() {
		return badField("tenant", "is missing; name a tenant_ id, or look it up first")
	}
	return r.waitFor(ctx, req.MinSeq)
}

func readRecord(s snapshots, id events.TenantID) (tenants.Record, error) {
	rec, found, err := tenants.Get(s.views[tenants.Name], id)
	if err == nil && !found {
		err = fmt.Errorf("%s: %w; check the id, or look the tenant up by URL, account or contact", id, errNotFound)
	}
	return rec, err
}

// readTenant reads what the views that are there have of a tenant.
func readTenant(s snapshots, id events.TenantID) (t Tenant, err error) {
	if t.Record, err = readRecord(s, id); err != nil {
		return t, err
	}
	if view := s.views[commerce.Name]; view != nil {
		if t.Products, err = commerce.OfTenant(view, id); err != nil {
			return t, err
		}
	}
	if view := s.views[apps.Name]; view != nil {
		if t.Apps, err = apps.OfTenant(view, id); err != nil {
			return t, err
		}
	}
	if view := s.views[placement.Name]; view != nil {
		if t.Resources, _, err = placement.Resources(view, id, nil, maxLimit+1); err != nil {
			return t, err
		}
	}
	if view := s.views[identity.Name]; view != nil {
		if err := t.readPeople(view, id); err != nil {
			return t, err
		}
	}
	t.cut()
	return t, nil
}

func (t *Tenant) readPeople(view viewdb.Reader, id events.TenantID) error {
	admins, _, err := identity.SiteAdmins(view, id, nil, maxLimit+1)
	if err != nil {
		return err
	}
	for _, m := range admins {
		t.SiteAdmins = append(t.SiteAdmins, m.User)
	}
	if t.Members, err = count(func(after []byte) (int, []byte, error) {
		page, next, err := identity.Members(view, id, after, maxLimit)
		return len(page), next, err
	}); err != nil {
		return err
	}
	t.Groups, err = count(func(after []byte) (int, []byte, error) {
		page, next, err := identity.Groups(view, id, after, maxLimit)
		return len(page), next, err
	})
	return err
}

// count adds up pages.
func count(page func(after []byte) (int, []byte, error)) (total int, err error) {
	var after []byte
	for {
		n, next, err := page(after)
		total += n
		if err != nil || next == nil {
			return total, err
		}
		after = next
	}
}

// cut shortens what is too long for an answer.
func (t *Tenant) cut() {
	t.Products = shorten(&t.Cut, "products", t.Products)
	t.Apps = shorten(&t.Cut, "apps", t.Apps)
	t.Resources = shorten(&t.Cut, "resources", t.Resources)
	t.SiteAdmins = shorten(&t.Cut, "site_admins", t.SiteAdmins)
}

// shorten keeps the first maxLimit items; an empty list is one all the same.
func shorten[T any](cut *[]string, name string, list []T) []T {
	if len(list) > maxLimit {
		*cut = append(*cut, name)
		return list[:maxLimit]
	}
	return append([]T{}, list...)
}

// TenantAsOfRequest asks for a tenant as it was.
type TenantAsOfRequest struct {
	Tenant events.TenantID `json:"tenant"`
	At     string          `json:"at"` // seq:N, a time, -2h, before run_…; see replay.ResolvePoint
}

// TenantAsOfResponse is the tenant at a point, and what the point stands for.
type TenantAsOfResponse struct {
	Point  replay.Point `json:"point"`
	Tenant Tenant       `json:"tenant"`
}

// TenantAsOf gives a tenant as it was at a point.
func (r *Reads) TenantAsOf(_ context.Context, req TenantAsOfRequest) (out TenantAsOfResponse, err error) {
	if req.Tenant.IsZero() {
		return out, badField("tenant", "is missing; name a tenant_ id")
	}
	if req.At == "" {
		return out, badField("at", "is missing; say seq:4711, a time in UTC, -2h or before run_…")
	}
	err = r.history(func(past *history.Reader) error {
		if out.Point, err = replay.ResolvePoint(past, req.At, r.now()); err != nil {
			return err
		}
		was, err := r.snapshots.AsOf(past, events.OfTenant(req.Tenant), out.Point.Seq)
		if err != nil {
			return err
		}
		out.Tenant = tenantOf(req.Tenant, was)
		return nil
	})
	return out, err
}

// tenantOf makes the answer of a folded state.
func tenantOf(id events.TenantID, p replay.Past) Tenant {
	t := Tenant{Record: tenants.Record{ID: id, Epoch: p.Head.Epoch, Version: p.Head.Version, Seq: p.Head.Seq}}
	for _, entity := range p.State.Entities() {
		switch e := entity.(type) {
		case events.Tenant:
			t.Tenant = e
		case events.Placement:
			t.Placement = e
		case events.Product:
			t.Products = append(t.Products, e)
		case events.App:
			t.Apps = append(t.Apps, e)
		case events.Resource:
			t.Resources = append(t.Resources, e)
		case events.Group:
			t.Groups++
		case events.Member:
			t.Members++
			if slices.Contains(e.Roles, events.RoleSiteAdmin) {
				t.SiteAdmins = append(t.SiteAdmins, e.User)
			}
		}
	}
	t.cut()
	return t
}

// TenantListRequest selects tenants; what is empty does not select. A shard goes
// with nothing else.
type TenantListRequest struct {
	Shard    string              `json:"shard,omitzero"`
	Region   string              `json:"region,omitzero"` // deleted tenants have none
	Account  events.AccountID    `json:"account,omitzero"`
	Status   events.TenantStatus `json:"status,omitzero"`
	Tier     string              `json:"tier,omitzero"`
	Internal *bool               `json:"internal,omitzero"`
	Limit    int                 `json:"limit,omitzero"`
	Page     string              `json:"page,omitzero"` // next of the page before
	MinSeq   events.Seq          `json:"min_seq,omitzero"`
}

// TenantListResponse is one page, in the order of the ids.
type TenantListResponse struct {
	Seq     events.Seq       `json:"as_of_seq"`
	Tenants []tenants.Record `json:"tenants"`
	Next    string           `json:"next,omitzero"` // empty on the last page
}

// TenantList lists tenants.
func (r *Reads) TenantList(ctx context.Context, req TenantListRequest) (out TenantListResponse, err error) {
	n, err := limit(req.Limit)
	if err != nil {
		return out, err
	}
	query := req
	query.Limit, query.Page, query.MinSeq = 0, "", 0
	page, err := parseToken(req.Page, query)
	if err != nil {
		return out, err
	}
	if err := r.waitFor(ctx, req.MinSeq); err != nil {
		return out, err
	}
	filter := tenants.Filter{Account: req.Account, Region: req.Region, Status: req.Status, Tier: req.Tier, Internal: req.Internal}
	if req.Shard != "" && filter != (tenants.Filter{}) {
		return out, badField("shard", "goes with no other condition")
	}
	names := []string{tenants.Name}
	if req.Shard != "" {
		names = append(names, placement.Name)
	}
	err = r.together(func(s snapshots) error {
		out.Seq = s.seq
		if req.Shard != "" {
			out.Tenants, page.After, err = onShard(s, req.Shard, page.After, n)
		} else {
			out.Tenants, page.After, err = tenants.List(s.views[tenants.Name], filter, page.After, n)
		}
		return err
	}, names...)
	out.Tenants = append([]tenants.Record{}, out.Tenants...)
	if page.After != nil {
		page.Seq = out.Seq
		out.Next = page.String()
	}
	return out, err
}

func onShard(s snapshots, shard string, after []byte, n int) (records []tenants.Record, next []byte, err error) {
	placed, next, err := placement.OnShard(s.views[placement.Name], shard, after, n)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range placed {
		record, _, err := tenants.Get(s.views[tenants.Name], p.Tenant)
		if errors.Is(err, catalogue.ErrQuarantined) || p.Quarantined != "" {
			record, err = tenants.Record{ID: p.Tenant, Quarantined: p.Quarantined}, nil
		}
		if err != nil {
			return nil, nil, err
		}
		records = append(records, record)
	}
	return records, next, nil
}
