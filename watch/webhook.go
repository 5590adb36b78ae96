package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tenantcatalogue/events"
)

// WebhookConfig says whom to tell of alarms.
type WebhookConfig struct {
	URLs    []string      // http or https
	Timeout time.Duration // of one attempt; 5 s if zero
	Wait    time.Duration // after the first attempt, and twice as long after each; 1 s if zero
	// Failed hears of an attempt that failed. host is that of the URL, the rest of which
	// may be a secret.
	Failed func(host string, err error)
}

const (
	hookAttempts = 6  // with waits of 1 to 16 s, half a minute
	hookQueue    = 64 // alarms that wait for a receiver
)

// ErrHookFull is told when a receiver is too far behind: an alarm is not posted to it.
var ErrHookFull = errors.New("too many alarms wait for the receiver: one was dropped")

// Webhook posts alarms, as the JSON of alarm.raised.v1, to whoever is to be told. A receiver
// may get one twice.
type Webhook struct {
	cfg    WebhookConfig
	client *http.Client
	hooks  []hook
}

// hook is one receiver.
type hook struct {
	to    *url.URL
	queue chan []byte
}

// NewWebhook makes a Webhook. The error names a URL that is none by its place in the list.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Second
	}
	w := &Webhook{cfg: cfg, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for i, text := range cfg.URLs {
		to, err := url.Parse(text)
		if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			return nil, fmt.Errorf("webhook %d is not an http or https URL", i+1) // the URL may hold a secret, and so may err
		}
		w.hooks = append(w.hooks, hook{to: to, queue: make(chan []byte, hookQueue)})
	}
	return w, nil
}

// Send has an alarm posted. It does not wait.
func (w *Webhook) Send(a events.AlarmRaised) {
	body, err := json.Marshal(a)
	for _, h := range w.hooks {
		if err != nil {
			w.failed(h, err)
			continue
		}
		select {
		case h.queue <- body:
		default:
			w.failed(h, ErrHookFull)
		}
	}
}

// Run posts until ctx ends. No receiver waits for another.
func (w *Webhook) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, h := range w.hooks {
		wg.Go(func() {
			for {
				select {
				case body := <-h.queue:
					w.deliver(ctx, h, body)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	wg.Wait()
}

// deliver posts until it is taken, or was tried often enough.
func (w *Webhook) deliver(ctx context.Context, h hook, body []byte) {
	wait := w.cfg.Wait
	for attempt := 1; ; attempt++ {
		err := w.post(ctx, h, body)
		if err == nil || ctx.Err() != nil {
			return
		}
		w.failed(h, err)
		if attempt == hookAttempts {
			return
		}
		pause(ctx, wait)
		wait *= 2
	}
}

func (w *Webhook) post(ctx context.Context, h hook, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.to.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := w.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %d", answer.StatusCode)
	}
	return nil
}

func (w *Webhook) failed(h hook, err error) {
	if w.cfg.Failed != nil {
		w.cfg.Failed(h.to.Host, err)
	}
}
