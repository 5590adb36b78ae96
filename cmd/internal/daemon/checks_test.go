package daemon_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

// TestChecks asks health checks over HTTP and over NATS: well, bad, and silent are three
// answers.
func TestChecks(t *testing.T) {
	t.Parallel()
	products := bus.Credential{User: "products", Password: "the-password-of-products", Roles: []string{bus.RoleDelete}}
	s := open(t, daemon.Config{Stepped: true, NATSListen: "127.0.0.1:0", Credentials: []bus.Credential{products}})
	conn, err := nats.Connect(s.Bus.URL(), nats.Timeout(time.Minute), nats.UserInfo(products.User, products.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, answer := range map[string]string{"well": `{"ok":true}`, "bad": `{"ok":false,"detail":"3 tenants cannot be reached"}`, "babbles": `fine`} {
		_, err := conn.Subscribe(bus.CheckPrefix+name, func(m *nats.Msg) { _ = m.Respond([]byte(answer)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/well", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wave") != "0" || r.URL.Query().Get("plan") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/well?wave=0&plan=x", http.StatusFound)
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	web := httptest.NewServer(mux)
	defer web.Close()
	for _, c := range []struct {
		check        string
		well, silent bool
	}{
		{check: "nats:" + bus.CheckPrefix + "well", well: true},
		{check: "nats:" + bus.CheckPrefix + "bad"},
		{check: "nats:" + bus.CheckPrefix + "babbles"},
		{check: "nats:" + bus.CheckPrefix + "nobody", silent: true},
		{check: web.URL + "/well", well: true},
		{check: web.URL + "/bad"},
		{check: web.URL + "/elsewhere"},
		{check: web.URL + "/hangs", silent: true},
		{check: "http://127.0.0.1:1/", silent: true},
	} {
		within := time.Minute
		if strings.HasSuffix(c.check, "/hangs") {
			within = time.Second
		}
		err := daemon.AskCheck(t.Context(), s, within, c.check, events.DeriveID[events.PlanID]("plan"), 0)
		if (err == nil) != c.well || errors.Is(err, deletion.ErrSilent) != c.silent {
			t.Errorf("%s: %v", c.check, err)
		}
	}
}

// TestNobodyElseAnswersChecks keeps whoever has no credential from saying that all is well.
func TestNobodyElseAnswersChecks(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true, NATSListen: "127.0.0.1:0"})
	denied := make(chan error, 8)
	conn, err := nats.Connect(s.Bus.URL(), nats.Timeout(time.Minute), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Subscribe(bus.CheckPrefix+"products", func(m *nats.Msg) { _ = m.Respond([]byte(`{"ok":true}`)) }); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-denied:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("it is told %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it may answer")
	}
	err = daemon.AskCheck(t.Context(), s, time.Second, "nats:"+bus.CheckPrefix+"products", events.DeriveID[events.PlanID]("plan"), 1)
	if !errors.Is(err, deletion.ErrSilent) {
		t.Errorf("the check: %v", err)
	}
}
