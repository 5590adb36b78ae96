package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// errNotSigned is returned when somebody does not consent.
var errNotSigned = errors.New("nothing was signed")

// signer is what every command takes by which a person approves something. The key is
// read here and signs here; the daemon never sees it.
type signer struct{ key, person, sentence string }

func (s *signer) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.key, "key", "", "file with the private key of whoever approves; see catalogue keygen")
	f.StringVar(&s.person, "person", "", "who approves, as on the roster")
	f.StringVar(&s.sentence, "sentence", "", "the sentence, for scripts (default: it is asked for)")
	_ = cmd.MarkFlagFilename("key") // of a flag that is there, it cannot fail
}

// sign asks for the sentence and signs. hash and sentence are what this program makes of
// what it has shown: a daemon that shows one thing and asks for another gets nothing.
func (a *app) sign(s signer, what api.ToSign, hash []byte, sentence string) (out events.Approval, err error) {
	if !bytes.Equal(what.Hash, hash) || what.Sentence != sentence {
		return out, fmt.Errorf("%w: the daemon asks for %q, what it shows is %q; is it of another version?", errNotSigned, what.Sentence, sentence)
	}
	key, err := readKey(s.key)
	if err != nil {
		return out, err
	}
	if s.sentence == "" {
		_, _ = fmt.Fprintf(a.Err, "to approve, type: %s\n> ", sentence)
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return out, fmt.Errorf("%w: %w", errNotSigned, err)
		}
		s.sentence = strings.TrimRight(line, "\r\n")
	}
	if s.sentence != sentence {
		return out, fmt.Errorf("%w: %.80q is not %q", errNotSigned, s.sentence, sentence)
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	now := a.signedAt(what.Now)
	return deletion.Sign(key, what.Environment, what.Action, events.Approval{
		Hash: hash, Person: s.person, Nonce: nonce, Issued: now, Expires: now.Add(what.Life.Duration()),
		FirstWave: what.FirstWave, LastWave: what.LastWave, Sentence: sentence,
	})
}

// clocksDiffer is how far two clocks may be apart before whoever signs is told.
const clocksDiffer = 5 * time.Minute

// signedAt is when something is signed: in recorded time, by which the catalogue judges it,
// and which is ahead for a while after a clock was.
func (a *app) signedAt(recorded events.Time) events.Time {
	if own := events.TimeOf(a.clock()); own.Sub(recorded).Abs() > clocksDiffer {
		a.say("the catalogue's time is %s, this machine's is %s; what is signed counts from the catalogue's", recorded, own)
	}
	return recorded
}

// signAsk has the author sign what is to be deleted, as a plan of its own. What a query
// finds is shown, and is the list then.
func (a *app) signAsk(ctx context.Context, r *remote, path string, req api.DeletionPlanRequest) (api.DeletionPlanRequest, error) {
	key, err := readKey(path)
	if err != nil {
		return req, err
	}
	policies, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
	if err != nil {
		return req, err
	}
	if req.Query != (api.DeletionQuery{}) {
		req.DryRun = true
		found, err := get[api.Deletion](ctx, r, services+"deletion.plan", req)
		if err != nil {
			return req, err
		}
		a.tell(func(w *tabwriter.Writer) { deletionTable(w, found) })
		req.DryRun, req.Query, req.Targets = false, api.DeletionQuery{}, deletion.AskOf(found.ID, found.Deletion).Targets
	}
	if req.ID, err = events.NewID[events.PlanID](uuid.NewV7); err != nil {
		return req, err
	}
	req.Signed.Issued = a.signedAt(policies.Now)
	req.Signed, err = deletion.SignAsk(key, policies.InForce.Policy.Environment, req.Ask(""))
	return req, err
}

// tell writes a table for people, beside the answer.
func (a *app) tell(table func(*tabwriter.Writer)) {
	w := tabwriter.NewWriter(a.Err, 0, 0, 2, ' ', 0)
	table(w)
	_ = w.Flush() // of stderr nobody can be told when it is gone
}

// readKey reads a private key that nobody else can read.
func readKey(path string) (ed25519.PrivateKey, error) {
	raw, err := auth.ReadSecret(path)
	if err != nil {
		return nil, usagef("--key: %w", err)
	}
	block, rest := pem.Decode(raw)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, usagef("--key: %s holds no private key; make one with catalogue keygen", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, usagef("--key: %s holds no Ed25519 key; make one with catalogue keygen", path)
	}
	return key, nil
}

const pemType = "PRIVATE KEY"

// keyLife is how long a key counts unless something else is said.
const keyLife = 365 * 24 * time.Hour

// publicKey is what a person gives to whoever keeps the roster.
type publicKey struct {
	events.RosterMember
	ID string `json:"id"`
}

func (a *app) keygen() *cobra.Command {
	var out string
	var role string
	var life time.Duration
	var p publicKey
	cmd := &cobra.Command{
		Use:   "keygen --person NAME --out FILE",
		Short: "Make a key that its owner plans and approves deletions with",
		Long: `Makes an Ed25519 key. The private half goes into the file, readable by you only, and
stays with you; the public half is printed: with -o json it is what catalogue roster add
and catalogue policy show --default take.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch p.Role = events.RosterRole(role); p.Role {
			case events.RosterApprover, events.RosterAuthor, events.RosterPortal:
			default:
				return usagef("--role %s: say approver, author or portal", role)
			}
			public, err := writeKey(out)
			if err != nil {
				return err
			}
			p.Key, p.ID, p.Expires = public, deletion.KeyID(public), events.TimeOf(time.Now().Add(life).Truncate(time.Second))
			return a.print(p, func(w *tabwriter.Writer) {
				row(w, "person", p.Person)
				row(w, "role", p.Role)
				row(w, "key id", p.ID)
				row(w, "public key", fmt.Sprintf("%x", p.Key))
				row(w, "expires", p.Expires)
				row(w, "private key", out)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.Person, "person", "", "whose key it is, in lower case")
	f.StringVar(&out, "out", "", "file for the private key; it must not be there yet")
	f.StringVar(&role, "role", string(events.RosterApprover), "what it is for: approver, who may plan, too; author, who plans only; or portal, a program that owners confirm their own requests in")
	f.DurationVar(&life, "life", keyLife, "how long it counts once it is on the roster")
	required(cmd, "person", "out")
	return cmd
}

// writeKey makes a key in a new file and gives the public half.
func writeKey(path string) (public ed25519.PublicKey, err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, usagef("--out: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pem.Encode(file, &pem.Block{Type: pemType, Bytes: raw}); err != nil {
		return nil, err
	}
	return public, file.Sync()
}

// readPublic reads what keygen has printed in JSON.
func readPublic(path string) (events.RosterMember, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return events.RosterMember{}, usage(err)
	}
	p, err := api.Decode[publicKey](raw)
	if err == nil && p.ID != deletion.KeyID(p.Key) {
		err = fmt.Errorf("its id is %s, that of the key is %s", p.ID, deletion.KeyID(p.Key))
	}
	if err != nil {
		return p.RosterMember, usagef("%s is not what catalogue keygen -o json prints: %w", path, err)
	}
	return p.RosterMember, nil
}
