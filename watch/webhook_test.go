package watch_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/watch"
)

// TestWebhook posts to one that is there, one that fails at first, one that redirects and
// one that hangs: none holds up another, or whoever sends.
func TestWebhook(t *testing.T) {
	t.Parallel()
	hang, hanging := make(chan struct{}), make(chan struct{}, 100)
	var mu sync.Mutex
	attempts := map[string]int{}
	taken := make(chan events.AlarmRaised, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		attempts[r.URL.Path]++
		n := attempts[r.URL.Path]
		mu.Unlock()
		switch {
		case r.URL.Path == "/hang":
			hanging <- struct{}{}
			<-hang
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/good", http.StatusTemporaryRedirect)
		case r.URL.Path == "/late" && n < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			var a events.AlarmRaised
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s, %v", r.Method, err)
			}
			select {
			case taken <- a:
			default: // those that nobody waits for: the server is closed when every post is answered
			}
		}
	}))
	defer server.Close()
	defer close(hang)
	failed := make(chan error, 1000)
	hooks, err := watch.NewWebhook(watch.WebhookConfig{
		URLs: []string{
			server.URL + "/hang?token=geheim", server.URL + "/moved?token=geheim", server.URL + "/good?token=geheim", server.URL + "/late?token=geheim",
			"http://user:geheim@127.0.0.1:1/geheim",
		},
		Timeout: time.Minute, Wait: time.Millisecond,
		Failed: func(host string, err error) {
			if strings.Contains(host+err.Error(), "geheim") {
				t.Errorf("it tells a secret: %s, %v", host, err)
			}
			select {
			case failed <- err:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { hooks.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	alarm := events.AlarmRaised{Alarm: events.AlarmRate, Detail: "51 tombstones in a minute", From: 1, To: 51, Count: 51}
	hooks.Send(alarm)
	_ = next(t, "post that hangs", hanging)
	for range 2 {
		if a := next(t, "post", taken); a != alarm {
			t.Errorf("%+v", a)
		}
	}
	for range 2 + 6 + 6 { // late, moved, and where nobody listens
		_ = next(t, "failure", failed)
	}
	began := time.Now()
	for range 1000 {
		hooks.Send(alarm)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("whoever sends was held up for %v", took)
	}
	mu.Lock()
	defer mu.Unlock()
	if attempts["/late"] < 3 || attempts["/hang"] != 1 || attempts["/moved"] < 6 {
		t.Errorf("%v", attempts)
	}
}

// TestWebhookTimeout gives up an attempt that gets no answer.
func TestWebhookTimeout(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	failed := make(chan error, 100)
	hooks, err := watch.NewWebhook(watch.WebhookConfig{
		URLs: []string{server.URL}, Timeout: time.Millisecond, Wait: time.Millisecond, Failed: func(_ string, err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { hooks.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	hooks.Send(events.AlarmRaised{})
	for range 6 {
		_ = next(t, "failure", failed)
	}
}

// TestWebhookURLs names a bad one without showing it.
func TestWebhookURLs(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "geheim", "ftp://geheim", "http://", "http://geheim\x7f", "nats:geheim"} {
		_, err := watch.NewWebhook(watch.WebhookConfig{URLs: []string{"https://example.net/x", bad}})
		if err == nil || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), "webhook 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
