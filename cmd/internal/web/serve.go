package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/metrics"
	"tenantcatalogue/events"
)

// dispatch hands a request to its route. Those that match none are answered in
// the form of every other refusal.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	unmatched, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	verdict := &discard{header: http.Header{}}
	unmatched.ServeHTTP(verdict, r)
	if allow := verdict.header.Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		s.refused(w, r, refuse(http.StatusMethodNotAllowed, errMethod, fmt.Sprintf("%.20s is not for this resource", r.Method), "use one of "+allow))
		return
	}
	s.refused(w, r, refuse(http.StatusNotFound, client.ErrNotFound, "there is no such resource", "see /v1/openapi.yaml for what there is"))
}

// secure says that an answer is data: never a page, never to be guessed at, kept
// or framed.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// discard takes an answer for its headers.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// serve makes the handler of a route.
func (s *Server) serve(route route) http.Handler {
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := &recorder{ResponseWriter: plain}
		began := time.Now()
		defer func() {
			cause, half := recover(), w.streamed
			if cause != nil {
				s.refused(w, r, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			}
			s.cfg.Metrics.Request(metrics.DoorHTTP, route.method+" "+route.path, w.status, time.Since(began))
			if cause != nil && half {
				panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
			}
		}()
		if err := s.handle(route, w, r); err != nil {
			s.refused(w, r, err)
		}
	})
}

func (s *Server) handle(route route, w *recorder, r *http.Request) error {
	who, err := s.admit(route, r)
	if err != nil {
		return err
	}
	if route.stream != nil {
		return route.stream(w, &request{Request: r, w: w, who: who})
	}
	if route.access != operators {
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		r = r.WithContext(ctx)
	}
	out, err := route.answer(&request{Request: r, w: w, who: who})
	if err != nil {
		return err
	}
	return s.write(w, out)
}

// write sends an answer.
func (s *Server) write(w http.ResponseWriter, a answer) error {
	raw, isRaw := a.body.([]byte)
	if !isRaw && a.body != nil {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		raw = append(raw, '\n')
	}
	maps.Copy(w.Header(), a.header)
	if len(raw) > 0 {
		w.Header().Set("Content-Type", contentTypeOf(a))
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	}
	s.grantTime(w)
	w.WriteHeader(a.status)
	_, _ = w.Write(raw) // a client that has gone has no use for more
	return nil
}

func contentTypeOf(a answer) string {
	if a.contentType == "" {
		return "application/json"
	}
	return a.contentType
}

// grantTime gives the client its time to read what is written next.
func (s *Server) grantTime(w http.ResponseWriter) {
	// A connection that takes no deadline is no connection: a test's recorder.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTime))
}

// problem is a refusal as it is sent.
type problem struct {
	api.Problem
	ID events.EventID `json:"id,omitzero"` // of the event that was refused
}

// refusal is an error that knows its problem.
type refusal struct{ problem }

// Error is the problem's detail.
func (r *refusal) Error() string { return r.Detail }

// refuse makes a refusal of HTTP's own.
func refuse(status int, code client.Code, detail, hint string) error {
	return &refusal{problem{Problem: api.Problem{
		Type: "urn:tenantcatalogue:problem:" + string(code), Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, Hint: hint,
	}}}
}

// statusGone stands in the metrics for a client that did not wait for its answer.
const statusGone = 499

// refused answers with an error.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, err error) {
	rec, _ := w.(*recorder)
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) && rec != nil && s.work.ctx.Err() == nil {
		rec.status = statusGone
		return
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		s.logger.Error().Err(err).Int("status", p.Status).Str("endpoint", r.Pattern).Msg("a request could not be answered")
	}
	if p.Code == client.ErrInternal {
		p.Detail, p.Hint = "the catalogue failed to answer", "the daemon's log says why; report it"
	}
	if rec != nil && rec.streamed {
		return // too late for another answer
	}
	raw, _ := json.Marshal(p) // of plain fields, it cannot fail
	_ = s.write(w, answer{status: p.Status, body: append(raw, '\n'), contentType: "application/problem+json", header: p.headers()})
}

func problemOf(err error) problem {
	if made, ok := errors.AsType[*refusal](err); ok {
		return made.problem
	}
	return problem{Problem: api.ProblemOf(err)}
}

// headers that go with the status.
func (p problem) headers() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="tenant catalogue", charset="UTF-8"`)
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		h.Set("Retry-After", "1")
	case http.StatusInsufficientStorage:
		h.Set("Retry-After", "30")
	}
	return h
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status   int
	streamed bool // the headers are out
}

// WriteHeader remembers the status.
func (r *recorder) WriteHeader(status int) {
	if !r.streamed {
		r.status, r.streamed = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write is the ResponseWriter's.
func (r *recorder) Write(p []byte) (int, error) {
	if !r.streamed {
		r.WriteHeader(http.StatusOK)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// etagMatches tells whether a list of entity tags, such as If-None-Match has,
// names one. Tags are compared weakly.
func etagMatches(lists []string, tag string) bool {
	return slices.ContainsFunc(lists, func(list string) bool {
		return slices.ContainsFunc(splitList(list), func(item string) bool { return item == "*" || trimWeak(item) == tag })
	})
}
