package api

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// HistoryRequest selects events; all conditions that are set must hold. Times
// are recorded times.
type HistoryRequest struct {
	Subject events.Aggregate `json:"subject,omitzero"` // a tenant_, account_, restore_ or claim_ id
	Run     events.RunID     `json:"run,omitzero"`
	Actor   string           `json:"actor,omitzero"`
	Type    events.Type      `json:"type,omitzero"`
	Since   events.Time      `json:"since,omitzero"` // at or after
	Until   events.Time      `json:"until,omitzero"` // before
	Limit   int              `json:"limit,omitzero"`
	Page    string           `json:"page,omitzero"` // next of the page before
	MinSeq  events.Seq       `json:"min_seq,omitzero"`
}

// HistoryResponse is one page of CloudEvents with what the catalogue adds to
// them, in the order of the log. All pages are as of the same Seq.
type HistoryResponse struct {
	Seq    events.Seq        `json:"as_of_seq"`
	Events []json.RawMessage `json:"events"`
	Next   string            `json:"next,omitzero"` // empty on the last page
}

// History gives who did what. Operators see personal fields, everyone else gets
// them sealed.
func (r *Reads) History(ctx context.Context, who auth.Caller, req HistoryRequest) (out HistoryResponse, err error) {
	n, err := limit(req.Limit)
	if err != nil {
		return out, err
	}
	query := req
	query.Limit, query.Page, query.MinSeq = 0, "", 0
	page, err := parseToken(req.Page, query)
	if err != nil {
		return out, err
	}
	if err := r.waitFor(ctx, req.MinSeq); err != nil {
		return out, err
	}
	err = r.history(func(past *history.Reader) error {
		if page.Seq == 0 {
			page.Seq = past.Head()
		}
		out.Seq = page.Seq
		after := events.Seq(0)
		if len(page.After) == 8 {
			after = events.Seq(binary.BigEndian.Uint64(page.After))
		}
		answer := answer{reads: r, who: who, limit: n}
		err := past.Find(history.Query{
			About: req.Subject, Run: req.Run, Actor: req.Actor, Type: req.Type,
			After: after, UpTo: max(page.Seq, 1), Since: req.Since, Until: req.Until,
		}, func(e events.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return answer.add(e)
		})
		out.Events = answer.events
		if answer.full {
			page.After = binary.BigEndian.AppendUint64(nil, uint64(answer.last))
			out.Next = page.String()
		}
		return err
	})
	return out, err
}

// answer gathers CloudEvents until there is no room for more.
type answer struct {
	reads *Reads
	who   auth.Caller
	limit int

	events []json.RawMessage
	bytes  int
	last   events.Seq // of the events gathered
	full   bool       // there is at least one more
}

func (a *answer) add(e events.Event) error {
	raw, err := a.reads.outside(a.who, e)
	if err != nil {
		return err
	}
	if len(a.events) > 0 && (len(a.events) == a.limit || a.bytes+len(raw) > maxAnswer) {
		a.full = true
		return viewdb.ErrStop
	}
	a.events = append(a.events, raw)
	a.bytes += len(raw)
	a.last = e.Seq
	return nil
}

// outside is an event as a caller may see it.
func (r *Reads) outside(who auth.Caller, e events.Event) (json.RawMessage, error) {
	if who.Operator {
		opened, err := r.opener.OpenEvent(e)
		if err != nil {
			return nil, err
		}
		e = opened
	}
	return events.MarshalCloudEvent(e)
}

// CloudEvent is an event of the log as a caller may see it, in JSON.
func (a *API) CloudEvent(who auth.Caller, s events.Stored) (json.RawMessage, error) {
	e, err := events.Decode(s)
	if err != nil {
		return nil, err
	}
	return a.outside(who, e)
}

// ReadJSON is the answer to a read in JSON.
type ReadJSON struct {
	Head    events.Seq        `json:"head"`    // the last event that can be read
	Through events.Seq        `json:"through"` // everything up to here has been looked at
	Events  []json.RawMessage `json:"events"`  // CloudEvents; personal fields are sealed
}

// Read gives the log after a Seq in stored form, as many events as fit.
func (a *API) Read(ctx context.Context, req client.ReadRequest) (out client.ReadResponse, err error) {
	n := req.Limit
	if n == 0 {
		n = maxLimit
	}
	if n, err = limit(n); err != nil {
		return out, err
	}
	if err := a.waitFor(ctx, req.MinSeq); err != nil {
		return out, err
	}
	err = history.View(a.sys.History, func(r *history.Reader) error {
		out.Head, out.Through = r.Head(), max(r.Head(), req.After) // the history may not be there yet
		size := 0
		take := func(s events.Stored) error {
			if !req.Filter.Passes(s) {
				return ctx.Err()
			}
			size += len(s.Data) + len(s.Type) + len(s.Source) + storedOverhead
			if len(out.Events) == n || len(out.Events) > 0 && size > maxAnswer {
				out.Through = out.Events[len(out.Events)-1].Seq
				return viewdb.ErrStop
			}
			out.Events = append(out.Events, s)
			return nil
		}
		if !req.Filter.About.IsZero() {
			return r.Of(req.Filter.About, req.After, out.Head, take)
		}
		return r.Read(req.After, out.Head, take)
	})
	return out, err
}

// storedOverhead is at most what an event takes in msgpack beside its texts.
const storedOverhead = 64

// ReadJSON gives the log after a Seq as CloudEvents.
func (a *API) ReadJSON(ctx context.Context, req client.ReadRequest) (out ReadJSON, err error) {
	stored, err := a.Read(ctx, req)
	if err != nil {
		return out, err
	}
	out = ReadJSON{Head: stored.Head, Through: stored.Through, Events: []json.RawMessage{}}
	gathered := answer{reads: a.Reads, limit: maxLimit}
	for _, s := range stored.Events {
		e, err := events.Decode(s)
		if err != nil {
			return out, err
		}
		if err := gathered.add(e); err != nil || gathered.full {
			out.Through = gathered.last
			break
		}
	}
	out.Events = append(out.Events, gathered.events...)
	return out, nil
}

// SchemasRequest asks for one schema, or for the names of all.
type SchemasRequest struct {
	Name string `json:"name,omitzero"` // an event type, or common
}

// SchemasResponse is the names, or one schema.
type SchemasResponse struct {
	Names  []string        `json:"names,omitzero"`
	Schema json.RawMessage `json:"schema,omitzero"`
}

// Schemas gives the JSON Schemas of the events.
func (r *Reads) Schemas(req SchemasRequest) (out SchemasResponse, err error) {
	if req.Name == "" {
		out.Names = r.schemas.Names()
		return out, nil
	}
	raw, ok := r.schemas.Raw(req.Name)
	if !ok {
		return out, badField("name", "%.80q is no schema of this catalogue; ask without a name for the list", req.Name)
	}
	out.Schema = raw
	return out, nil
}
