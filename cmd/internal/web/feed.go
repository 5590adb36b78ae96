package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

const (
	// feedPage is how many events are read at once.
	feedPage = 256
	// feedRetry is how long clients should wait before they connect again.
	feedRetry = time.Second
	// feedPause is the wait while the history is out of step with the other views.
	feedPause = 100 * time.Millisecond
)

// feed follows the log as server-sent events, each a CloudEvent with its Seq as
// id. It goes on after Last-Event-ID, else after after_seq, else after the last
// event there is. Every client reads the history at its own pace: there is no
// queue to overflow, and none to lose an event from.
func (s *Server) feed(w http.ResponseWriter, r *request) error {
	select {
	case s.feeds <- struct{}{}:
		defer func() { <-s.feeds }()
	default:
		return refuse(http.StatusServiceUnavailable, client.ErrUnavailable, fmt.Sprintf("%d clients follow the feed already", cap(s.feeds)),
			"connect again later, or follow over NATS")
	}
	req, err := s.feedRequest(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies hand it on as it comes
	s.grantTime(w)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s.cfg.Metrics.FeedClients.Inc()
	defer s.cfg.Metrics.FeedClients.Dec()
	f := follower{server: s, request: r, w: w, read: req}
	fmt.Fprintf(&f.out, "retry: %d\n\n", feedRetry.Milliseconds())
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.feeding, cancel)()
	f.end(f.run(ctx))
	return nil
}

// feedRequest says where to begin and what to send.
func (s *Server) feedRequest(r *request) (req client.ReadRequest, err error) {
	q := r.query()
	after := q.seq("after_seq")
	req.Filter.About = into[events.Aggregate](q, "subject")
	req.Filter.Kinds = q.list("kind")
	var kinds []string
	for _, kind := range events.AggregateKinds {
		kinds = append(kinds, kind.String())
	}
	for _, kind := range req.Filter.Kinds {
		if !slices.Contains(kinds, kind) {
			q.fail("kind", "is %.30q; there are %v", kind, kinds)
		}
	}
	names, err := s.cfg.API.Schemas(api.SchemasRequest{})
	if err != nil {
		return req, err
	}
	for _, t := range q.list("type") {
		if !slices.Contains(names.Names, t) {
			q.fail("type", "is %.80q, which is no event type; see /v1/schemas", t)
		}
		req.Filter.Types = append(req.Filter.Types, events.Type(t))
	}
	if err := q.check(); err != nil {
		return req, err
	}
	head, err := s.cfg.System.Log.Head(r.Context())
	if err != nil {
		return req, err
	}
	from, last := "after_seq", r.Header.Get("Last-Event-ID")
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return req, fault("Last-Event-ID", "is %.30q; the id of an event of this feed is wanted", last)
		}
		from, after = "Last-Event-ID", events.Seq(n)
	}
	if after > head {
		return req, fault(from, "is %d, the last event is %d; is this the catalogue it was?", after, head)
	}
	req.After, req.Limit = after, feedPage
	if last == "" && !q.has("after_seq") {
		req.After = head
	}
	return req, nil
}

// follower is one client of the feed.
type follower struct {
	server  *Server
	request *request
	w       http.ResponseWriter
	read    client.ReadRequest
	out     bytes.Buffer // what is to be sent next
}

// run sends events until something ends it.
func (f *follower) run(ctx context.Context) error {
	waited := false
	for {
		page, err := f.server.cfg.API.Read(ctx, f.read)
		if err != nil {
			return err
		}
		if waited && page.Through == f.read.After {
			// The history is out of service and shows less than the other views.
			if err := pause(ctx, feedPause); err != nil {
				return err
			}
		}
		for _, stored := range page.Events {
			if err := f.event(stored); err != nil {
				return err
			}
		}
		f.read.After = page.Through
		if err := f.send(); err != nil {
			return err
		}
		f.server.cfg.Metrics.FeedEvents.Add(float64(len(page.Events)))
		if waited = page.Through >= page.Head; !waited {
			continue
		}
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
}

// event writes one event. One that cannot be read does not end the feed; whoever
// follows hears that it is there.
func (f *follower) event(s events.Stored) error {
	raw, err := f.server.cfg.API.CloudEvent(f.request.who, s)
	name := ""
	if err != nil {
		name = "event: unreadable\n"
		if raw, err = json.Marshal(unreadable{Seq: s.Seq, Subject: s.About, Why: err.Error()}); err != nil {
			return err
		}
	}
	fmt.Fprintf(&f.out, "id: %d\n%sdata: %s\n\n", s.Seq, name, raw)
	return nil
}

// unreadable stands on the feed for an event that cannot be read.
type unreadable struct {
	Seq     events.Seq       `json:"seq"`
	Subject events.Aggregate `json:"subject,omitzero"`
	Why     string           `json:"why"`
}

// send sends what is written. A client that does not take it in time is cut off:
// it connects again and goes on where it was.
func (f *follower) send() error {
	if f.out.Len() == 0 {
		return nil
	}
	f.server.grantTime(f.w)
	if _, err := f.w.Write(f.out.Bytes()); err != nil {
		return err
	}
	f.out.Reset()
	return http.NewResponseController(f.w).Flush()
}

// wait returns when there are more events, having told that the feed lives as
// often as is due. Its id is how far the log was looked through, so that a
// client with a narrow filter does not begin far behind.
func (f *follower) wait(ctx context.Context) error {
	for {
		beat, cancel := context.WithTimeout(ctx, f.server.cfg.Heartbeat)
		err := f.server.cfg.System.Runner.WaitFor(beat, f.read.After+1)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(&f.out, ": alive\nid: %d\n\n", f.read.After)
		if err := f.send(); err != nil {
			return err
		}
	}
}

// end says goodbye, where there is somebody to hear it. err is never nil: a feed
// has no end of its own.
func (f *follower) end(err error) {
	log := f.server.cfg.System.Logger
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.server.cfg.Metrics.FeedCut.Inc()
		log.Info().Str("client", f.request.RemoteAddr).Stringer("seq", f.read.After).Msg("a client of the feed did not keep up and was cut off")
		return
	case f.request.Context().Err() != nil:
		return
	case f.server.feeding.Err() == nil:
		log.Error().Err(err).Stringer("seq", f.read.After).Msg("a feed ends early; its client goes on when it connects again")
	}
	f.out.WriteString(": the feed ends here; connect again to go on\n\n")
	_ = f.send() // it is a courtesy
}

// pause waits a moment.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
