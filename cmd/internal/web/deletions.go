package web

import (
	"context"
	"net/http"
	"strconv"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// asked answers a request in JSON that has nothing in its path and query.
func asked[In, Out any](r *request, do func(context.Context, auth.Caller, In) (Out, error)) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	in, err := decode[In](r)
	if err != nil {
		return answer{}, err
	}
	return ok(do(r.Context(), r.who, in))
}

// bare answers a request that says nothing.
func bare[Out any](r *request, do func(context.Context, auth.Caller) (Out, error)) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(do(r.Context(), r.who))
}

func deletionPath(id events.PlanID) string { return "/v1/deletions/" + id.String() }

// planDeletion plans a deletion; what is only tried leaves nothing behind.
func (s *Server) planDeletion(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	in, err := decode[api.DeletionPlanRequest](r)
	if err != nil {
		return answer{}, err
	}
	out, err := s.cfg.API.DeletionPlan(r.Context(), r.who, in)
	if err != nil || in.DryRun {
		return ok(out, err)
	}
	return answer{status: http.StatusCreated, header: http.Header{"Location": {deletionPath(out.ID)}}, body: out}, nil
}

// deletions lists the newest plans.
func (s *Server) deletions(r *request) (answer, error) {
	q := r.query()
	in := api.DeletionListRequest{Limit: q.limit()}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.DeletionList(r.Context(), r.who, in))
}

// approval is the body of a request that brings one.
type approval struct {
	Approval events.Approval `json:"approval"`
}

// ofPlan answers a request in JSON about the plan that is named in its path.
func ofPlan[In, Out any](r *request, do func(api.DeletionRequest, In) (Out, error)) (answer, error) {
	id, err := named[events.PlanID](r)
	if err != nil {
		return answer{}, err
	}
	in, err := decode[In](r)
	if err != nil {
		return answer{}, err
	}
	return ok(do(api.DeletionRequest{Plan: id}, in))
}

// deletion shows a plan as its reviewers see it.
func (s *Server) deletion(r *request) (answer, error) {
	id, err := named[events.PlanID](r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.DeletionShow(r.Context(), r.who, api.DeletionRequest{Plan: id}))
}

// approveDeletion records an approval.
func (s *Server) approveDeletion(r *request) (answer, error) {
	return ofPlan(r, func(plan api.DeletionRequest, in approval) (api.Deletion, error) {
		return s.cfg.API.DeletionApprove(r.Context(), r.who, api.DeletionApproveRequest{DeletionRequest: plan, Approval: in.Approval})
	})
}

// confirmDeletion records the owner's confirmation.
func (s *Server) confirmDeletion(r *request) (answer, error) {
	type confirmation struct {
		By       string          `json:"by"`
		Approval events.Approval `json:"approval"`
	}
	return ofPlan(r, func(plan api.DeletionRequest, in confirmation) (api.Deletion, error) {
		return s.cfg.API.DeletionConfirm(r.Context(), r.who, api.DeletionConfirmRequest{DeletionRequest: plan, By: in.By, Approval: in.Approval})
	})
}

// rehearseDeletion rehearses a plan. It goes on when the client has gone.
func (s *Server) rehearseDeletion(r *request) (answer, error) {
	id, err := named[events.PlanID](r)
	if err != nil {
		return answer{}, err
	}
	in := api.DeletionRequest{Plan: id}
	// What is not there is said at once, also to who does not wait.
	now, err := s.cfg.API.DeletionShow(r.Context(), r.who, in)
	if err != nil {
		return answer{}, err
	}
	rehearsal, err := s.rehearsals.join(s.work, id.String(), func(ctx context.Context) (api.Deletion, error) {
		return s.cfg.API.DeletionRehearse(ctx, r.who, in)
	})
	if err != nil {
		return answer{}, err
	}
	if s.await(r, rehearsal.done) {
		return ok(rehearsal.value, rehearsal.err)
	}
	return accepted(deletionPath(id), now), nil
}

// runDeletion lets a plan go on, which it then does by itself.
func (s *Server) runDeletion(r *request) (answer, error) {
	id, err := named[events.PlanID](r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.DeletionRun(r.Context(), r.who, api.DeletionRequest{Plan: id}))
}

// withdrawDeletion ends a plan.
func (s *Server) withdrawDeletion(r *request) (answer, error) {
	type withdrawal struct {
		Why string `json:"why"`
	}
	return ofPlan(r, func(plan api.DeletionRequest, in withdrawal) (api.Deletion, error) {
		return s.cfg.API.DeletionWithdraw(r.Context(), r.who, api.DeletionWithdrawRequest{DeletionRequest: plan, Why: in.Why})
	})
}

// halt halts every deletion. Whoever is in a hurry sends no body.
func (s *Server) halt(r *request) (answer, error) {
	if r.ContentLength == 0 {
		return bare(r, func(ctx context.Context, who auth.Caller) (api.HaltResponse, error) {
			return s.cfg.API.Halt(ctx, who, api.HaltRequest{})
		})
	}
	return asked(r, s.cfg.API.Halt)
}

// door tells whether deletions are halted.
func (s *Server) door(r *request) (answer, error) {
	q := r.query()
	in := api.DoorRequest{LetGo: all[events.RestoreID](q, "let_go")}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.DoorShow(r.Context(), r.who, in))
}

// liftHalt lifts the halt in force.
func (s *Server) liftHalt(r *request) (answer, error) { return asked(r, s.cfg.API.HaltLift) }

// alarms lists the newest alarms.
func (s *Server) alarms(r *request) (answer, error) {
	q := r.query()
	in := api.AlarmsRequest{Limit: q.limit()}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.Alarms(r.Context(), r.who, in))
}

// policies shows the policy in force and the one that is proposed.
func (s *Server) policies(r *request) (answer, error) { return bare(r, s.cfg.API.PolicyShow) }

// proposePolicy asks for another policy.
func (s *Server) proposePolicy(r *request) (answer, error) { return asked(r, s.cfg.API.PolicyPropose) }

// versionNamed reads which policy is meant.
func versionNamed(r *request) (uint32, error) {
	version, err := strconv.ParseUint(r.PathValue("version"), 10, 32)
	if err != nil {
		return 0, fault("version", "is %.20q; a version of the policy is a number", r.PathValue("version"))
	}
	return uint32(version), r.noQuery()
}

// approvePolicy records an approval of the policy that is proposed.
func (s *Server) approvePolicy(r *request) (answer, error) {
	version, err := versionNamed(r)
	if err != nil {
		return answer{}, err
	}
	in, err := decode[approval](r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.PolicyApprove(r.Context(), r.who, api.PolicyApproveRequest{Version: version, Approval: in.Approval}))
}

// changePolicy puts the policy that is proposed in force.
func (s *Server) changePolicy(r *request) (answer, error) {
	version, err := versionNamed(r)
	if err != nil {
		return answer{}, err
	}
	return ok(s.cfg.API.PolicyChange(r.Context(), r.who, api.PolicyChangeRequest{Version: version}))
}

// liens lists the liens.
func (s *Server) liens(r *request) (answer, error) { return bare(r, s.cfg.API.LienList) }

// placeLien keeps a tenant from being deleted.
func (s *Server) placeLien(r *request) (answer, error) { return asked(r, s.cfg.API.LienPlace) }

// liftLien ends that.
func (s *Server) liftLien(r *request) (answer, error) { return asked(r, s.cfg.API.LienLift) }
