package daemon_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

func open(t *testing.T, cfg daemon.Config) *daemon.System {
	t.Helper()
	s, err := daemon.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *daemon.System) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// created makes the event that begins a tenant of an account of its own.
func created(name string) events.Event {
	return events.Event{
		ID: events.DeriveID[events.EventID]("created", name), Source: "/services/provisioning", Time: 1, Actor: "system:provisioning",
		About: events.OfTenant(events.DeriveID[events.TenantID](name)),
		Payload: events.TenantCreated{
			URL: name + ".example.net", CloudID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)),
			Account: events.DeriveID[events.AccountID](name), Region: "eu-west", Tier: "standard",
		},
	}
}

func account(name string) events.Event {
	e := created(name)
	e.ID = events.DeriveID[events.EventID]("account", name)
	e.About = events.OfAccount(events.DeriveID[events.AccountID](name))
	e.Payload = events.AccountCreated{Name: "Somebody"}
	return e
}

// publish publishes a tenant with its account and waits for the views.
func publish(t *testing.T, s *daemon.System, name string) events.TenantID {
	t.Helper()
	who := catalogue.Credential{Via: "test"}
	verdicts := s.Service.Publish(t.Context(), who,
		catalogue.Request{Events: []events.Event{account(name)}}, catalogue.Request{Events: []events.Event{created(name)}})
	for _, v := range verdicts {
		if v.Err != nil {
			t.Fatal(v.Err)
		}
	}
	if err := s.Runner.WaitFor(t.Context(), verdicts[1].Seq); err != nil {
		t.Fatal(err)
	}
	return created(name).About.Tenant()
}

// TestFeedIsFed follows the feed as the gate's clients do.
func TestFeedIsFed(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{})
	conn, err := s.Bus.GateConn()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sub, err := conn.SubscribeSync(events.FeedPrefix + ">")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	publish(t, s, "one")
	head, err := s.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := events.Seq(1)
	for told := false; next <= head || !told; {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatalf("event %d: %v", next, err)
		}
		if m.Subject == client.HeadSubject {
			var h client.Head
			if err := json.Unmarshal(m.Data, &h); err != nil || h.Log != s.Identity || h.Seq >= next {
				t.Fatalf("the head is told as %s before event %d, %v", m.Data, next, err)
			}
			told = h.Seq == head
			continue
		}
		if got := m.Header.Get("Nats-Sequence"); got != next.String() {
			t.Fatalf("event %s on %s in place of %d", got, m.Subject, next)
		}
		next++
	}
}

func has(t *testing.T, s *daemon.System, id events.TenantID) bool {
	t.Helper()
	var found bool
	err := s.Homes[tenants.Name].View(func(r *viewdb.Snapshot) (err error) {
		_, found, err = tenants.Get(r, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir})
	id := publish(t, s, "acme")
	password := s.Admin.Password
	stop(t, s)

	s = open(t, daemon.Config{DataDir: dir, NATSListen: "127.0.0.1:0"})
	if err := s.Runner.WaitFor(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if !has(t, s, id) {
		t.Error("the tenant is gone")
	}
	again := s.Service.Publish(t.Context(), catalogue.Credential{Via: "test"}, catalogue.Request{Events: []events.Event{created("acme")}})
	if v := again[0]; v.Err != nil || !v.Duplicate || v.Seq != 4 {
		t.Errorf("the same event again: %+v", v)
	}
	admin, err := auth.ReadAdmin(dir)
	if err != nil || admin.Password != password || admin.URL != s.Bus.URL() || admin.URL == "" {
		t.Errorf("admin.json: %+v, %v", admin, err)
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, daemon.Config{DataDir: dir})
	_, err := daemon.Open(t.Context(), daemon.Config{DataDir: dir})
	if !errors.Is(err, daemon.ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("a second daemon on the same directory: %v", err)
	}
}

func TestScratchIsRemoved(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{})
	publish(t, s, "acme")
	stop(t, s)
	if _, err := os.Stat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", s.Dir, err)
	}
}

func TestAdminFileIsPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir})
	password := s.Admin.Password
	info, err := os.Stat(filepath.Join(dir, auth.AdminFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	stop(t, s)
	if err := os.Chmod(filepath.Join(dir, auth.AdminFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if s = open(t, daemon.Config{DataDir: dir}); s.Admin.Password == password {
		t.Error("a password that others could read is still in use")
	}
}

// TestLostLog takes away what a directory knows its log by, piece by piece: as
// long as one piece is left, no new log is begun.
func TestLostLog(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string][]string{
		"the log":               {"nats"},
		"the log and the views": {"nats", "views", "heads"},
		"the log and its name":  {"nats", "log.json"},
		"all but one view":      {"nats", "log.json", "heads", "views/tenants", "views/apps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, daemon.Config{DataDir: dir})
			publish(t, s, "acme")
			stop(t, s)
			for _, piece := range lose {
				if err := os.RemoveAll(filepath.Join(dir, piece)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := daemon.Open(t.Context(), daemon.Config{DataDir: dir})
			if !errors.Is(err, daemon.ErrLostLog) {
				t.Errorf("open without %s: %v", name, err)
			}
		})
	}
}

// TestLostKeys takes the key ring away: no start that fails, for whatever reason,
// leaves anything that the next would take for a key ring.
func TestLostKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir})
	publish(t, s, "acme")
	stop(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	credentials := filepath.Join(dir, "credentials.json")
	if err := os.WriteFile(credentials, []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Open(t.Context(), daemon.Config{DataDir: dir}); err == nil || errors.Is(err, daemon.ErrLostKeys) {
		t.Errorf("open with half a list of credentials: %v", err)
	}
	if err := os.Remove(credentials); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := daemon.Open(t.Context(), daemon.Config{DataDir: dir}); !errors.Is(err, daemon.ErrLostKeys) {
			t.Errorf("open without keys: %v", err)
		}
	}
}

// TestOtherLog puts the log of one directory under the views of another.
func TestOtherLog(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		s := open(t, daemon.Config{DataDir: dir})
		publish(t, s, filepath.Base(dir))
		stop(t, s)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(one, "nats")), os.Rename(filepath.Join(two, "nats"), filepath.Join(one, "nats"))); err != nil {
		t.Fatal(err)
	}
	for _, forget := range []string{"", "log.json"} {
		if forget != "" {
			if err := os.Remove(filepath.Join(one, forget)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := daemon.Open(t.Context(), daemon.Config{DataDir: one}); !errors.Is(err, daemon.ErrLostLog) {
			t.Errorf("without %q: %v", forget, err)
		}
	}
}

// TestStoresAreMadeAgain damages or removes what is made from the log.
func TestStoresAreMadeAgain(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"damaged": damage,
	} {
		for _, store := range []string{"heads", "views/tenants", "views/history"} {
			t.Run(name+" "+store, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := open(t, daemon.Config{DataDir: dir})
				id := publish(t, s, "acme")
				stop(t, s)
				if err := harm(filepath.Join(dir, store)); err != nil {
					t.Fatal(err)
				}
				s = open(t, daemon.Config{DataDir: dir})
				v := s.Service.Publish(t.Context(), catalogue.Credential{Via: "test"}, catalogue.Request{Events: []events.Event{created("acme")}})[0]
				if v.Err != nil || !v.Duplicate {
					t.Errorf("the same event again: %+v", v)
				}
				if err := s.Runner.WaitFor(t.Context(), v.Seq); err != nil {
					t.Fatal(err)
				}
				if !has(t, s, id) {
					t.Error("the tenant is gone")
				}
				err := history.View(s.History, func(r *history.Reader) error {
					if r.Head() != v.Seq {
						t.Errorf("the history is at %d, not at %d", r.Head(), v.Seq)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// damage cuts every manifest of a view short.
func damage(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "MANIFEST") {
			return err
		}
		return os.WriteFile(path, []byte("no manifest"), 0o600)
	})
}
