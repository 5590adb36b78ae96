package api

import (
	"context"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/viewdb"
)

// DeletionListRequest asks for the newest plans.
type DeletionListRequest struct {
	Limit int `json:"limit,omitzero"`
}

// DeletionListResponse is plans as of a Seq, the newest first. Lists that were refused are no
// plans; the history has them.
type DeletionListResponse struct {
	Seq       events.Seq      `json:"as_of_seq"`
	Deletions []DeletionLine  `json:"deletions"`
	More      bool            `json:"more,omitzero"`   // there are older ones than are shown
	Unread    []events.PlanID `json:"unread,omitzero"` // nothing can be read of these: see verify
}

// DeletionLine is a plan in a list.
type DeletionLine struct {
	ID events.PlanID `json:"plan"`
	Standing
	Kind     events.DeletionKind `json:"kind"`
	Targets  int                 `json:"targets"`
	Author   string              `json:"author"`
	Supplier string              `json:"supplier"`
	Owner    events.AccountID    `json:"owner,omitzero"`
	Reason   string              `json:"reason"`
	Planned  events.Time         `json:"planned"`
	Expires  events.Time         `json:"expires"`
}

// DeletionList lists plans, as the view has them when it has come as far as the log is now. Of
// one that cannot be read any more it tells why.
func (a *API) DeletionList(ctx context.Context, who auth.Caller, req DeletionListRequest) (out DeletionListResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	n, err := limit(req.Limit)
	if err == nil {
		err = a.waitForHead(ctx)
	}
	if err != nil {
		return out, err
	}
	out.Deletions = []DeletionLine{}
	err = a.together(func(s snapshots) error {
		out.Seq = s.seq
		view := s.views[deletions.Name]
		if out.Unread, err = deletions.Unread(view); err != nil {
			return err
		}
		look := deletions.NewLook(view)
		return deletions.Each(view, func(id events.PlanID, d events.Deletion) (err error) {
			if out.More = len(out.Deletions) == n; out.More {
				return viewdb.ErrStop
			}
			line := DeletionLine{
				ID: id, Kind: d.Plan.Kind, Targets: len(d.Plan.Targets), Author: d.Plan.Author, Supplier: d.Plan.Supplier, Owner: d.Plan.Owner,
				Reason: d.Plan.Reason, Planned: d.Planned.Time, Expires: d.Plan.Expires,
			}
			why, err := projectors.Untrusted(projectors.Trusted(view, events.OfDeletion(id)))
			if why != "" {
				line.Standing = Standing{State: StateDead, Why: why}
			} else if err == nil {
				line.Standing, err = a.standing(look, s.seq, who, id, d)
			}
			out.Deletions = append(out.Deletions, line)
			return err
		})
	}, deletions.Name)
	return out, err
}
