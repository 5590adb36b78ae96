package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/events"
)

// Options say how to reach the catalogue.
type Options struct {
	URL  string // nats://host:port; several, separated by commas
	Name string // of the service, as the bus shows it

	// User and Password, or a Creds file, of the service's credential. Without
	// either the service is anonymous.
	User, Password string
	Creds          string

	// Attempt is how long one attempt to publish waits for its answer before the
	// same is sent again; 5 s if 0. An attempt to read waits four times as long.
	Attempt time.Duration
	// OnTrouble, when set, hears of attempts that failed and of connections that
	// were lost. They are made good; it is for a log or a metric.
	OnTrouble func(error)
}

const (
	defaultAttempt = 5 * time.Second
	firstBackoff   = 50 * time.Millisecond
	maxBackoff     = 5 * time.Second
)

// Client publishes, reads and follows. It is safe for concurrent use.
type Client struct {
	nc        *nats.Conn
	attempt   time.Duration
	onTrouble func(error)
}

// Connect connects to the bus. It fails when the catalogue cannot be reached
// now; once connected, the client comes back by itself for ever.
func Connect(o Options) (*Client, error) {
	opts := o.NATS()
	if o.User != "" {
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	}
	if o.Creds != "" {
		opts = append(opts, nats.UserCredentials(o.Creds))
	}
	nc, err := nats.Connect(o.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the catalogue at %s: %w", o.URL, err)
	}
	return Over(nc, o), nil
}

// NATS are the options that a connection of a client has beside its credential.
func (o Options) NATS() []nats.Option {
	trouble := func(err error) {
		if err != nil && o.OnTrouble != nil {
			o.OnTrouble(err)
		}
	}
	return []nats.Option{
		nats.Name(o.Name), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now is sent again by Publish, with everything it knows
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { trouble(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { trouble(err) }),
	}
}

// Over makes a client of a connection that was made with o.NATS. Close closes it.
func Over(nc *nats.Conn, o Options) *Client {
	c := &Client{nc: nc, attempt: o.Attempt, onTrouble: o.OnTrouble}
	if c.attempt == 0 {
		c.attempt = defaultAttempt
	}
	if c.onTrouble == nil {
		c.onTrouble = func(error) {}
	}
	return c
}

// Close ends the connection. What was not answered may have been written: it is
// safe to publish it again with the same id.
func (c *Client) Close() { c.nc.Close() }

// request asks until there is an answer, or ctx ends. An answer is also a
// refusal that would not change.
func (c *Client) request(ctx context.Context, subject, contentType string, body []byte, attempt time.Duration) ([]byte, error) {
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header.Set(events.HeaderContentType, contentType)
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		answer, err := c.once(ctx, m, attempt)
		if err == nil {
			return answer, nil
		}
		if !passing(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
		c.onTrouble(fmt.Errorf("%s: %w; it is sent again", subject, err))
		if err := c.pause(ctx, wait); err != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
	}
}

// once makes one attempt.
func (c *Client) once(ctx context.Context, m *nats.Msg, attempt time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	answer, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get(headerErrorCode) == "" {
		return answer.Data, nil
	}
	return nil, refusalOf(answer)
}

// The headers of a refusal (nats.go/micro).
const (
	headerErrorCode = "Nats-Service-Error-Code"
	headerError     = "Nats-Service-Error"
)

// refusalOf reads the problem that a refusal carries.
func refusalOf(answer *nats.Msg) error {
	var problem struct {
		Error
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(answer.Data, &problem); err != nil || problem.Code == "" {
		return &Error{Code: ErrInternal, Message: answer.Header.Get(headerErrorCode) + " " + answer.Header.Get(headerError)}
	}
	problem.Message = problem.Detail
	return &problem.Error
}

// passing tells whether the same request may succeed when it is made again.
func passing(err error) bool {
	var code Code
	switch {
	case errors.As(err, &code):
		return code.passing()
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrPermissionViolation):
		return false
	}
	return true // no responders, no connection at the moment, no answer in time
}

// pause waits about as long as it is told.
func (c *Client) pause(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait/2 + rand.N(wait))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
