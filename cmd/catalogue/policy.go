package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func (a *app) policy() *cobra.Command {
	cmd := group("policy", "Show and change what deletions are held against")
	cmd.AddCommand(a.policyShow(), a.policyPropose(), a.policyApprove(), a.policyChange())
	return cmd
}

func (a *app) policyShow() *cobra.Command {
	var w where
	var standard, proposed bool
	var environment string
	var members, checks []string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the policy in force; with -o json or yaml, so that it can be edited and proposed",
		Long: `Shows the policy in force, and whether another one is proposed. With -o json or yaml it
prints the policy alone, to be edited and given to catalogue policy propose.

A catalogue begins without one, and deletes nothing. --default prints where to begin,
with the keys that catalogue keygen -o json has printed on its roster, and the health
checks that are asked before the first wave and after every one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if standard {
				p := deletion.DefaultPolicy(environment)
				p.Roster, p.Checks = []events.RosterMember{}, checks
				for _, path := range members {
					member, err := readPublic(path)
					if err != nil {
						return err
					}
					p.Roster = append(p.Roster, member)
				}
				return a.print(p, func(w *tabwriter.Writer) { policyTable(w, p) })
			}
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				out, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
				if err != nil {
					return err
				}
				var v any = out.InForce.Policy
				if proposed {
					v = out.Proposed
				}
				return a.print(v, func(w *tabwriter.Writer) { policiesTable(w, out) })
			})
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&standard, "default", false, "the policy to begin with, without asking the daemon")
	f.StringVar(&environment, "environment", "", "for --default: what this catalogue is called, e.g. production-eu; it never changes")
	f.StringSliceVar(&members, "member", nil, "for --default: files with what keygen -o json has printed")
	f.StringSliceVar(&checks, "check", nil, "for --default: health checks of the products, each an http or https URL or nats:<subject>")
	f.BoolVar(&proposed, "proposed", false, "with -o json or yaml: the one that is proposed")
	cmd.MarkFlagsRequiredTogether("default", "environment")
	cmd.MarkFlagsMutuallyExclusive("default", "proposed")
	return cmd
}

func policiesTable(w *tabwriter.Writer, out api.Policies) {
	if out.InForce.Version == 0 {
		row(w, "policy", "none is in force: nothing can be deleted; begin with catalogue policy show --default")
	} else {
		row(w, "policy", fmt.Sprintf("%d, since %s", out.InForce.Version, out.InForce.Since.Time))
		policyTable(w, out.InForce.Policy)
	}
	if p := out.Proposed; p != nil {
		row(w)
		proposalTable(w, *p)
	}
}

func policyTable(w *tabwriter.Writer, p events.Policy) {
	row(w, "environment", p.Environment)
	for i, n := range p.Caps {
		row(w, fmt.Sprintf("with %d approvals", i+1), fmt.Sprintf("%d targets", n))
	}
	b := p.Budget
	row(w, "budget", fmt.Sprintf("%d a minute, %d a day, %d in 30 days; %d a day of owners' requests", b.Minute, b.Day, b.Month, b.Owners))
	row(w, "waves", fmt.Sprintf("of at most %d", p.WaveTargets))
	bakes := make([]string, len(p.Bakes))
	for i, s := range p.Bakes {
		bakes[i] = s.Duration().String()
	}
	row(w, "waits between them", strings.Join(bakes, ", "))
	row(w, "out of service before", p.DeactivatedFor.Duration())
	row(w, "a plan lives", p.PlanLife.Duration())
	row(w, "an approval lives", p.ApprovalLife.Duration())
	row(w, "a rehearsal is fresh", p.RehearsalLife.Duration())
	row(w, "kept afterwards", p.Retention.Duration())
	row(w, "health checks", strings.Join(p.Checks, " "))
	row(w, "to loosen it", fmt.Sprintf("%d approvals and %s", p.Change.Approvals, p.Change.Delay.Duration()))
	rosterTable(w, p.Roster)
}

func proposalTable(w *tabwriter.Writer, p api.PolicyProposal) {
	row(w, "proposed", fmt.Sprintf("policy %d, by %s at %s: %s", p.Version, p.Author, p.Mark.Time, p.Reason))
	for _, respect := range p.Looser {
		row(w, "looser", respect)
	}
	persons := make([]string, len(p.Approvals))
	for i, given := range p.Approvals {
		persons[i] = given.Approval.Person
	}
	row(w, "approvals", fmt.Sprintf("%d needed: %s", p.Needed, strings.Join(persons, ", ")))
	row(w, "not before", p.NotBefore)
}

// proposing is what every command takes that asks for another policy.
type proposing struct {
	where
	author, reason, key string
}

func (p *proposing) flags(cmd *cobra.Command) {
	p.where.flags(cmd)
	cmd.Flags().StringVar(&p.author, "author", "", "the person who asks for it, who cannot approve it")
	cmd.Flags().StringVar(&p.reason, "reason", "", "why")
	cmd.Flags().StringVar(&p.key, "key", "", "file with the private key of the author, who signs it; the first policy needs none")
	_ = cmd.MarkFlagFilename("key") // of a flag that is there, it cannot fail
	required(cmd, "author", "reason")
}

// propose asks for a policy in place of the one in force, signed by its author unless it
// is the first, and says what came of it.
func (a *app) propose(ctx context.Context, r *remote, p proposing, before api.Policies, policy events.Policy) error {
	proposed := events.PolicyProposed{Version: before.InForce.Version + 1, Author: p.author, Reason: p.reason, Policy: policy}
	if before.InForce.Version > 0 {
		if p.key == "" {
			return usagef("--key is missing: the author signs what is proposed; see catalogue keygen")
		}
		key, err := readKey(p.key)
		if err != nil {
			return err
		}
		proposed.Signed.Issued = a.signedAt(before.Now)
		if proposed.Signed, err = deletion.SignPolicy(key, proposed); err != nil {
			return err
		}
	}
	raw, err := r.ask(ctx, operators+"policy.propose", api.PolicyProposeRequest{PolicyProposed: proposed})
	if err != nil {
		return err
	}
	return show(a, raw, func(w *tabwriter.Writer, out api.PolicyProposeResponse) {
		if out.Changed {
			row(w, "in force", fmt.Sprintf("policy %d", out.InForce.Version))
			return
		}
		if out.Proposed != nil {
			proposalTable(w, *out.Proposed)
		}
		a.say("it is looser than the one in force; to approve it: catalogue policy approve --key FILE --person NAME")
	})
}

func (a *app) policyPropose() *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "propose FILE|-",
		Short: "Ask for another policy; a stricter one is in force at once",
		Args:  exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			policy, err := a.readPolicy(args[0])
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				out, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
				if err != nil {
					return err
				}
				return a.propose(ctx, r, p, out, policy)
			})
		},
	}
	p.flags(cmd)
	return cmd
}

// maxPolicy bounds the file of a policy.
const maxPolicy = 1 << 20

// readPolicy reads a policy in JSON or YAML. It is strict: what it does not know it
// refuses.
func (a *app) readPolicy(path string) (p events.Policy, err error) {
	in := a.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return p, usage(err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxPolicy))
	if err != nil {
		return p, fmt.Errorf("read the policy: %w", err)
	}
	var value map[string]any
	if err := yaml.Unmarshal(raw, &value); err != nil { // JSON is YAML, too
		return p, usagef("%s: %w", path, err)
	}
	if raw, err = json.Marshal(value); err != nil {
		return p, usagef("%s: %w", path, err)
	}
	if p, err = api.Decode[events.Policy](raw); err != nil {
		return p, usagef("%s: %w", path, err)
	}
	return p, nil
}

func (a *app) policyApprove() *cobra.Command {
	var w where
	var s signer
	cmd := &cobra.Command{
		Use:   "approve",
		Short: "Look at the policy that is proposed, and sign it with your key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.approvePolicy(ctx, r, s) })
		},
	}
	w.flags(cmd)
	s.flags(cmd)
	required(cmd, "key", "person")
	return cmd
}

// proposal is the policy that is proposed.
func (r *remote) proposal(ctx context.Context) (api.PolicyProposal, error) {
	out, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
	if err != nil {
		return api.PolicyProposal{}, err
	}
	if out.Proposed == nil {
		return api.PolicyProposal{}, fmt.Errorf("%w: no policy is proposed", errNotSigned)
	}
	return *out.Proposed, nil
}

func (a *app) approvePolicy(ctx context.Context, r *remote, s signer) error {
	p, err := r.proposal(ctx)
	if err != nil {
		return err
	}
	a.tell(func(w *tabwriter.Writer) {
		policyTable(w, p.Policy)
		proposalTable(w, p)
	})
	hash, err := p.Hash(p.Mark.Seq)
	if err != nil {
		return err
	}
	approval, err := a.sign(s, p.ToSign, hash, deletion.PolicySentence(p.PolicyProposed))
	if err != nil {
		return err
	}
	raw, err := r.ask(ctx, operators+"policy.approve", api.PolicyApproveRequest{Version: p.Version, Approval: approval})
	if err != nil {
		return err
	}
	return show(a, raw, policiesTable)
}

func (a *app) policyChange() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "change",
		Short: "Put the policy that is proposed in force, once it is approved and has waited",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				p, err := r.proposal(ctx)
				if err != nil {
					return err
				}
				raw, err := r.ask(ctx, operators+"policy.change", api.PolicyChangeRequest{Version: p.Version})
				if err != nil {
					return err
				}
				return show(a, raw, policiesTable)
			})
		},
	}
	w.flags(cmd)
	return cmd
}
