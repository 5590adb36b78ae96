package web

import (
	"encoding/json"
	"io/fs"
	"net/http"

	"github.com/google/uuid"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

// tenants lists tenants, a page at a time.
func (s *Server) tenants(r *request) (answer, error) {
	q := r.query()
	req := api.TenantListRequest{
		Shard: q.text("shard"), Region: q.text("region"), Account: into[events.AccountID](q, "account"),
		Status: events.TenantStatus(q.text("status")), Tier: q.text("tier"), Internal: q.boolean("internal"),
		Limit: q.limit(), Page: q.text("page"), MinSeq: q.seq("min_seq"),
	}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.reads.TenantList(r.Context(), req))
}

// tenant gives a tenant as it is, or as it was.
func (s *Server) tenant(r *request) (answer, error) {
	id, err := pathID[events.TenantID](r)
	if err != nil {
		return answer{}, err
	}
	q := r.query()
	at, minSeq := q.text("at"), q.seq("min_seq")
	if at != "" && q.has("min_seq") {
		q.fail("min_seq", "does not go with at")
	}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	if at != "" {
		return ok(s.reads.TenantAsOf(r.Context(), api.TenantAsOfRequest{Tenant: id, At: at}))
	}
	out, err := s.reads.TenantGet(r.Context(), api.TenantGetRequest{Tenant: id, MinSeq: minSeq})
	if err != nil {
		return answer{}, err
	}
	if out.Tenant.Deleted != nil {
		return ok(out, nil) // how long it is kept changes without an event of its own
	}
	return tagged(r, out.Tenant.Seq, out), nil
}

// tenantRecord gives a tenant without what it has.
func (s *Server) tenantRecord(r *request) (answer, error) {
	id, err := pathID[events.TenantID](r)
	if err != nil {
		return answer{}, err
	}
	q := r.query()
	minSeq := q.seq("min_seq")
	if err := q.check(); err != nil {
		return answer{}, err
	}
	out, err := s.reads.TenantRecord(r.Context(), api.TenantGetRequest{Tenant: id, MinSeq: minSeq})
	if err != nil {
		return answer{}, err
	}
	return tagged(r, out.Record.Seq, out), nil
}

// tagged answers with a body about a tenant whose last event stands at seq, unless
// the caller has it already.
func tagged(r *request, seq events.Seq, body any) answer {
	tag := etag(seq)
	header := http.Header{"Etag": {tag}, "Cache-Control": {"private, no-cache"}}
	if etagMatches(r.Header.Values("If-None-Match"), tag) {
		return answer{status: http.StatusNotModified, header: header}
	}
	return answer{status: http.StatusOK, header: header, body: body}
}

// tenantHistory gives the events of a tenant.
func (s *Server) tenantHistory(r *request) (answer, error) {
	id, err := pathID[events.TenantID](r)
	if err != nil {
		return answer{}, err
	}
	q := r.query()
	req := historyRequest(q)
	req.Subject = events.OfTenant(id)
	return s.historyOf(r, q, req)
}

// history gives who did what.
func (s *Server) history(r *request) (answer, error) {
	q := r.query()
	req := historyRequest(q)
	req.Subject = into[events.Aggregate](q, "subject")
	return s.historyOf(r, q, req)
}

func historyRequest(q *query) api.HistoryRequest {
	return api.HistoryRequest{
		Run: into[events.RunID](q, "run"), Actor: q.text("actor"), Type: events.Type(q.text("type")),
		Since: into[events.Time](q, "since"), Until: into[events.Time](q, "until"),
		Limit: q.limit(), Page: q.text("page"), MinSeq: q.seq("min_seq"),
	}
}

func (s *Server) historyOf(r *request, q *query, req api.HistoryRequest) (answer, error) {
	if err := q.check(); err != nil {
		return answer{}, err
	}
	out, err := s.reads.History(r.Context(), r.who, req)
	if out.Events == nil {
		out.Events = []json.RawMessage{}
	}
	return ok(out, err)
}

// lookup finds tenants by what people know of them.
func (s *Server) lookup(r *request) (answer, error) {
	q := r.query()
	req := api.LookupRequest{
		URL: q.text("url"), CloudID: into[uuid.UUID](q, "cloud_id"), Account: into[events.AccountID](q, "account"),
		Contact: q.text("contact"), MinSeq: q.seq("min_seq"),
	}
	if err := q.check(); err != nil {
		return answer{}, err
	}
	return ok(s.reads.Lookup(r.Context(), r.who, req))
}

// schemas names the event types.
func (s *Server) schemas(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(s.reads.Schemas(api.SchemasRequest{}))
}

// schema gives the JSON Schema of an event type.
func (s *Server) schema(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	out, err := s.reads.Schemas(api.SchemasRequest{Name: r.PathValue("type")})
	return answer{status: http.StatusOK, body: []byte(out.Schema), contentType: "application/schema+json"}, err
}

// openAPI gives the description of all this.
func openAPI(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	raw, err := fs.ReadFile(schemas.Files(), "openapi.yaml")
	return answer{status: http.StatusOK, body: raw, contentType: "application/yaml"}, err
}
