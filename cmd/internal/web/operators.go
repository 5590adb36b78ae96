package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// patience is how long an answer is held back for work that may take longer.
const patience = 10 * time.Second

// planRestore plans a restoration; what is only tried leaves nothing behind.
func (s *Server) planRestore(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	in, err := decode[restore.Ask](r)
	if err != nil {
		return answer{}, err
	}
	out, err := s.cfg.API.RestorePlan(r.Context(), r.who, in)
	if err != nil || !out.Recorded {
		return ok(out, err)
	}
	return answer{status: http.StatusCreated, header: http.Header{"Location": {restorePath(out.ID)}}, body: out}, nil
}

func restorePath(id events.RestoreID) string { return "/v1/restores/" + id.String() }

// restores lists the restorations.
func (s *Server) restores(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.RestoreList(r.Context(), r.who))
}

// restoration tells where a restoration stands.
func (s *Server) restoration(r *request) (answer, error) {
	id, err := named[events.RestoreID](r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.RestoreStatus(r.Context(), r.who, api.RestoreRequest{Restoration: id}))
}

// certificate gives the proof of a restoration.
func (s *Server) certificate(r *request) (answer, error) {
	id, err := named[events.RestoreID](r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.RestoreCertificate(r.Context(), r.who, api.RestoreRequest{Restoration: id}))
}

// applyRestore applies a plan. It goes on when the client has gone.
func (s *Server) applyRestore(r *request) (answer, error) {
	id, err := named[events.RestoreID](r)
	if err != nil {
		return answer{}, err
	}
	in := api.RestoreRequest{Restoration: id}
	// What is not there is said at once, also to who does not wait.
	status, err := s.cfg.API.RestoreStatus(r.Context(), r.who, in)
	if err != nil {
		return answer{}, err
	}
	apply, err := s.applies.join(s.work, id.String(), func(ctx context.Context) (restore.Status, error) {
		return s.cfg.API.RestoreApply(ctx, r.who, in)
	})
	if err != nil {
		return answer{}, err
	}
	if s.await(r, apply.done) {
		return ok(apply.value, apply.err)
	}
	return accepted(restorePath(id), status), nil
}

// await waits for work, unless the client said not to, and as long as patience
// lasts. It tells whether the work is done.
func (s *Server) await(r *request, done <-chan struct{}) bool {
	if slices.ContainsFunc(r.Header.Values("Prefer"), func(list string) bool {
		return slices.ContainsFunc(splitList(list), func(item string) bool { return strings.EqualFold(item, "respond-async") })
	}) {
		return false
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
	case <-r.Context().Done():
	case <-s.feeding.Done():
	}
	return false
}

// accepted says that the work goes on, and where to see how far it is.
func accepted(where string, body any) answer {
	return answer{status: http.StatusAccepted, header: http.Header{"Location": {where}, "Retry-After": {"1"}}, body: body}
}

// diff tells what differs between two points.
func (s *Server) diff(r *request) (answer, error) {
	q := r.query()
	req := api.DiffRequest{From: q.text("from"), To: q.text("to"), Limit: q.limit(), Page: q.text("page")}
	req.Tenants = all[events.TenantID](q, "tenant")
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.Diff(r.Context(), r.who, req))
}

// views tells where the log and the views stand.
func (s *Server) views(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.Views(r.Context(), r.who))
}

// rebuild makes a view anew. It goes on when the client has gone.
func (s *Server) rebuild(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	in, err := decode[api.RebuildRequest](r)
	if err != nil {
		return answer{}, err
	}
	now, err := s.cfg.API.Views(r.Context(), r.who)
	if err != nil {
		return answer{}, err
	}
	rebuild, err := s.rebuilds.join(s.work, in.View, func(ctx context.Context) (api.ViewsResponse, error) {
		return s.cfg.API.Rebuild(ctx, r.who, in)
	})
	if err != nil {
		return answer{}, err
	}
	if s.await(r, rebuild.done) {
		return ok(rebuild.value, rebuild.err)
	}
	return accepted("/v1/views", now), nil
}

// verify folds the log again and compares. It ends when the client goes.
func (s *Server) verify(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.Verify(r.Context(), r.who))
}
