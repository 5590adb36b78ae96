package drill

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/events"
)

// job is the cast of the drill: who exists, who goes, who changes. It is the
// same for the same seed.
type job struct {
	cfg     Config
	rng     *rand.Rand
	tenants []*tenant
	owners  []events.AccountID
	right   events.RunID
	wrong   events.RunID
	doomed  []*tenant // the wrong run's, in its order
	spared  []*tenant // everybody else
	leaving []*tenant // deleted by their owners
}

// tenant is one tenant with what its events need.
type tenant struct {
	id       events.TenantID
	n        int
	account  events.AccountID
	products []events.ProductID
	legacy   events.AppID // the app of the runs
	other    events.AppID
	users    uint64
	seats    uint64
}

// newJob makes the cast. 883 doomed tenants belong to 775 accounts, in that
// proportion for other numbers, and so do all others.
func newJob(cfg Config) *job {
	j := &job{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 2022))}
	j.right, j.wrong = events.IDFromUUID[events.RunID](j.uuid(rightRunAt)), events.IDFromUUID[events.RunID](j.uuid(outOfServiceAt))
	j.addTenants(cfg.Deleted, &j.doomed)
	j.addTenants(cfg.Tenants-cfg.Deleted, &j.spared)
	j.leaving = j.spared[len(j.spared)-ownerDeletions:]
	// Those that leave are not among those whose traffic goes on.
	j.spared = j.spared[:len(j.spared)-ownerDeletions]
	j.rng.Shuffle(len(j.doomed), func(a, b int) { j.doomed[a], j.doomed[b] = j.doomed[b], j.doomed[a] })
	return j
}

func (j *job) addTenants(n int, group *[]*tenant) {
	accounts := max(1, (n*ownersOf883+DefaultDeleted/2)/DefaultDeleted)
	first := len(j.owners)
	for range accounts {
		j.owners = append(j.owners, events.IDFromUUID[events.AccountID](j.uuid(monthBegins)))
	}
	for i := range n {
		t := &tenant{
			id: events.IDFromUUID[events.TenantID](j.uuid(monthBegins)), n: len(j.tenants), account: j.owners[first+i%accounts],
			legacy: events.IDFromUUID[events.AppID](j.uuid(monthBegins)), other: events.IDFromUUID[events.AppID](j.uuid(monthBegins)),
			users: 1 + uint64(j.rng.IntN(400)), seats: 10 * (1 + uint64(j.rng.IntN(50))),
		}
		for range 2 {
			t.products = append(t.products, events.IDFromUUID[events.ProductID](j.uuid(monthBegins)))
		}
		j.tenants = append(j.tenants, t)
		*group = append(*group, t)
	}
}

// uuid makes a version 7 UUID of an instant from the job's own randomness.
func (j *job) uuid(at time.Time) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint64(u[8:], j.rng.Uint64())
	binary.BigEndian.PutUint16(u[6:], uint16(j.rng.Uint32()))
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// legacyApp is the app of the runs.
const legacyApp = "asset-tracker"

// lifeSteps is how many events a tenant has before the runs; with its two
// claims that makes about 20.
const lifeSteps = 18

var (
	regions = []string{"eu-central", "us-east", "us-west", "ap-southeast"}
	tiers   = []string{"free", "standard", "premium"}
)

// life is the step-th event of a tenant's month.
func (j *job) life(t *tenant, step int) events.Payload {
	region := regions[t.n%len(regions)]
	shard := fmt.Sprintf("%s-%02d", region, t.n%40)
	switch step {
	case 0:
		return events.TenantCreated{
			URL: t.url(), CloudID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(t.id.String())), Account: t.account, Region: region,
			Shard: shard, Tier: tiers[t.n%len(tiers)], Internal: t.n%997 == 0, Residency: residency(t.n, region),
		}
	case 1:
		return events.TenantConfigured{Metadata: map[string]string{"language": "en", "timezone": "UTC"}, Flags: map[string]bool{"new-editor": t.n%2 == 0}}
	case 2:
		return events.ProductActivated{Product: t.products[0], Name: "issue-tracker", Edition: "standard", Seats: t.seats}
	case 3:
		return events.ProductActivated{Product: t.products[1], Name: "wiki", Edition: "standard", Seats: t.seats}
	case 4, 5, 6, 7:
		return j.resource(t, step-4, region, shard)
	case 8:
		return events.IdentityMemberGranted{
			User: user(t, 0), Name: events.Personal(fmt.Sprintf("Admin %d", t.n)), Email: events.Personal(fmt.Sprintf("admin@%s", t.url())),
			Roles: []string{events.RoleSiteAdmin}, Groups: []string{"administrators"},
		}
	case 9, 10:
		return events.IdentityMemberGranted{
			User: user(t, step), Name: events.Personal(fmt.Sprintf("User %d", step)), Email: events.Personal(fmt.Sprintf("u%d@%s", step, t.url())),
			Roles: []string{"user"}, Groups: []string{"everyone"},
		}
	case 11:
		return events.IdentityGroupSet{Group: "administrators", Name: "Administrators"}
	case 12:
		return events.IdentityPermissionsChanged{Group: "administrators", Permissions: []string{"administer", "browse", "manage-users"}}
	case 13:
		return events.AppInstalled{App: t.legacy, Name: legacyApp, Version: "4.2.0"}
	case 14:
		return events.AppInstalled{App: t.other, Name: "time-sheets", Version: "1.9.3"}
	case 15:
		return events.ProductLicenseUpdated{Product: t.products[0], Edition: "premium", Seats: t.seats + 5, Active: true}
	default:
		return events.TenantUsageReported{ActiveUsers: t.users + uint64(step), LastActivity: events.TimeOf(monthBegins.AddDate(0, 0, step))}
	}
}

func residency(n int, region string) string {
	if n%10 == 3 {
		return region
	}
	return ""
}

func (j *job) resource(t *tenant, which int, region, shard string) events.Payload {
	kinds := []events.ResourceKind{events.ResourceDatabase, events.ResourceMediaBucket, events.ResourceSearchIndex, events.ResourceShard}
	services := []string{"issue-tracker", "media", "search", "wiki"}
	return events.ResourceProvisioned{
		Service: services[which], Kind: kinds[which], Name: fmt.Sprintf("%s-%d", kinds[which], t.n), Region: region, Shard: shard,
	}
}

// change is one event of ongoing traffic.
func (j *job) change(t *tenant, n int) events.Payload {
	switch n % 4 {
	case 0:
		return events.TenantConfigured{Metadata: map[string]string{"banner": fmt.Sprintf("notice %d", n)}}
	case 1:
		return events.TenantUsageReported{ActiveUsers: t.users + uint64(n), LastActivity: events.TimeOf(wrongRunAt)}
	case 2:
		return events.IdentityMemberGranted{User: fmt.Sprintf("user-%d-new-%d", t.n, n), Roles: []string{"user"}}
	default:
		return events.ProductLicenseUpdated{Product: t.products[0], Edition: "premium", Seats: t.seats + uint64(n), Active: true}
	}
}

func (t *tenant) url() string { return fmt.Sprintf("t%06d.example.net", t.n) }

func user(t *tenant, n int) string { return fmt.Sprintf("user-%d-%d", t.n, n) }
