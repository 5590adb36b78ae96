package events

import (
	"fmt"
	"slices"

	"tenantcatalogue/events/wire"
)

// definition is what the registry knows of an event type.
type definition struct {
	about     AggregateKind
	write     func(*wire.Coder, Payload)
	read      func(*wire.Coder) Payload
	fromJSON  func([]byte) (Payload, error)
	upcast    func(Payload) (Payload, error) // to the next version; nil for the newest
	tombstone bool                           // deletes something
	internal  bool                           // written by the catalogue itself only
}

// registry lists every event type there is or was. A type is never taken out:
// the log is read for ever.
var registry = map[Type]*definition{
	"account.created.v1":          define[AccountCreated](AggregateAccount),
	"account.contacts_updated.v1": define[AccountContactsUpdated](AggregateAccount),

	"tenant.created.v1":        define[TenantCreated](AggregateTenant),
	"tenant.configured.v1":     define[TenantConfigured](AggregateTenant),
	"tenant.renamed.v1":        define[TenantRenamed](AggregateTenant),
	"tenant.relocated.v1":      define[TenantRelocated](AggregateTenant),
	"tenant.usage_reported.v1": define[TenantUsageReported](AggregateTenant),
	"tenant.deactivated.v1":    define[TenantDeactivated](AggregateTenant),
	"tenant.reactivated.v1":    define[TenantReactivated](AggregateTenant),
	"tenant.deleted.v1":        define[TenantDeleted](AggregateTenant).asTombstone(),
	"tenant.restored.v1":       define[TenantRestored](AggregateTenant).asInternal(),

	"product.activated.v1":       define[ProductActivated](AggregateTenant),
	"product.deactivated.v1":     define[ProductDeactivated](AggregateTenant),
	"product.suspended.v1":       define[ProductSuspended](AggregateTenant),
	"product.unsuspended.v1":     define[ProductUnsuspended](AggregateTenant),
	"product.license_updated.v1": define[ProductLicenseUpdatedV1](AggregateTenant).upcastBy(licenseV1ToV2),
	"product.license_updated.v2": define[ProductLicenseUpdated](AggregateTenant),

	"app.installed.v1":   define[AppInstalled](AggregateTenant),
	"app.uninstalled.v1": define[AppUninstalled](AggregateTenant).asTombstone(),
	"app.restored.v1":    define[AppRestored](AggregateTenant).asInternal(),

	"identity.member_granted.v1":      define[IdentityMemberGranted](AggregateTenant),
	"identity.member_revoked.v1":      define[IdentityMemberRevoked](AggregateTenant),
	"identity.group_set.v1":           define[IdentityGroupSet](AggregateTenant),
	"identity.group_removed.v1":       define[IdentityGroupRemoved](AggregateTenant),
	"identity.permissions_changed.v1": define[IdentityPermissionsChanged](AggregateTenant),

	"resource.provisioned.v1":   define[ResourceProvisioned](AggregateTenant),
	"resource.deprovisioned.v1": define[ResourceDeprovisioned](AggregateTenant),

	"claim.taken.v1":    define[ClaimTaken](AggregateClaim).asInternal(),
	"claim.released.v1": define[ClaimReleased](AggregateClaim).asInternal(),

	"restoration.planned.v1":  define[RestorationPlanned](AggregateRestoration).asInternal(),
	"restoration.finished.v1": define[RestorationFinished](AggregateRestoration).asInternal(),

	"deletion.planned.v1":      define[DeletionPlanned](AggregateDeletion).asInternal(),
	"deletion.approved.v1":     define[DeletionApproved](AggregateDeletion).asInternal(),
	"deletion.confirmed.v1":    define[DeletionConfirmed](AggregateDeletion).asInternal(),
	"deletion.rehearsed.v1":    define[DeletionRehearsed](AggregateDeletion).asInternal(),
	"deletion.started.v1":      define[DeletionStarted](AggregateDeletion).asInternal(),
	"deletion.wave_checked.v1": define[DeletionWaveChecked](AggregateDeletion).asInternal(),
	"deletion.finished.v1":     define[DeletionFinished](AggregateDeletion).asInternal(),
	"deletion.refused.v1":      define[DeletionRefused](AggregateDeletion).asInternal(),

	"door.admitted.v1": define[DoorAdmitted](AggregateDoor).asInternal(),
	"door.passed.v1":   define[DoorPassed](AggregateDoor).asInternal(),
	"door.left.v1":     define[DoorLeft](AggregateDoor).asInternal(),
	"door.halted.v1":   define[DoorHalted](AggregateDoor).asInternal(),
	"door.reopened.v1": define[DoorReopened](AggregateDoor).asInternal(),
	"door.held.v1":     define[DoorHeld](AggregateDoor).asInternal(),
	"door.released.v1": define[DoorReleased](AggregateDoor).asInternal(),

	"policy.proposed.v1": define[PolicyProposed](AggregatePolicy).asInternal(),
	"policy.approved.v1": define[PolicyApproved](AggregatePolicy).asInternal(),
	"policy.changed.v1":  define[PolicyChanged](AggregatePolicy).asInternal(),

	"clock.ticked.v1": define[ClockTicked](AggregateClock).asInternal(),
	"alarm.raised.v1": define[AlarmRaised](AggregateAlarm).asInternal(),

	"lien.placed.v1": define[LienPlaced](AggregateLien).asInternal(),
	"lien.lifted.v1": define[LienLifted](AggregateLien).asInternal(),
}

func define[T Payload, P interface {
	*T
	wire.Fields
}](about AggregateKind) *definition {
	f := new(form[T, P])
	return &definition{
		about: about,
		write: func(w *wire.Coder, payload Payload) {
			p, ok := payload.(T)
			if !ok {
				w.Fail(malformed("data", "a %T says that it is a %s", payload, payload.EventType()))
				return
			}
			f.write(w, p)
		},
		read: func(w *wire.Coder) Payload { return f.read(w) },
		fromJSON: func(raw []byte) (Payload, error) {
			var p T
			if err := strictJSON(raw, &p); err != nil {
				return nil, err
			}
			return p, nil
		},
	}
}

func (d *definition) asTombstone() *definition { d.tombstone = true; return d }
func (d *definition) asInternal() *definition  { d.internal = true; return d }

func (d *definition) upcastBy(up func(Payload) (Payload, error)) *definition {
	d.upcast = up
	return d
}

func lookup(t Type) (*definition, error) {
	d, ok := registry[t]
	if !ok {
		return nil, &FieldError{Field: "type", Why: fmt.Sprintf("%.80q is not an event type of this catalogue", string(t)), Err: ErrUnknownType}
	}
	return d, nil
}

// Types lists every event type, sorted.
func Types() []Type {
	out := make([]Type, 0, len(registry))
	for t := range registry {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// Known tells whether the type is in the registry.
func (t Type) Known() bool { _, ok := registry[t]; return ok }

// About is the kind of aggregate that events of this type are about.
func (t Type) About() AggregateKind { return t.known().about }

// Tombstone tells whether the event ends a tenant or an app, which only a wave of a
// plan does.
func (t Type) Tombstone() bool { return t.known().tombstone }

// Internal tells whether only the catalogue itself writes events of this type.
func (t Type) Internal() bool { return t.known().internal }

// Superseded tells whether there is a newer version of the type: it is read
// for ever, accepted and upcast.
func (t Type) Superseded() bool { return t.known().upcast != nil }

// known is what the registry knows of the type, which may be nothing.
func (t Type) known() (d definition) {
	if known, ok := registry[t]; ok {
		d = *known
	}
	return d
}
