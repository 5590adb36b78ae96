package web

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

// query reads the parameters of a request. It is strict: one that is unknown,
// empty, malformed or given twice is a fault, and check gives the first.
type query struct {
	values url.Values
	known  []string
	err    error
}

func (r *request) query() *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		err = fault("query", "cannot be read: %v", err)
	}
	return &query{values: values, err: err}
}

// fault is what is wrong with a piece of a request.
func fault(field, format string, args ...any) error {
	return &events.FieldError{Field: field, Why: fmt.Sprintf(format, args...), Err: events.ErrMalformed}
}

func (q *query) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = fault(name, format, args...)
	}
}

// list is a parameter that may be given several times.
func (q *query) list(name string) []string {
	q.known = append(q.known, name)
	given := q.values[name]
	if slices.Contains(given, "") {
		q.fail(name, "is empty; leave it out")
	}
	return given
}

// text is a parameter as it is; empty when it is not given.
func (q *query) text(name string) string {
	given := q.list(name)
	if len(given) > 1 {
		q.fail(name, "is given %d times", len(given))
	}
	if len(given) == 0 {
		return ""
	}
	return given[0]
}

func (q *query) has(name string) bool { return q.values.Has(name) }

// into reads a parameter of a kind that reads itself.
func into[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](q *query, name string) (value T) {
	if text := q.text(name); text != "" {
		if err := P(&value).UnmarshalText([]byte(text)); err != nil {
			q.fail(name, "%v", err)
		}
	}
	return value
}

// all reads a parameter of a kind that reads itself, and that may be given several times.
func all[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](q *query, name string) (values []T) {
	for _, text := range q.list(name) {
		var value T
		if err := P(&value).UnmarshalText([]byte(text)); err != nil {
			q.fail(name, "%v", err)
		}
		values = append(values, value)
	}
	return values
}

// number is a decimal number; 0 when it is not given.
func (q *query) number(name string) uint64 {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		q.fail(name, "is %.30q; a decimal number is wanted", text)
	}
	return n
}

func (q *query) seq(name string) events.Seq { return events.Seq(q.number(name)) }

// limit is how many items are asked for; 0 when it is not given.
func (q *query) limit() int {
	n := q.number("limit")
	if q.has("limit") && n == 0 || n > 1<<20 {
		q.fail("limit", "is out of bounds; from 1 to 1000 are allowed")
	}
	return int(n)
}

func (q *query) boolean(name string) *bool {
	text := q.text(name)
	if text == "" {
		return nil
	}
	if text != "true" && text != "false" {
		q.fail(name, "is %.30q; say true or false", text)
	}
	value := text == "true"
	return &value
}

// check is the first fault, or that a parameter is unknown.
func (q *query) check() error {
	if q.err != nil {
		return q.err
	}
	slices.Sort(q.known)
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if slices.Contains(q.known, name) {
			continue
		}
		if len(q.known) == 0 {
			return fault(fmt.Sprintf("%.40s", name), "is a parameter, and none are taken here")
		}
		return fault(fmt.Sprintf("%.40s", name), "is no parameter here; there are: %s", strings.Join(q.known, ", "))
	}
	return nil
}

// noQuery refuses every parameter.
func (r *request) noQuery() error { return r.query().check() }

// pathID reads the id in the path.
func pathID[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](r *request) (id T, err error) {
	if err := P(&id).UnmarshalText([]byte(r.PathValue("id"))); err != nil {
		return id, &events.FieldError{Field: "id", Err: err}
	}
	return id, nil
}

// named reads what is meant, when there is nothing else to say.
func named[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](r *request) (id T, err error) {
	if id, err = pathID[T, P](r); err != nil {
		return id, err
	}
	return id, r.noQuery()
}

// mediaType is the request's content type; encodings are refused.
func (r *request) mediaType() (string, error) {
	if encoded := r.Header.Get("Content-Encoding"); encoded != "" && encoded != "identity" {
		return "", refuse(http.StatusUnsupportedMediaType, errMediaType, fmt.Sprintf("the encoding %.30q is not supported", encoded), "send the body as it is")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", refuse(http.StatusUnsupportedMediaType, errMediaType, "the content type is missing or none", "name it, in UTF-8")
	}
	return kind, nil
}

// body reads the body, of at most limit bytes.
func (r *request) body(limit int64) ([]byte, error) {
	tooLarge := &events.FieldError{Field: "request", Why: fmt.Sprintf("has more than %d bytes", limit), Err: events.ErrTooLarge}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	c := http.NewResponseController(r.w)
	_ = c.SetReadDeadline(time.Now().Add(bodyTime)) // see grantTime
	raw, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	var more *http.MaxBytesError
	switch {
	case errors.As(err, &more):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, client.ErrTimeout, "the body did not come in time", "send it again")
	case err != nil:
		return nil, fault("request", "ends early or is framed wrongly")
	}
	// The deadline would end the request itself, which may take longer.
	_ = c.SetReadDeadline(time.Time{})
	return raw, nil
}

// maxAsk bounds the body of an operator's request: a hundred thousand tenants
// can be listed in it.
const maxAsk = 8 << 20

// decode reads an operator's request in JSON.
func decode[T any](r *request) (in T, err error) {
	kind, err := r.mediaType()
	if err != nil {
		return in, err
	}
	if kind != "application/json" {
		return in, refuse(http.StatusUnsupportedMediaType, errMediaType, fmt.Sprintf("%.80q is not understood here", kind), "send application/json")
	}
	raw, err := r.body(maxAsk)
	if err != nil {
		return in, err
	}
	return api.Decode[T](raw)
}

// splitList splits a header that is a list.
func splitList(list string) []string {
	items := strings.Split(list, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func trimWeak(tag string) string { return strings.TrimPrefix(tag, "W/") }
