package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
)

func (a *app) halt() *cobra.Command {
	var w where
	var s signer
	var lift, look bool
	var reason string
	var letGo []string
	cmd := &cobra.Command{
		Use:   "halt",
		Short: "Halt every deletion, now; nobody has to approve that",
		Long: `Halts every deletion. When it answers, no wave passes any more, and every plan that was
open is dead. Reads, writes and restorations go on.

A halt is lifted by somebody's signature, with --lift. What it has killed stays dead, and
restorations that are being applied go on holding the door, but for --let-go.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case len(letGo) > 0 && !lift:
				return usagef("--let-go needs --lift")
			case look:
				return query(a, cmd, w, operators+"halt.show", api.DoorRequest{}, doorTable)
			case lift:
				if s.key == "" || s.person == "" || reason == "" {
					return usagef("--lift needs --key, --person and --reason")
				}
				req := api.LiftRequest{Reason: reason}
				if err := parseAll("--let-go", letGo, &req.LetGo); err != nil {
					return err
				}
				return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.liftHalt(ctx, r, s, req) })
			}
			return query(a, cmd, w, services+"halt", api.HaltRequest{Detail: reason}, func(w *tabwriter.Writer, h api.HaltResponse) {
				row(w, "halted", fmt.Sprintf("by %s", h.By))
				a.say("to lift it, once you know why: catalogue halt --lift --key FILE --person NAME --reason TEXT")
			})
		},
	}
	w.flags(cmd)
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&reason, "reason", "", "why")
	f.BoolVar(&lift, "lift", false, "lift the halt in force, with your key")
	f.BoolVar(&look, "show", false, "show whether there is one, and what is open")
	f.StringSliceVar(&letGo, "let-go", nil, "with --lift: a restoration that holds the door and cannot be applied to its end; may be given several times")
	cmd.MarkFlagsMutuallyExclusive("lift", "show")
	return cmd
}

func (a *app) liftHalt(ctx context.Context, r *remote, s signer, req api.LiftRequest) error {
	door, err := get[api.Door](ctx, r, operators+"halt.show", api.DoorRequest{LetGo: req.LetGo})
	if err != nil {
		return err
	}
	a.tell(func(w *tabwriter.Writer) { doorTable(w, door) })
	if door.ToSign == nil {
		return fmt.Errorf("%w: deletions are not halted", errNotSigned)
	}
	sentence := deletion.ReopenSentence(door.ToSign.Environment, door.Halted, req.LetGo)
	if req.Approval, err = a.sign(s, *door.ToSign, deletion.HaltHash(door.Halted, req.LetGo), sentence); err != nil {
		return err
	}
	raw, err := r.ask(ctx, operators+"halt.lift", req)
	if err != nil {
		return err
	}
	return show(a, raw, doorTable)
}

func doorTable(w *tabwriter.Writer, d api.Door) {
	if d.Halt == nil {
		row(w, "halted", "no")
	} else {
		row(w, "halted", fmt.Sprintf("at event %d, %s", d.Halted.Seq, d.Halted.Time))
		row(w, "cause", d.Halt.Cause)
		row(w, "detail", d.Halt.Detail)
	}
	for _, o := range d.Open {
		row(w, "open", o.Plan, o.Kind, "until "+o.Expires.String())
	}
	for _, id := range d.Held {
		row(w, "held by", id)
	}
}

func (a *app) alarms() *cobra.Command {
	var w where
	var req api.AlarmsRequest
	cmd := &cobra.Command{
		Use:   "alarms",
		Short: "List what the watcher saw in the log, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, operators+"alarms", req, func(w *tabwriter.Writer, out api.AlarmsResponse) {
				row(w, "SEQ", "RECORDED", "ALARM", "FROM", "TO", "COUNT", "DETAIL")
				for _, raised := range out.Alarms {
					row(w, raised.Seq, raised.Time, raised.Alarm, raised.From, raised.To, raised.Count, raised.Detail)
				}
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&req.Limit, "limit", 0, "at most so many (default 100)")
	return cmd
}
