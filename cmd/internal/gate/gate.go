// Package gate answers requests over NATS: package api as a service of nats.go's
// micro, called catalogue. Whatever `nats micro` shows works with it, and a plain
//
//	nats req catalogue.v1.publish '{"specversion":"1.0", …}'
//
// does too. Requests and answers are JSON; a refused request is answered with
// micro's error headers, the code being the HTTP status, and a problem (RFC 9457)
// as payload. In a batch each event has a verdict of its own and the batch is no
// error.
//
// Who asks is what the bus vouches for (see events/bus); requests that do not say
// so are refused. The admin endpoints are reachable from the operators' account
// only, and refuse everybody else besides.
package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events/bus"
)

// Config is what a Gate is made of.
type Config struct {
	Conn    *nats.Conn // to the gate's account; the Gate closes it
	API     *api.API
	Version string // of the program, e.g. 1.2.3
	Logger  zerolog.Logger
	// Listener, when set, hears of every answer: the endpoint, the HTTP status
	// and how long it took.
	Listener func(endpoint string, status int, took time.Duration)
}

const (
	// atOnce is how many requests are worked on at the same time; more wait in
	// the connection's buffer.
	atOnce = 256
	// urgentAtOnce is how many halts are, besides.
	urgentAtOnce = 64
	// requestTime is how long a service's request may take. Operators' requests
	// take as long as they take.
	requestTime = 30 * time.Second
)

// Gate is the service on the bus.
type Gate struct {
	cfg     Config
	service micro.Service
	ctx     context.Context //nolint:containedctx // of all requests; it ends when the Gate does
	cancel  context.CancelFunc
	slots   chan struct{}
	urgent  chan struct{} // slots of halts, which nothing else takes
	closed  chan struct{} // the connection is

	mu      sync.RWMutex // guards closing against a request that begins
	closing bool
	working sync.WaitGroup
}

// Open starts to answer requests. They end with ctx, or with Close.
func Open(ctx context.Context, cfg Config) (*Gate, error) {
	g := &Gate{cfg: cfg, slots: make(chan struct{}, atOnce), urgent: make(chan struct{}, urgentAtOnce), closed: make(chan struct{})}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	cfg.Conn.SetClosedHandler(func(*nats.Conn) { close(g.closed) })
	var err error
	g.service, err = micro.AddService(cfg.Conn, micro.Config{
		Name: "catalogue", Version: cfg.Version, Description: "The tenant catalogue: publish lifecycle events, read tenants and their history.",
		QueueGroupDisabled: true,
		ErrorHandler: func(_ micro.Service, e *micro.NATSError) {
			g.cfg.Logger.Error().Str("subject", e.Subject).Msg("the gate lost requests: " + e.Description)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the gate: %w", err)
	}
	for _, e := range endpoints(cfg.API) {
		// micro's names have no dots.
		name := strings.NewReplacer(prefixAdmin, "admin-", prefix, "", ".", "-").Replace(e.subject)
		take := func(r micro.Request) { g.take(e, r) } //nolint:contextcheck // a request ends with the Gate, not with what opened it
		if err := g.service.AddEndpoint(name, micro.HandlerFunc(take), micro.WithEndpointSubject(e.subject)); err != nil {
			return nil, errors.Join(fmt.Errorf("open the gate: endpoint %s: %w", e.subject, err), g.service.Stop())
		}
	}
	if err := cfg.Conn.Flush(); err != nil {
		return nil, fmt.Errorf("open the gate: %w", err)
	}
	return g, nil
}

// take begins to work on a request, or refuses it. It blocks while as many as
// may be are worked on; micro's subscription is the queue then. What is urgent waits for
// what is urgent, too, and for nothing else.
func (g *Gate) take(e endpoint, r micro.Request) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closing {
		g.answer(e, r, time.Now(), nil, catalogue.ErrStopped)
		return
	}
	slots := g.slots
	if e.urgent {
		slots = g.urgent
	}
	slots <- struct{}{}
	g.working.Go(func() {
		defer func() { <-slots }()
		began := time.Now()
		out, err := g.work(e, r)
		g.answer(e, r, began, out, err)
	})
}

func (g *Gate) work(e endpoint, r micro.Request) (out reply, err error) {
	caller, err := bus.CallerOf(r.Headers())
	if err != nil {
		return out, err
	}
	ctx := g.ctx
	if !e.slow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTime)
		defer cancel()
	}
	return e.handle(ctx, auth.FromBus(caller), r)
}

// reply is the body of an answer that is no error.
type reply []byte

// refusal is an answer that is an error, made already.
type refusal struct{ api.Problem }

// Error is the problem's detail.
func (r refusal) Error() string { return r.Detail }

// answer sends the answer by itself, not through the request, which micro reads
// when the handler has returned.
func (g *Gate) answer(e endpoint, r micro.Request, began time.Time, out reply, err error) {
	m := nats.NewMsg(r.Reply())
	status := http.StatusOK
	if err != nil {
		problem := problemOf(err)
		status = problem.Status
		m.Header.Set(micro.ErrorCodeHeader, strconv.Itoa(status))
		m.Header.Set(micro.ErrorHeader, headerText(problem))
		out, _ = json.Marshal(problem) // of plain fields, it cannot fail
		if status >= http.StatusInternalServerError {
			g.cfg.Logger.Error().Err(err).Int("status", status).Str("endpoint", e.subject).Msg("a request could not be answered")
		}
	}
	m.Data = out
	if r.Reply() != "" {
		if err := g.cfg.Conn.PublishMsg(m); err != nil {
			g.cfg.Logger.Warn().Err(err).Str("endpoint", e.subject).Int("bytes", len(out)).Msg("an answer could not be sent")
		}
	}
	if g.cfg.Listener != nil {
		g.cfg.Listener(e.subject, status, time.Since(began))
	}
}

func problemOf(err error) api.Problem {
	if made, ok := errors.AsType[refusal](err); ok {
		return made.Problem
	}
	return api.ProblemOf(err)
}

// headerText is the problem in one line of a header.
func headerText(p api.Problem) string {
	text := string(p.Code) + ": " + p.Detail
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	const limit = 1024
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return text[:min(len(text), limit)]
}

// Close lets the requests under way finish and refuses what still comes. When
// ctx ends first they are cut off.
func (g *Gate) Close(ctx context.Context) error {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		return nil
	}
	g.closing = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.working.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		g.cancel()
		<-done
	}
	g.cancel()
	err := errors.Join(g.service.Stop(), g.cfg.Conn.Drain())
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil // the bus went first
	}
	if err != nil {
		g.cfg.Conn.Close()
	}
	select {
	case <-g.closed:
	case <-ctx.Done():
		g.cfg.Conn.Close()
	}
	return err
}
