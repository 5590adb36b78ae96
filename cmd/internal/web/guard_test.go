package web_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/web"
	"tenantcatalogue/events/bus"
)

func TestHost(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *web.Config, _ *net.Listener) { c.Hosts = []string{"catalogue.example.com"} })
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "localhost.": true, "127.0.0.1": true, "127.1.2.3:80": true, "[::1]": true, "[::1]:8080": true,
		"catalogue.example.com": true, "Catalogue.Example.com:443": true,
		"evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "10.0.0.1": false, "0.0.0.0": false,
		"example.com": false, "x.catalogue.example.com": false,
	} {
		answer := r.do(t, ask{method: "GET", path: "/v1/tenants", header: map[string]string{"Host": host}})
		if allowed {
			if answer.StatusCode != 200 {
				t.Errorf("%s: %d: %s", host, answer.StatusCode, answer.raw)
			}
			continue
		}
		problem(t, answer, 421, "wrong_host")
	}
	// Whoever probes knows an address only.
	if answer := r.do(t, ask{method: "GET", path: "/livez", header: map[string]string{"Host": "10.0.0.1:8080"}}); answer.StatusCode != 200 {
		t.Errorf("%d: %s", answer.StatusCode, answer.raw)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	r := start(t)
	own := r.base
	for name, c := range map[string]struct {
		header  map[string]string
		foreign bool
	}{
		"a program":      {map[string]string{}, false},
		"own page":       {map[string]string{"Origin": own, "Sec-Fetch-Site": "same-origin"}, false},
		"typed":          {map[string]string{"Sec-Fetch-Site": "none"}, false},
		"elsewhere":      {map[string]string{"Origin": "https://evil.example"}, true},
		"another port":   {map[string]string{"Origin": "http://127.0.0.1:1"}, true},
		"another name":   {map[string]string{"Origin": strings.Replace(own, "127.0.0.1", "localhost", 1)}, true},
		"sandboxed":      {map[string]string{"Origin": "null"}, true},
		"empty":          {map[string]string{"Origin": ""}, true},
		"a file":         {map[string]string{"Origin": "file://" + strings.TrimPrefix(own, "http://")}, true},
		"without Origin": {map[string]string{"Sec-Fetch-Site": "cross-site"}, true},
		"a sister":       {map[string]string{"Sec-Fetch-Site": "same-site"}, true},
	} {
		for _, a := range []ask{
			{method: "POST", path: "/v1/events"},
			{method: "POST", path: "/v1/verify", who: r.admin()},
			{method: "HEAD", path: "/v1/feed"},
			{method: "GET", path: "/v1/tenants"},
		} {
			a.header = c.header
			refused := r.do(t, a).StatusCode == http.StatusForbidden
			if refused != c.foreign {
				t.Errorf("%s: %s %s: refused is %v", name, a.method, a.path, refused)
			}
		}
	}
	problem(t, r.do(t, ask{method: "POST", path: "/v1/events", header: map[string]string{"Origin": "https://evil.example"}}), 403, "wrong_origin")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	r := start(t)
	known, admin := writer(), r.Admin.Credential()
	wrong := []bus.Credential{
		{User: admin.User, Password: "guess"},
		{User: admin.User},
		{User: known.User, Password: admin.Password},
		{User: bus.Anonymous},
		{User: "", Password: admin.Password},
	}
	for _, c := range wrong {
		answer := r.do(t, ask{method: "GET", path: "/v1/tenants", who: &c})
		problem(t, answer, 401, client.ErrUnauthorized)
		if got := answer.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
			t.Errorf("WWW-Authenticate: %q", got)
		}
	}
	for _, value := range []string{"", "Basic", "Basic !", "Bearer " + admin.Password, "Basic YWRtaW4"} {
		problem(t, r.do(t, ask{method: "GET", path: "/v1/tenants", header: map[string]string{"Authorization": value}}), 401, client.ErrUnauthorized)
	}
	twice := r.request(t, ask{method: "GET", path: "/v1/tenants", who: &admin})
	twice.Header.Add("Authorization", "Basic x")
	if answer := r.send(t, twice); answer.StatusCode != 401 {
		t.Errorf("two credentials: %d", answer.StatusCode)
	}
}

// TestOperatorsOnly wants every operators' route to refuse everybody else.
func TestOperatorsOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	service, strong := writer(), deleter()
	for _, route := range r.web.Routes() {
		if !route.Operators {
			continue
		}
		path := strings.ReplaceAll(route.Path, "{id}", "restore_01h455vb4pex5vsknk084sn02q")
		problem(t, r.do(t, ask{method: route.Method, path: path}), 401, client.ErrUnauthorized)
		problem(t, r.do(t, ask{method: route.Method, path: path, who: &service}), 403, client.ErrForbidden)
		problem(t, r.do(t, ask{method: route.Method, path: path, who: &strong}), 403, client.ErrForbidden)
	}
}

// TestFromAnotherMachine wants a credential from whoever is not here.
func TestFromAnotherMachine(t *testing.T) {
	t.Parallel()
	r := start(t)
	for remote, status := range map[string]int{"192.0.2.7:4000": 401, "[2001:db8::1]:4000": 401, "": 401, "127.0.0.1:4000": 200, "[::1]:4000": 200, "[::ffff:127.0.0.1]:4000": 200} {
		for _, with := range []bool{false, true} {
			req := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/v1/tenants", http.NoBody)
			req.RemoteAddr = remote
			want := status
			if with {
				req.SetBasicAuth(writer().User, writer().Password)
				want = 200
			}
			w := httptest.NewRecorder()
			if r.web.ServeHTTP(w, req); w.Code != want {
				t.Errorf("from %q, with a credential %v: %d, want %d", remote, with, w.Code, want)
			}
		}
	}
}

func TestWrongMethodsAndPaths(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, a := range []ask{
		{method: "GET", path: "/v1/events"},
		{method: "DELETE", path: "/v1/tenants/x"},
		{method: "PUT", path: "/v1/tenants"},
		{method: "OPTIONS", path: "/v1/events"},
		{method: "TRACE", path: "/v1/tenants"},
		{method: "BREW", path: "/v1/tenants"},
		{method: "POST", path: "/metrics"},
	} {
		answer := r.do(t, a)
		problem(t, answer, 405, "method_not_allowed")
		if answer.Header.Get("Allow") == "" {
			t.Errorf("%s %s: what is allowed is not said", a.method, a.path)
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/nothing", "/v2/tenants", "/v1/tenants/", "/debug/pprof/", "/v1/tenants/x/y"} {
		problem(t, r.do(t, ask{method: "GET", path: path}), 404, client.ErrNotFound)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/v1/tenants", "/v1/nothing", "/livez", "/metrics", "/v1/tenants/x"} {
		answer := r.do(t, ask{method: "GET", path: path})
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
			"Access-Control-Allow-Origin": "",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}

// TestPanic wants a fault of ours to be answered, and to give nothing away.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.web.Handle("GET", "/panic", func() any { panic("a secret") })
	r.web.Handle("GET", "/unanswerable", func() any { return func() {} })
	for _, path := range []string{"/panic", "/unanswerable"} {
		answer := r.do(t, ask{method: "GET", path: path})
		problem(t, answer, 500, client.ErrInternal)
		if text := string(answer.raw); strings.Contains(text, "secret") || strings.Contains(text, ".go") || strings.Contains(text, "func") {
			t.Errorf("%s", text)
		}
	}
	if answer := r.do(t, ask{method: "GET", path: "/livez"}); answer.StatusCode != 200 {
		t.Errorf("afterwards: %d", answer.StatusCode)
	}
}
