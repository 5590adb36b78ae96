package api

import (
	"context"
	"encoding/json"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// RestorePlanResponse is a plan; of a very long one not every target is shown,
// though all those that wait for a choice come first.
type RestorePlanResponse struct {
	restore.Plan
	NotShown int `json:"targets_not_shown,omitzero"`
}

// RestorePlan plans a restoration and records the plan, unless it is a dry run.
func (a *API) RestorePlan(ctx context.Context, who auth.Caller, req restore.Ask) (out RestorePlanResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	if req.Actor == "" {
		req.Actor = who.Name
	}
	out.Plan, err = a.restorer.Plan(ctx, req)
	if err != nil {
		return out, err
	}
	return out, out.fit()
}

// fit leaves targets out until the answer fits into a message.
func (r *RestorePlanResponse) fit() error {
	var waiting, others []restore.Target
	for _, t := range r.Targets {
		if t.Waits() {
			waiting = append(waiting, t)
		} else {
			others = append(others, t)
		}
	}
	all := append(waiting, others...)
	for shown := len(all); ; shown /= 2 {
		r.Targets, r.NotShown = all[:shown:shown], len(all)-shown
		raw, err := json.Marshal(r)
		if err != nil || len(raw) <= maxAnswer || shown == 0 {
			return err
		}
	}
}

// RestoreRequest names a restoration.
type RestoreRequest struct {
	Restoration events.RestoreID `json:"restoration"`
}

func (r RestoreRequest) check(who auth.Caller) error {
	if err := operator(who); err != nil {
		return err
	}
	if r.Restoration.IsZero() {
		return badField("restoration", "is missing; name a restore_ id, see the list")
	}
	return nil
}

// RestoreApply brings a plan's targets back. It may be asked again: what was
// done is not done twice.
func (a *API) RestoreApply(ctx context.Context, who auth.Caller, req RestoreRequest) (out restore.Status, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	out, err = a.restorer.Apply(ctx, req.Restoration, nil)
	a.tally.applied(out, err, a.sys.Clock())
	return out, err
}

// RestoreStatus tells where a restoration stands, also while it is applied.
func (a *API) RestoreStatus(ctx context.Context, who auth.Caller, req RestoreRequest) (out restore.Status, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	return a.restorer.Status(ctx, req.Restoration)
}

// RestoreCertificate computes the proof of a restoration from the log.
func (a *API) RestoreCertificate(ctx context.Context, who auth.Caller, req RestoreRequest) (out restore.Certificate, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	return a.restorer.Certificate(ctx, req.Restoration)
}

// RestoreListResponse is every restoration, oldest first.
type RestoreListResponse struct {
	Restorations []restore.Status `json:"restorations"`
}

// RestoreList lists the restorations.
func (a *API) RestoreList(ctx context.Context, who auth.Caller) (out RestoreListResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	list, err := a.restorer.List(ctx)
	out.Restorations = append([]restore.Status{}, list...)
	return out, err
}

// View is where a view stands.
type View struct {
	Name        string                           `json:"name"`
	Seq         events.Seq                       `json:"seq"`
	Lag         events.Seq                       `json:"lag"` // events
	Rebuilding  bool                             `json:"rebuilding,omitzero"`
	Fault       string                           `json:"fault,omitzero"` // why it is out of service
	Quarantined map[string]projectors.Quarantine `json:"quarantined,omitzero"`
	DiskBytes   uint64                           `json:"disk_bytes"`
}

// ViewsResponse is where everything stands.
type ViewsResponse struct {
	Log    string     `json:"log"`  // which log this is
	Head   events.Seq `json:"head"` // its last event
	Ready  bool       `json:"ready"`
	Reason string     `json:"reason,omitzero"` // why it is not
	Views  []View     `json:"views"`
}

// Views tells where the log and every view stand.
func (a *API) Views(ctx context.Context, who auth.Caller) (out ViewsResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	return a.Standing(ctx)
}

// RebuildRequest names a view.
type RebuildRequest struct {
	View string `json:"view"`
}

// Rebuild folds a view anew beside the one that serves, and puts it in its place.
func (a *API) Rebuild(ctx context.Context, who auth.Caller, req RebuildRequest) (out ViewsResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.sys.Runner.Rebuild(ctx, req.View, nil); err != nil {
		return out, err
	}
	return a.Views(ctx, who)
}

// VerifyResponse is what fsck found.
type VerifyResponse struct {
	OK bool `json:"ok"`
	replay.Report
}

// Verify folds the whole log again and holds every view and the heads against it.
func (a *API) Verify(ctx context.Context, who auth.Caller) (out VerifyResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	out.Report, err = a.sys.Verify(ctx, nil)
	out.OK = err == nil && out.Report.OK()
	return out, err
}
