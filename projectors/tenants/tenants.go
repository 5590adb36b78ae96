// Package tenants is the view of the tenants themselves: one record each, by
// tenant id, cloud id, URL, account, region and status.
//
// A deleted tenant keeps its record, with the status deleted and without a
// placement, until it is restored. It keeps its URL and its cloud id too, as it
// keeps its claims on them: ByURL and ByCloudID find it, and nobody else can
// have them. A URL that a tenant has given up by being renamed finds nothing
// here; package contacts knows it.
//
// Read from one viewdb.Snapshot, so that index and record are of one moment. A
// record is one row, and those that are asked for again and again are kept
// decoded (see viewdb.Decoded): what Get returns is the caller's own.
package tenants

import (
	"maps"
	"sync"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "tenants"
	Format = 3
)

// Record is a tenant as the catalogue knows it now.
type Record struct {
	ID events.TenantID `json:"tenant"`
	events.Tenant
	events.Placement
	Epoch       uint64     `json:"epoch"`                // writers name it once it is not 0
	Version     uint64     `json:"version"`              // how many events the tenant has had
	Seq         events.Seq `json:"seq"`                  // the last of them
	Quarantined string     `json:"quarantined,omitzero"` // in lists: why there is no more than the id
}

// The indexes. Each entry ends in the tenant, so that every list is in the
// order of the ids.
const (
	byID      = 'i'
	byCloudID = 'c'
	byURL     = 'u'
	byAccount = 'a'
	byStatus  = 's'
	byRegion  = 'r'
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Whole: true, Index: index,
		Kinds: []events.EntityKind{events.EntityTenant, events.EntityPlacement},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	var keys [][]byte
	add := func(index byte, fields ...string) {
		keys = append(keys, projectors.IndexEntry(projectors.IndexKey(index, fields...), a.ID, ""))
	}
	switch e := e.(type) {
	case events.Tenant:
		add(byID)
		add(byCloudID, e.CloudID.String())
		add(byURL, e.URL)
		add(byAccount, e.Account.String())
		add(byStatus, string(e.Status))
	case events.Placement:
		add(byRegion, e.Region)
	}
	return keys, nil
}

// Clone is a copy that shares no map with the record.
func (r Record) Clone() Record {
	r.Metadata, r.Flags = maps.Clone(r.Metadata), maps.Clone(r.Flags)
	return r
}

// Get reads a tenant. The error matches projectors.ErrQuarantined when its
// record is not to be trusted.
func Get(r viewdb.Reader, id events.TenantID) (record Record, found bool, err error) {
	return viewdb.Decoded(r, projectors.WholeRow(events.OfTenant(id)), decode)
}

func decode(row, raw []byte) (Record, bool, error) {
	lent, _ := places.Get().(*place)
	about, head, err := projectors.DecodeWhole(row, raw, lent)
	record := lent.record
	lent.record = Record{}
	places.Put(lent)
	if err != nil || record.Status == "" {
		return Record{}, false, err
	}
	record.ID = about.Tenant()
	record.Epoch, record.Version, record.Seq = head.Epoch, head.Version, head.Seq
	return record, true, nil
}

// places are lent to read records into: what a field list works on must have an
// address.
var places = sync.Pool{New: func() any { return new(place) }}

type place struct{ record Record }

// Into places the entities of a tenant.
func (p *place) Into(kind events.EntityKind) wire.Fields {
	switch kind { //nolint:exhaustive // the view keeps these
	case events.EntityTenant:
		return &p.record.Tenant
	case events.EntityPlacement:
		return &p.record.Placement
	default:
		return nil
	}
}

// ByCloudID reads the tenant that its owner knows by a cloud id; the error is
// as Get's.
func ByCloudID(r viewdb.Reader, cloudID uuid.UUID) (Record, bool, error) {
	return first(r, projectors.IndexKey(byCloudID, cloudID.String()))
}

// ByURL reads the tenant that has a URL, deleted or not; the error is as Get's.
func ByURL(r viewdb.Reader, url string) (Record, bool, error) {
	return first(r, projectors.IndexKey(byURL, url))
}

// first reads the tenant of an index that claims keep unique.
func first(r viewdb.Reader, prefix []byte) (Record, bool, error) {
	ids, _, err := projectors.Page(r, prefix, nil, 1, tenantOf)
	if err != nil || len(ids) == 0 {
		return Record{}, false, err
	}
	return Get(r, ids[0])
}

// Filter says which tenants to list; what is zero does not filter.
type Filter struct {
	Account  events.AccountID
	Region   string // deleted tenants have none
	Status   events.TenantStatus
	Tier     string
	Internal *bool // the vendor's own, or all but those
}

// List reads the tenants that pass a filter, in the order of their ids. after
// is the next of the page before, nil for the first; next is nil after the last
// page. Account, region and status, in this order, narrow what is read; the
// rest is looked at record by record. A quarantined tenant passes every filter
// that the index in use lets it pass, and shows its id and why only.
func List(r viewdb.Reader, f Filter, after []byte, limit int) (records []Record, next []byte, err error) {
	return projectors.Page(r, f.prefix(), after, limit, func(rest []byte) (Record, bool, error) {
		id, _, err := tenantOf(rest)
		if err != nil {
			return Record{}, false, err
		}
		record, found, err := Get(r, id)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Record{ID: id, Quarantined: why}, true, err
		}
		return record, found && f.passes(record), nil
	})
}

func (f Filter) prefix() []byte {
	switch {
	case !f.Account.IsZero():
		return projectors.IndexKey(byAccount, f.Account.String())
	case f.Region != "":
		return projectors.IndexKey(byRegion, f.Region)
	case f.Status != "":
		return projectors.IndexKey(byStatus, string(f.Status))
	}
	return projectors.IndexKey(byID)
}

func (f Filter) passes(r Record) bool {
	return (f.Account.IsZero() || f.Account == r.Account) &&
		(f.Region == "" || f.Region == r.Region) &&
		(f.Status == "" || f.Status == r.Status) &&
		(f.Tier == "" || f.Tier == r.Tier) &&
		(f.Internal == nil || *f.Internal == r.Internal)
}

func tenantOf(rest []byte) (events.TenantID, bool, error) {
	id, _, err := projectors.CutEntry(rest)
	return events.IDFromUUID[events.TenantID](id), err == nil, err
}
