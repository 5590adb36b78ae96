package gate_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/gate"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

// deleter is a credential with the delete role, writer one without.
func deleter() bus.Credential {
	return bus.Credential{User: "provisioning", Password: "a-password-of-provisioning", Roles: []string{bus.RoleDelete}}
}

func writer() bus.Credential {
	return bus.Credential{User: "commerce", Password: "a-password-of-commerce"}
}

// running is a daemon with its gate.
type running struct {
	*daemon.System
	gate *gate.Gate
	api  *api.API
}

// start runs a daemon with a gate on a port of its own.
func start(t testing.TB, cfg daemon.Config) *running {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	if cfg.NATSListen == "" {
		cfg.NATSListen = "127.0.0.1:0"
	}
	cfg.Stepped = true
	cfg.Credentials = []bus.Credential{deleter(), writer()}
	s, err := daemon.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{System: s}
	t.Cleanup(func() { r.stop(t) })
	conn, err := s.Bus.GateConn()
	if err != nil {
		t.Fatal(err)
	}
	if r.api, err = api.New(s); err != nil {
		t.Fatal(err)
	}
	if r.gate, err = gate.Open(t.Context(), gate.Config{Conn: conn, API: r.api, Version: "0.0.0"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	if r.gate != nil {
		if err := r.gate.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// connect connects over TCP: with a credential, or anonymously.
func (r *running) connect(t testing.TB, who ...bus.Credential) *nats.Conn {
	t.Helper()
	opts := []nats.Option{nats.Timeout(time.Minute), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	for _, c := range who {
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	}
	nc, err := nats.Connect(r.Bus.URL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ask makes a request and reads the answer into out; a refusal gives its problem.
func ask(t testing.TB, nc *nats.Conn, subject string, request, out any) *api.Problem {
	t.Helper()
	raw, ok := request.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(request); err != nil {
			t.Fatal(err)
		}
	}
	m, err := nc.Request(subject, raw, 20*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	if m.Header.Get("Nats-Service-Error-Code") != "" {
		var p api.Problem
		if err := json.Unmarshal(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("Nats-Service-Error-Code"); got != fmt.Sprint(p.Status) {
			t.Errorf("the header says %s, the problem %d", got, p.Status)
		}
		return &p
	}
	if err := json.Unmarshal(m.Data, out); err != nil {
		t.Fatalf("%s: %v in %.200q", subject, err, m.Data)
	}
	return nil
}

// fixture is a tenant of an account of its own, by name.
type fixture string

func (f fixture) tenant() events.TenantID   { return events.DeriveID[events.TenantID](string(f)) }
func (f fixture) account() events.AccountID { return events.DeriveID[events.AccountID](string(f)) }
func (f fixture) about() events.Aggregate   { return events.OfTenant(f.tenant()) }
func (f fixture) cloudID() uuid.UUID        { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(f)) }

// event makes an event about the tenant; n tells it from others of its type.
func (f fixture) event(n int, p events.Payload) events.Event {
	e := events.Event{
		ID:     events.DeriveID[events.EventID](string(f), string(p.EventType()), fmt.Sprint(n)),
		Source: "/services/provisioning", About: f.about(), Time: events.TimeOf(time.Unix(1649144280, 0)),
		Actor: "user:ops", Payload: p,
	}
	if p.EventType().About() == events.AggregateAccount {
		e.About = events.OfAccount(f.account())
	}
	return e
}

func (f fixture) contact() string { return "someone@" + string(f) + ".example.com" }

// story is the events of a tenant with a bit of everything.
func (f fixture) story() []events.Event {
	return []events.Event{
		f.event(0, events.AccountCreated{Name: events.Personal("Owner of " + f)}),
		f.event(0, events.AccountContactsUpdated{Contacts: []events.ContactInfo{{Kind: events.ContactAdmin, Name: "Some One", Email: events.Personal(f.contact())}}}),
		f.event(0, events.TenantCreated{
			URL: string(f) + ".example.net", CloudID: f.cloudID(), Account: f.account(), Region: "eu-west", Shard: "shard-1", Tier: "standard",
		}),
		f.event(0, events.IdentityMemberGranted{User: "user:one", Name: "Some One", Email: events.Personal(f.contact()), Roles: []string{events.RoleSiteAdmin}}),
		f.event(0, events.ProductActivated{Product: events.DeriveID[events.ProductID](string(f)), Name: "issue-tracker", Edition: "standard", Seats: 10}),
		f.event(0, events.TenantRenamed{URL: string(f) + "-renamed.example.net"}),
	}
}

// deleted puts the tenant out of service and deletes it, in a run, and tells where its
// tombstone stands.
func (r *running) deleted(t *testing.T, f fixture, run events.RunID) events.Seq {
	t.Helper()
	crew := people.NewCrew(r.Deletions(), r.Clock)
	line := deletion.Asked{ID: f.tenant().String(), Parent: f.account().String(), Name: string(f) + "-renamed.example.net"}
	if err := crew.DeleteTenants(t.Context(), r.Service, run, line); err != nil {
		t.Fatal(err)
	}
	head, err := r.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// storyEnd is where the first story of a log ends: its events and their claims.
const storyEnd = 10

// cloud is events as a JSON batch.
func cloud(t testing.TB, list ...events.Event) []byte {
	t.Helper()
	items := make([]json.RawMessage, len(list))
	for i, e := range list {
		raw, err := events.MarshalCloudEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		items[i] = raw
	}
	raw, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func anonymous() auth.Caller { return auth.Anonymous() }

func errorOf(err error) *client.Error { return api.ErrorOf(err) }
