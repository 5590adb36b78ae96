package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/metrics"
	"tenantcatalogue/cmd/internal/web"
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

// running is a daemon with its web server.
type running struct {
	*daemon.System
	api  *api.API
	web  *web.Server
	doc  *document
	base string // URL
	end  func() error
}

// start runs a daemon that serves HTTP on a port of its own.
func start(tb testing.TB, change ...func(*web.Config, *net.Listener)) *running {
	tb.Helper()
	return startOn(tb, daemon.Config{}, change...)
}

// startOn is start with a daemon that is stepped, and otherwise as it is said.
func startOn(tb testing.TB, system daemon.Config, change ...func(*web.Config, *net.Listener)) *running {
	tb.Helper()
	system.DataDir, system.Stepped, system.Credentials = tb.TempDir(), true, []bus.Credential{deleter(), writer()}
	sys, err := daemon.Open(tb.Context(), system)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := sys.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	r := &running{System: sys, doc: openDocument(tb)}
	if r.api, err = api.New(sys); err != nil {
		tb.Fatal(err)
	}
	l, err := web.Listen(tb.Context(), "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r.base = "http://" + l.Addr().String()
	cfg := web.Config{System: sys, API: r.api, Metrics: metrics.New(r.api, "0.0.0")}
	for _, c := range change {
		c(&cfg, &l)
	}
	if r.web, err = web.New(cfg); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.web.Serve(ctx, l) }()
	r.end = func() error {
		cancel()
		err := <-ended
		ended <- nil
		return err
	}
	tb.Cleanup(func() {
		if err := r.end(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// ask is a request to be made.
type ask struct {
	method, path string
	who          *bus.Credential
	body         any // []byte as it is, anything else as JSON
	header       map[string]string
}

func (r *running) admin() *bus.Credential {
	c := r.Admin.Credential()
	return &c
}

// reply is an answer.
type reply struct {
	*http.Response
	raw []byte // the body, when it has been read
}

// as is a value as the type it must have.
func as[T any](tb testing.TB, v any) T {
	tb.Helper()
	out, ok := v.(T)
	if !ok {
		tb.Fatalf("a %T is no %T", v, out)
	}
	return out
}

// send makes a request and leaves the answer to be read; it is closed with the
// test.
func (r *running) send(t *testing.T, req *http.Request) reply {
	t.Helper()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return reply{Response: answer}
}

// dial connects without HTTP and sends what it is told.
func (r *running) dial(t *testing.T, text string) *net.TCPConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return as[*net.TCPConn](t, conn)
}

// request makes the HTTP request of an ask.
func (r *running) request(t *testing.T, a ask) *http.Request {
	t.Helper()
	raw, isRaw := a.body.([]byte)
	if !isRaw && a.body != nil {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), a.method, r.base+a.path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if a.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.who != nil {
		req.SetBasicAuth(a.who.User, a.who.Password)
	}
	for name, value := range a.header {
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	return req
}

// do asks, and holds the answer against the description of the route.
func (r *running) do(t *testing.T, a ask) reply {
	t.Helper()
	answer := r.send(t, r.request(t, a))
	var err error
	if answer.raw, err = io.ReadAll(answer.Body); err != nil {
		t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	r.doc.check(t, a, answer)
	return answer
}

// get asks for a status of 200 and reads the answer.
func get[T any](t *testing.T, r *running, path string, who ...*bus.Credential) (out T) {
	t.Helper()
	a := ask{method: "GET", path: path}
	if len(who) > 0 {
		a.who = who[0]
	}
	return read[T](t, r.do(t, a), 200)
}

// read wants a status and reads the answer.
func read[T any](t *testing.T, answer reply, status int) (out T) {
	t.Helper()
	if answer.StatusCode != status {
		t.Fatalf("%s: %d: %s", answer.Request.URL, answer.StatusCode, answer.raw)
	}
	if err := json.Unmarshal(answer.raw, &out); err != nil {
		t.Fatalf("%v in %s", err, answer.raw)
	}
	return out
}

// refusal is a problem as it comes.
type refusal struct {
	api.Problem
	ID events.EventID `json:"id"`
}

// problem wants a refusal.
func problem(t *testing.T, answer reply, status int, code client.Code) refusal {
	t.Helper()
	var p refusal
	if err := json.Unmarshal(answer.raw, &p); err != nil {
		t.Fatalf("%s: %d: %v in %q", answer.Request.URL, answer.StatusCode, err, answer.raw)
	}
	if answer.StatusCode != status || p.Status != status || p.Code != code || p.Detail == "" || p.Title == "" {
		t.Errorf("%s %s: %d %s; want %d %s: %s", answer.Request.Method, answer.Request.URL, answer.StatusCode, p.Code, status, code, answer.raw)
	}
	return p
}

// fixture is a tenant of an account of its own, by name.
type fixture string

func (f fixture) tenant() events.TenantID   { return events.DeriveID[events.TenantID](string(f)) }
func (f fixture) account() events.AccountID { return events.DeriveID[events.AccountID](string(f)) }
func (f fixture) cloudID() uuid.UUID        { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(f)) }
func (f fixture) contact() string           { return "someone@" + string(f) + ".example.com" }
func (f fixture) path() string              { return "/v1/tenants/" + f.tenant().String() }

// event makes an event about the tenant; n tells it from others of its type.
func (f fixture) event(n int, p events.Payload) events.Event {
	e := events.Event{
		ID:     events.DeriveID[events.EventID](string(f), string(p.EventType()), fmt.Sprint(n)),
		Source: "/services/provisioning", About: events.OfTenant(f.tenant()), Time: events.TimeOf(time.Unix(1649144280, 0)),
		Actor: "user:ops", Payload: p,
	}
	if p.EventType().About() == events.AggregateAccount {
		e.About = events.OfAccount(f.account())
	}
	return e
}

func (f fixture) created() events.TenantCreated {
	return events.TenantCreated{
		URL: string(f) + ".example.net", CloudID: f.cloudID(), Account: f.account(), Region: "eu-west", Shard: "shard-1", Tier: "standard",
	}
}

func (f fixture) used(n int) events.Event {
	return f.event(n, events.TenantUsageReported{ActiveUsers: uint64(n), LastActivity: 1})
}

// story is the events of a tenant with a bit of everything.
func (f fixture) story() []events.Event {
	return []events.Event{
		f.event(0, events.AccountCreated{Name: events.Personal("Owner of " + f)}),
		f.event(0, events.AccountContactsUpdated{Contacts: []events.ContactInfo{{Kind: events.ContactAdmin, Name: "Some One", Email: events.Personal(f.contact())}}}),
		f.event(0, f.created()),
		f.event(0, events.IdentityMemberGranted{User: "user:one", Name: "Some One", Email: events.Personal(f.contact()), Roles: []string{events.RoleSiteAdmin}}),
		f.event(0, events.ProductActivated{Product: events.DeriveID[events.ProductID](string(f)), Name: "issue-tracker", Edition: "standard", Seats: 10}),
		f.event(0, events.TenantRenamed{URL: string(f) + "-renamed.example.net"}),
	}
}

// cloud is an event in JSON, batch an array of them.
func cloud(t *testing.T, e events.Event) []byte {
	t.Helper()
	raw, err := events.MarshalCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func batch(t *testing.T, list ...events.Event) []byte {
	t.Helper()
	items := make([][]byte, len(list))
	for i, e := range list {
		items[i] = cloud(t, e)
	}
	return []byte("[" + string(bytes.Join(items, []byte(","))) + "]")
}

// one asks to publish an event.
func one(raw []byte, who ...*bus.Credential) ask {
	a := ask{method: "POST", path: "/v1/events", body: raw, header: map[string]string{"Content-Type": api.TypeEvent}}
	if len(who) > 0 {
		a.who = who[0]
	}
	return a
}

// many asks to publish a batch.
func many(raw []byte) ask {
	return ask{method: "POST", path: "/v1/events", body: raw, header: map[string]string{"Content-Type": api.TypeBatch}}
}

// publish publishes events and wants them all to be written.
func (r *running) publish(t *testing.T, list ...events.Event) []client.Verdict {
	t.Helper()
	verdicts := read[[]client.Verdict](t, r.do(t, many(batch(t, list...))), 200)
	if len(verdicts) != len(list) {
		t.Fatalf("%d verdicts on %d events", len(verdicts), len(list))
	}
	for i, v := range verdicts {
		if v.Error != nil {
			t.Fatalf("%s: %v", list[i].Type(), v.Error)
		}
	}
	return verdicts
}

// crew are those who take deletions through the door.
func (r *running) crew() *people.Crew { return people.NewCrew(r.Deletions(), r.Clock) }

// line is the tenant, with its story, in a list of deletions.
func (f fixture) line() deletion.Asked {
	return deletion.Asked{ID: f.tenant().String(), Parent: f.account().String(), Name: string(f) + "-renamed.example.net"}
}

// deleted puts the tenant out of service and deletes it, in a run, and tells where its
// tombstone stands.
func (r *running) deleted(t *testing.T, f fixture, run events.RunID) client.Verdict {
	t.Helper()
	if err := r.crew().DeleteTenants(t.Context(), r.Service, run, f.line()); err != nil {
		t.Fatal(err)
	}
	return client.Verdict{Seq: r.head(t)}
}

func (r *running) head(t *testing.T) events.Seq {
	t.Helper()
	head, err := r.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func minSeq(path string, v client.Verdict) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "min_seq=" + v.Seq.String()
}
