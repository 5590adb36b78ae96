package gate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/micro"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// The first tokens of the subjects.
const (
	prefix      = "catalogue.v1."
	prefixAdmin = "catalogue.admin.v1."
)

// endpoint is one subject and what answers there.
type endpoint struct {
	subject string
	slow    bool // may take as long as it takes
	urgent  bool // has slots of its own
	handle  func(ctx context.Context, who auth.Caller, r micro.Request) (reply, error)
}

// endpoints is everything that can be asked.
func endpoints(a *api.API) []endpoint {
	return []endpoint{
		{subject: prefix + "publish", handle: publish(a)},
		{subject: prefix + "read", handle: read(a)},
		{subject: prefix + "tenant.get", handle: open(a.TenantGet)},
		{subject: prefix + "tenant.record", handle: open(a.TenantRecord)},
		{subject: prefix + "tenant.asof", handle: open(a.TenantAsOf)},
		{subject: prefix + "tenant.list", handle: open(a.TenantList)},
		{subject: prefix + "lookup", handle: known(a.Lookup)},
		{subject: prefix + "history", handle: known(a.History)},
		{subject: prefix + "schemas", handle: open(func(_ context.Context, r api.SchemasRequest) (api.SchemasResponse, error) { return a.Schemas(r) })},

		{subject: prefix + "deletion.plan", handle: known(a.DeletionPlan)},
		{subject: prefix + "deletion.confirm", handle: known(a.DeletionConfirm)},
		{subject: prefix + "halt", urgent: true, handle: known(a.Halt)},

		{subject: prefixAdmin + "deletion.show", handle: known(a.DeletionShow)},
		{subject: prefixAdmin + "deletion.list", handle: known(a.DeletionList)},
		{subject: prefixAdmin + "deletion.approve", handle: known(a.DeletionApprove)},
		{subject: prefixAdmin + "deletion.rehearse", slow: true, handle: known(a.DeletionRehearse)},
		{subject: prefixAdmin + "deletion.run", handle: known(a.DeletionRun)},
		{subject: prefixAdmin + "deletion.withdraw", handle: known(a.DeletionWithdraw)},
		{subject: prefixAdmin + "halt.show", handle: known(a.DoorShow)},
		{subject: prefixAdmin + "halt.lift", handle: known(a.HaltLift)},
		{subject: prefixAdmin + "policy.show", handle: bare(a.PolicyShow)},
		{subject: prefixAdmin + "policy.propose", handle: known(a.PolicyPropose)},
		{subject: prefixAdmin + "policy.approve", handle: known(a.PolicyApprove)},
		{subject: prefixAdmin + "policy.change", handle: known(a.PolicyChange)},
		{subject: prefixAdmin + "alarms", handle: known(a.Alarms)},
		{subject: prefixAdmin + "lien.list", handle: bare(a.LienList)},
		{subject: prefixAdmin + "lien.place", handle: known(a.LienPlace)},
		{subject: prefixAdmin + "lien.lift", handle: known(a.LienLift)},

		{subject: prefixAdmin + "restore.plan", slow: true, handle: known[restore.Ask](a.RestorePlan)},
		{subject: prefixAdmin + "restore.apply", slow: true, handle: known(a.RestoreApply)},
		{subject: prefixAdmin + "restore.status", slow: true, handle: known(a.RestoreStatus)},
		{subject: prefixAdmin + "restore.list", slow: true, handle: bare(a.RestoreList)},
		{subject: prefixAdmin + "restore.certificate", slow: true, handle: known(a.RestoreCertificate)},
		{subject: prefixAdmin + "diff", slow: true, handle: known(a.Diff)},
		{subject: prefixAdmin + "views", handle: bare(a.Views)},
		{subject: prefixAdmin + "rebuild", slow: true, handle: known(a.Rebuild)},
		{subject: prefixAdmin + "verify", slow: true, handle: bare(a.Verify)},
		{subject: prefixAdmin + "export", handle: known(a.Export)},
		{subject: prefixAdmin + "import.send", handle: known(a.ImportSend)},
		{subject: prefixAdmin + "import.run", slow: true, handle: known(a.ImportRun)},
		{subject: prefixAdmin + "import.status", handle: known(a.ImportStatus)},
	}
}

// handler is what answers at an endpoint.
type handler = func(context.Context, auth.Caller, micro.Request) (reply, error)

// known makes a handler of a method that asks who is asking.
func known[In, Out any](do func(context.Context, auth.Caller, In) (Out, error)) handler {
	return func(ctx context.Context, who auth.Caller, r micro.Request) (reply, error) {
		in, err := api.Decode[In](r.Data())
		if err != nil {
			return nil, err
		}
		out, err := do(ctx, who, in)
		return encode(out, err)
	}
}

// open makes a handler of a method that answers everybody alike.
func open[In, Out any](do func(context.Context, In) (Out, error)) handler {
	return known(func(ctx context.Context, _ auth.Caller, in In) (Out, error) { return do(ctx, in) })
}

// bare makes a handler of a method that takes no request.
func bare[Out any](do func(context.Context, auth.Caller) (Out, error)) handler {
	return known(func(ctx context.Context, who auth.Caller, _ struct{}) (Out, error) { return do(ctx, who) })
}

// maxPayload is the bus's limit of one message, less what the headers take.
const maxPayload = 1<<20 - 4<<10

func encode(out any, err error) (reply, error) {
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	if len(raw) > maxPayload {
		return nil, &events.FieldError{
			Field: "limit", Err: events.ErrTooLarge,
			Why: fmt.Sprintf("lets the answer grow to %d bytes, a message holds %d; ask for less, or over HTTP", len(raw), maxPayload),
		}
	}
	return raw, nil
}

// publish answers one event with its verdict, a batch with an array of them.
func publish(a *api.API) handler {
	return func(ctx context.Context, who auth.Caller, r micro.Request) (reply, error) {
		out, err := a.Publish(ctx, who, r.Headers().Get("Content-Type"), r.Data())
		switch {
		case err != nil:
			return nil, err
		case out.Batch:
			return encode(out.Verdicts, nil)
		case out.Verdicts[0].Error != nil:
			return nil, refusal{api.ProblemOfVerdict(out.Verdicts[0].Error)}
		}
		return encode(out.Verdicts[0], nil)
	}
}

// read answers in JSON, or in the stored form to whoever asks for it.
func read(a *api.API) handler {
	return func(ctx context.Context, _ auth.Caller, r micro.Request) (reply, error) {
		in, err := api.Decode[client.ReadRequest](r.Data())
		if err != nil {
			return nil, err
		}
		switch in.Format {
		case client.FormatStored:
			out, err := a.Read(ctx, in)
			if err != nil {
				return nil, err
			}
			return events.Marshal(&out)
		case client.FormatPages:
			out, err := a.Pages(ctx, in)
			if err != nil {
				return nil, err
			}
			return out.MarshalBinary()
		case "":
			out, err := a.ReadJSON(ctx, in)
			return encode(out, err)
		}
		return nil, &events.FieldError{
			Field: "format", Err: events.ErrMalformed, Why: fmt.Sprintf("is %.40q; say %s or %s, or leave it out for JSON", in.Format, client.FormatStored, client.FormatPages),
		}
	}
}
