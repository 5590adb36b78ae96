package api

import (
	"context"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
)

// LienPlaceRequest keeps a tenant from being deleted.
type LienPlaceRequest struct {
	Tenant events.TenantID `json:"tenant"`
	Matter string          `json:"matter"` // opaque reference, e.g. legal/2022-17
	Reason string          `json:"reason,omitzero"`
}

// LienListResponse is every lien, by tenant.
type LienListResponse struct {
	Liens []TenantLien `json:"liens"`
}

// TenantLien is a lien with the tenant that it keeps.
type TenantLien struct {
	Tenant events.TenantID `json:"tenant"`
	events.Lien
	ToSign ToSign `json:"to_sign"` // to lift it
}

// LienList lists the liens.
func (a *API) LienList(ctx context.Context, who auth.Caller) (out LienListResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	out.Liens = []TenantLien{}
	err = a.sys.Look(ctx, func(look deletion.Lookup) error {
		policy, err := deletion.PolicyOf(look)
		if err != nil {
			return err
		}
		return a.history(func(r *history.Reader) error {
			return r.At(look.AsOf()).Aggregates(events.AggregateLien, func(about events.Aggregate) error {
				liens, _, err := catalogue.Get[events.Liens](look.State(about), events.Liens{}.EntityKey())
				tenant := events.IDFromUUID[events.TenantID](about.ID)
				for _, l := range liens.Liens {
					out.Liens = append(out.Liens, TenantLien{Tenant: tenant, Lien: l, ToSign: ToSign{
						Environment: policy.Policy.Environment, Action: deletion.ActionLien, Hash: deletion.LienHash(tenant, l),
						Sentence: deletion.LienSentence(tenant, l), Life: policy.Policy.ApprovalLife, Now: a.sys.Now(),
					}})
				}
				return err
			})
		})
	})
	return out, err
}

// LienPlace places a lien on a tenant that there is. It takes nobody's approval.
func (a *API) LienPlace(ctx context.Context, who auth.Caller, req LienPlaceRequest) (out LienListResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	placed := events.LienPlaced{Matter: req.Matter, Reason: req.Reason}
	if err := a.valid(placed); err != nil {
		return out, err
	}
	err = a.sys.Look(ctx, func(look deletion.Lookup) error {
		state, _, err := look.Tenant(ctx, req.Tenant)
		if _, found := state.Tenant(); err == nil && !found {
			err = catalogue.Refuse(catalogue.ErrNotFound, "name the tenant that is to be kept", "there is no %s", req.Tenant)
		}
		return err
	})
	if err == nil {
		err = a.sys.Deletions().PlaceLien(ctx, who.Name, req.Tenant, placed)
	}
	if err != nil {
		return out, err
	}
	return a.LienList(ctx, who)
}

// LienLiftRequest lifts a lien.
type LienLiftRequest struct {
	LienPlaceRequest
	Approval events.Approval `json:"approval"`
}

// LienLift lifts a lien, with somebody's approval.
func (a *API) LienLift(ctx context.Context, who auth.Caller, req LienLiftRequest) (out LienListResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	lifted := events.LienLifted{Matter: req.Matter, Reason: req.Reason, Approval: req.Approval}
	if err := a.valid(lifted); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().LiftLien(ctx, who.Name, req.Tenant, lifted); err != nil {
		return out, err
	}
	return a.LienList(ctx, who)
}
