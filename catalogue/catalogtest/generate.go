package catalogtest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Generator makes legal requests of one event each: every type that a
// catalogue can be asked for, about few tenants with few members, so that much
// happens to each. It keeps its own account of what was taken, claims included,
// and asks catalogue.Decide what is legal.
type Generator struct {
	pick Pick
	n    int
	now  time.Time

	facts    *Facts
	accounts []events.Aggregate
	tenants  []events.Aggregate
	claims   map[events.Aggregate]events.TenantID
	products map[events.Aggregate][]events.ProductID
	apps     map[events.Aggregate][]events.AppID
	past     map[events.Aggregate][]moment
}

// moment is a tenant's state after an event.
type moment struct {
	seq   events.Seq
	state catalogue.MapState
}

// NewGenerator begins an empty catalogue.
func NewGenerator(pick Pick) *Generator {
	return &Generator{
		pick: pick, now: Start, facts: NewFacts(),
		claims:   map[events.Aggregate]events.TenantID{},
		products: map[events.Aggregate][]events.ProductID{},
		apps:     map[events.Aggregate][]events.AppID{},
		past:     map[events.Aggregate][]moment{},
	}
}

// Tenants lists the tenants there are or were.
func (g *Generator) Tenants() []events.Aggregate { return g.tenants }

// Facts is the generator's own account; its States hold the sealed form.
func (g *Generator) Facts() *Facts { return g.facts }

// Next makes a request that is legal after all that was taken.
func (g *Generator) Next() catalogue.Request {
	for range 64 {
		e := g.candidate()
		if catalogue.Decide(world{g}, g.facts.State(e.About), newest(e)) == nil {
			return catalogue.Request{Events: []events.Event{e}}
		}
	}
	return catalogue.Request{Events: []events.Event{g.account()}}
}

// Took tells the generator that its last request was taken.
func (g *Generator) Took(r catalogue.Request, v catalogue.Verdict) {
	e, err := Seal{}.SealNew(newest(r.Events[0]))
	if err != nil {
		panic(err) // Seal never fails
	}
	e.Seq, e.RecordedTime = v.Seq, v.Recorded
	before, _ := g.facts.find(e.About).Tenant()
	if err := catalogue.Fold(g.facts, e); err != nil {
		panic(err) // facts in memory never fail
	}
	state := g.facts.find(e.About)
	switch p := e.Payload.(type) {
	case events.AccountCreated:
		g.accounts = append(g.accounts, e.About)
	case events.TenantCreated:
		g.tenants = append(g.tenants, e.About)
		g.claims[events.OfClaim(events.ClaimCloudID, p.CloudID.String())] = e.About.Tenant()
	case events.ProductActivated:
		g.products[e.About] = append(g.products[e.About], p.Product)
	case events.AppInstalled:
		g.apps[e.About] = append(g.apps[e.About], p.App)
	}
	if after, ok := state.Tenant(); ok {
		if before.URL != after.URL {
			delete(g.claims, events.OfClaim(events.ClaimURL, before.URL))
		}
		g.claims[events.OfClaim(events.ClaimURL, after.URL)] = e.About.Tenant()
		g.past[e.About] = append(g.past[e.About], moment{e.Seq, state.Clone()})
	}
}

// newest is the event as decisions and the fold see it.
func newest(e events.Event) events.Event {
	p, err := events.Upcast(e.Payload)
	if err != nil {
		panic(err) // only known types are generated
	}
	e.Payload = p
	return e
}

func (g *Generator) account() events.Event {
	id := events.DeriveID[events.AccountID](g.name("account"))
	return g.event(events.OfAccount(id), events.AccountCreated{Name: events.Personal(g.name("customer"))})
}

func (g *Generator) candidate() events.Event {
	switch {
	case len(g.accounts) == 0 || g.pick("new account", 20) == 0:
		return g.account()
	case g.pick("about an account", 20) == 0:
		return g.event(g.accounts[g.pick("account", len(g.accounts))], g.contacts())
	case len(g.tenants) == 0 || g.pick("new tenant", 15) == 0:
		return g.event(events.OfTenant(events.DeriveID[events.TenantID](g.name("tenant"))), g.created())
	}
	about := g.tenants[g.pick("tenant", len(g.tenants))]
	head := g.facts.Heads[about]
	var p events.Payload
	if t, _ := g.facts.find(about).Tenant(); t.Status == events.TenantStatusDeleted {
		p = g.restored(about)
	} else {
		p = g.inside(about)
	}
	e := g.event(about, p)
	e.Epoch = head.Epoch
	return e
}

func (g *Generator) event(about events.Aggregate, p events.Payload) events.Event {
	g.now = g.now.Add(time.Second)
	e := events.Event{
		ID: events.DeriveID[events.EventID](g.name("event")), Source: "/services/test", About: about,
		Time: events.TimeOf(g.now), Actor: fmt.Sprint("user_", g.pick("actor", 3)), Payload: p,
	}
	if n := g.pick("run", 4); n > 0 {
		e.Run = events.DeriveID[events.RunID](fmt.Sprint("run", n))
	}
	return e
}

// name is a name that was not there before.
func (g *Generator) name(of string) string {
	g.n++
	return fmt.Sprintf("%s-%d", of, g.n)
}

// url is one of few, so that tenants get into each other's way.
func (g *Generator) url() string { return fmt.Sprintf("t%d.example.net", g.pick("url", 12)) }

func (g *Generator) region() string { return []string{"eu", "us"}[g.pick("region", 2)] }

func (g *Generator) text(of string, n int) string { return fmt.Sprint(of, g.pick(of, n)) }

func (g *Generator) created() events.TenantCreated {
	p := events.TenantCreated{
		URL: g.url(), CloudID: events.DeriveID[events.PlanID](g.name("cloud")).UUID(),
		Account: g.accounts[g.pick("account", len(g.accounts))].Account(),
		Region:  g.region(), Shard: g.text("shard", 3), Tier: "standard", Internal: g.pick("internal", 5) == 0,
	}
	if g.pick("pinned", 4) == 0 {
		p.Residency = p.Region
	}
	return p
}

func (g *Generator) contacts() events.AccountContactsUpdated {
	var p events.AccountContactsUpdated
	for range g.pick("contacts", 4) {
		p.Contacts = append(p.Contacts, events.ContactInfo{
			Kind: events.ContactBilling, Name: events.Personal(g.text("name", 9)),
			Email: events.Personal(g.text("mail", 9) + "@example.com"), Verified: events.TimeOf(g.now),
		})
	}
	return p
}

func (g *Generator) restored(about events.Aggregate) events.TenantRestored {
	past := g.past[about]
	at := past[g.pick("cut", len(past))]
	digest, err := at.state.Digest()
	if err != nil {
		panic(err) // what was folded can be encoded
	}
	return events.TenantRestored{
		Restoration: events.DeriveID[events.RestoreID](g.name("restoration")), Mode: events.Rewind,
		Cut: at.seq, AsOf: past[len(past)-1].seq, Epoch: g.facts.Heads[about].Epoch + 1,
		Part: 1, Parts: 1, Entities: at.state.Entities(), Digest: digest[:],
	}
}

// inside is something that may happen to a living tenant.
func (g *Generator) inside(about events.Aggregate) events.Payload {
	switch g.pick("what", 12) {
	case 0:
		return g.life(about)
	case 1, 2, 3:
		return g.product(about)
	case 4, 5:
		return g.app(about)
	case 6, 7, 8:
		return g.identity()
	case 9:
		return g.resource()
	case 10:
		return events.TenantConfigured{
			Metadata: map[string]string{g.text("key", 4): g.text("value", 3), g.text("key", 4): "x"},
			Flags:    map[string]bool{g.text("flag", 3): g.pick("on", 2) == 0}, Unset: []string{g.text("key", 4)},
		}
	default:
		return events.TenantUsageReported{ActiveUsers: uint64(g.pick("users", 500)), LastActivity: events.TimeOf(g.now)}
	}
}

func (g *Generator) life(about events.Aggregate) events.Payload {
	switch g.pick("life", 6) {
	case 0:
		return events.TenantDeleted{Reason: "asked for"}
	case 1:
		return events.TenantDeactivated{}
	case 2:
		return events.TenantReactivated{}
	case 3:
		return events.TenantRenamed{URL: g.url()}
	case 4:
		return g.restored(about)
	default:
		return events.TenantRelocated{Region: g.region(), Shard: g.text("shard", 3)}
	}
}

func (g *Generator) product(about events.Aggregate) events.Payload {
	id := events.DeriveID[events.ProductID](g.name("product"))
	name := g.text("product", 3)
	if have := g.products[about]; len(have) > 0 && g.pick("new product", 4) > 0 {
		id = have[g.pick("product", len(have))]
		if x, ok := g.facts.find(about)[events.ProductKey(id)].(events.Product); ok {
			name = x.Name
		}
	}
	switch g.pick("product event", 6) {
	case 0:
		return events.ProductDeactivated{Product: id}
	case 1:
		return events.ProductSuspended{Product: id}
	case 2:
		return events.ProductUnsuspended{Product: id}
	case 3:
		return events.ProductLicenseUpdated{Product: id, Edition: g.text("edition", 2), Seats: 10, Active: true}
	case 4:
		return events.ProductLicenseUpdatedV1{Product: id, License: "standard/inactive", Users: -1}
	default:
		return events.ProductActivated{Product: id, Name: name, Seats: uint64(g.pick("seats", 100))}
	}
}

func (g *Generator) app(about events.Aggregate) events.Payload {
	id := events.DeriveID[events.AppID](g.name("app"))
	if have := g.apps[about]; len(have) > 0 && g.pick("new app", 3) > 0 {
		id = have[g.pick("app", len(have))]
	}
	switch g.pick("app event", 3) {
	case 0:
		return events.AppUninstalled{App: id}
	case 1:
		return events.AppRestored{App: id, Name: g.text("app", 3), Version: "2"}
	default:
		return events.AppInstalled{App: id, Name: g.text("app", 3), Version: "1"}
	}
}

func (g *Generator) identity() events.Payload {
	user, group := g.text("user_", 5), g.text("group_", 3)
	switch g.pick("identity event", 6) {
	case 0:
		return events.IdentityMemberRevoked{User: user}
	case 1:
		return events.IdentityGroupSet{Group: group, Name: g.text("team", 5)}
	case 2:
		return events.IdentityGroupRemoved{Group: group}
	case 3:
		return events.IdentityPermissionsChanged{Group: group, Permissions: []string{g.text("write", 2), g.text("read", 2)}}
	default:
		return events.IdentityMemberGranted{
			User: user, Name: events.Personal(g.text("name", 9)), Email: events.Personal(g.text("mail", 9) + "@example.com"),
			Roles: []string{g.text("role", 2), events.RoleSiteAdmin}, Groups: []string{group},
		}
	}
}

func (g *Generator) resource() events.Payload {
	name := g.text("db", 3)
	if g.pick("resource event", 3) == 0 {
		return events.ResourceDeprovisioned{Service: "media", Kind: events.ResourceDatabase, Name: name}
	}
	return events.ResourceProvisioned{Service: "media", Kind: events.ResourceDatabase, Name: name, Region: g.region()}
}

// world answers from the generator's own account.
type world struct{ g *Generator }

func (w world) Exists(a events.Aggregate) (bool, error) { return w.g.facts.Heads[a].Seq != 0, nil }

func (w world) Claimed(claim events.Aggregate) (events.TenantID, error) {
	return w.g.claims[claim], nil
}

func (w world) Issued(id uuid.UUID) (events.Aggregate, bool, error) { return w.g.facts.Issued(id) }
