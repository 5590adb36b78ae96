package web_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"tenantcatalogue/cmd/internal/web"
	"tenantcatalogue/schemas"
)

// node is a place in the document.
type node = map[string]any

// document is schemas/openapi.yaml.
type document struct {
	root     node
	mu       sync.Mutex // of the compiler
	compiler *jsonschema.Compiler
}

func openDocument(tb testing.TB) *document {
	tb.Helper()
	raw, err := fs.ReadFile(schemas.Files(), "openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	var root node
	if err := yaml.Unmarshal(raw, &root); err != nil {
		tb.Fatal(err)
	}
	asJSON, err := json.Marshal(root)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		tb.Fatal(err)
	}
	d := &document{root: as[node](tb, value), compiler: jsonschema.NewCompiler()}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("urn:openapi", value); err != nil {
		tb.Fatal(err)
	}
	return d
}

// find follows a pointer and the references on its way; at is where it ends up.
func (d *document) find(pointer ...string) (found node, at []string) {
	found = d.root
	for _, step := range pointer {
		next, ok := found[step].(node)
		if !ok {
			return nil, nil
		}
		found, at = next, append(at, step)
		if ref, ok := found["$ref"].(string); ok {
			found, at = d.find(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return found, slices.Clone(at)
}

// pathOf is the path of the document that a path belongs to.
func (d *document) pathOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	paths, _ := d.find("paths")
	if _, literal := paths[path]; literal {
		return path
	}
	for template := range paths {
		pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), "[^/]+")
		if regexp.MustCompile("^" + pattern + "$").MatchString(path) {
			return template
		}
	}
	return ""
}

// check holds an answer against the document.
func (d *document) check(t *testing.T, a ask, answer reply) {
	t.Helper()
	method, path, status := strings.ToLower(a.method), d.pathOf(a.path), strconv.Itoa(answer.StatusCode)
	operation, _ := d.find("paths", path, method)
	if operation == nil || a.method == http.MethodHead {
		return // refused before any route
	}
	response, at := d.find("paths", path, method, "responses", status)
	if response == nil && answer.StatusCode >= 400 {
		response, at = d.find("paths", path, method, "responses", "default")
	}
	if response == nil {
		t.Errorf("%s %s: the status %s is not in the description", a.method, path, status)
		return
	}
	if len(answer.raw) == 0 {
		return
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		t.Errorf("%s %s: %v", a.method, path, err)
		return
	}
	content, _ := response["content"].(node)
	if content[kind] == nil {
		t.Errorf("%s %s: %s: the content type %s is not in the description", a.method, path, status, kind)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	d.validate(t, append(at, "content", kind, "schema"), answer.raw)
}

func (d *document) validate(t *testing.T, at []string, raw []byte) {
	t.Helper()
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	pointer := "urn:openapi#"
	for _, step := range at {
		pointer += "/" + escape.Replace(step)
	}
	d.mu.Lock()
	schema, err := d.compiler.Compile(pointer)
	d.mu.Unlock()
	if err != nil {
		t.Errorf("%s: %v", pointer, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Errorf("%v in %s", err, raw)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("not as described: %v\n%.2000s", err, raw)
	}
}

// TestDescription wants the document and the server to have the same routes, for
// the same callers, with the same parameters.
func TestDescription(t *testing.T) {
	t.Parallel()
	r := start(t)
	var described []web.Route
	paths, _ := r.doc.find("paths")
	for path, methods := range paths {
		for method, operation := range as[node](t, methods) {
			operators := false
			if security, ok := as[node](t, operation)["security"].([]any); ok {
				operators = len(security) == 1 && len(as[node](t, security[0])) == 1
			}
			described = append(described, web.Route{Method: strings.ToUpper(method), Path: path, Operators: operators})
		}
	}
	byName := func(a, b web.Route) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) }
	slices.SortFunc(described, byName)
	served := slices.SortedFunc(slices.Values(r.web.Routes()), byName)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-) and described (+):\n%s", diff)
	}
	components, _ := r.doc.find("components", "schemas")
	for name := range components {
		if _, err := r.doc.compiler.Compile("urn:openapi#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
}

func TestDescribedParameters(t *testing.T) {
	t.Parallel()
	r := start(t)
	ids := map[string]string{
		"/v1/tenants": fixture("a").tenant().String(), "/v1/restores": "restore_01h455vb4pex5vsknk084sn02q", "/v1/deletions": "plan_01h455vb4pex5vsknk084sn02q",
	}
	for _, route := range r.web.Routes() {
		switch route.Path {
		case "/livez", "/readyz", "/metrics": // take what comes
			continue
		}
		path := strings.NewReplacer("{id}", ids[strings.Join(strings.Split(route.Path, "/")[:3], "/")], "{type}", "common", "{version}", "1").Replace(route.Path)
		a := ask{method: route.Method, path: path + "?zzz=1", who: r.admin()}
		p := problem(t, r.do(t, a), 400, "malformed")
		if len(p.Fields) != 1 || p.Fields[0].Field != "zzz" {
			t.Errorf("%s: %+v", a.path, p)
			continue
		}
		_, list, _ := strings.Cut(p.Fields[0].Why, "there are: ")
		known := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
		if diff := cmp.Diff(known, r.doc.queryParameters(t, route)); diff != "" {
			t.Errorf("%s %s: parameters taken (-) and described (+):\n%s", route.Method, route.Path, diff)
		}
	}
}

func (d *document) queryParameters(t *testing.T, route web.Route) []string {
	t.Helper()
	names := []string{}
	operation, _ := d.find("paths", route.Path, strings.ToLower(route.Method))
	list, _ := operation["parameters"].([]any)
	for _, p := range list {
		parameter := as[node](t, p)
		if ref, ok := parameter["$ref"].(string); ok {
			parameter, _ = d.find(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		if parameter["in"] == "query" {
			names = append(names, as[string](t, parameter["name"]))
		}
	}
	slices.Sort(names)
	return names
}
