package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

// maxBatchBytes bounds a batch.
const maxBatchBytes = 32 << 20

// publish takes a CloudEvent in structured mode, or a batch of them.
func (s *Server) publish(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	kind, err := r.mediaType()
	if err != nil {
		return answer{}, err
	}
	switch kind {
	case api.TypeEvent:
		return s.publishOne(r)
	case api.TypeBatch:
		return s.publishBatch(r)
	}
	return answer{}, refuse(http.StatusUnsupportedMediaType, errMediaType, fmt.Sprintf("%.80q is not understood here", kind),
		fmt.Sprintf("send %s, or %s with an array of at most %d", api.TypeEvent, api.TypeBatch, client.MaxBatch))
}

func (s *Server) publishBatch(r *request) (answer, error) {
	if len(r.Header.Values("If-Match")) > 0 {
		return answer{}, fault("If-Match", "does not go with a batch; publish the event by itself")
	}
	raw, err := r.body(maxBatchBytes)
	if err != nil {
		return answer{}, err
	}
	if first(raw) != '[' {
		return answer{}, fault("request", "is not an array; send a single event as %s", api.TypeEvent)
	}
	out, err := s.cfg.API.Publish(r.Context(), r.who, api.TypeBatch, raw)
	return ok(out.Verdicts, err)
}

// publishOne publishes one event, under the condition of If-Match where there is
// one. Its verdict is the answer.
func (s *Server) publishOne(r *request) (answer, error) {
	last, conditional, err := ifMatch(r.Header)
	if err != nil {
		return answer{}, err
	}
	raw, err := r.body(events.MaxCloudEventBytes)
	if err != nil {
		return answer{}, err
	}
	if first(raw) == '[' {
		return answer{}, fault("request", "is an array; send it as %s", api.TypeBatch)
	}
	var verdict client.Verdict
	if conditional {
		verdict, err = s.cfg.API.PublishIf(r.Context(), r.who, raw, last)
	} else {
		var out api.Published
		if out, err = s.cfg.API.Publish(r.Context(), r.who, api.TypeEvent, raw); err == nil {
			verdict = out.Verdicts[0]
		}
	}
	if err != nil {
		return answer{}, err
	}
	return answerOf(verdict, conditional)
}

// answerOf makes an answer of a verdict.
func answerOf(v client.Verdict, conditional bool) (answer, error) {
	if v.Error != nil {
		p := problem{Problem: api.ProblemOfVerdict(v.Error), ID: v.ID}
		if conditional && v.Error.Code == client.ErrConflict {
			p.Status = http.StatusPreconditionFailed
		}
		return answer{}, &refusal{p}
	}
	status := http.StatusCreated
	if v.Duplicate {
		status = http.StatusOK
	}
	return answer{status: status, body: v}, nil
}

// first is the first byte that is no white space; 0 when there is none.
func first(raw []byte) byte {
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) > 0 {
		return trimmed[0]
	}
	return 0
}

// etag is the tag of a tenant, or of an account: the Seq of its last event.
func etag(last events.Seq) string { return strconv.Quote(last.String()) }

// ifMatch reads the condition that the last event is the one with that tag.
func ifMatch(h http.Header) (last events.Seq, given bool, err error) {
	values := h.Values("If-Match")
	if len(values) == 0 {
		return 0, false, nil
	}
	text, quoted := strings.CutPrefix(values[0], `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || !quoted || !closed || len(values) > 1 {
		return 0, false, fault("If-Match", "is not one ETag of a tenant, such as %q", etag(4711))
	}
	return events.Seq(n), true, nil
}
