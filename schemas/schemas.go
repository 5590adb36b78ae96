// Package schemas holds the JSON Schemas of the catalogue's events, one file an
// event type, and validates the data of events against them. The schemas are
// written by hand and are the contract with producers: what they let through,
// package events reads without loss.
//
// A file is named after the event type with its version, tenant.created.v1.json,
// and has the $id urn:tenantcatalogue:schema:tenant.created.v1. What several of
// them share stands in common.json. A published schema is never narrowed; what
// no longer fits gets the next version and an upcaster in package events.
//
// Fields of persons (names, e-mail addresses, telephone numbers) are marked
// x-personal. Faults name the path and the rule that was broken, never a value.
//
// The folder also holds asyncapi.yaml, which describes the subjects on the bus.
package schemas

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed *.json *.yaml
var files embed.FS

const (
	urn    = "urn:tenantcatalogue:schema:"
	common = "common"
)

// ErrUnknownType is returned when there is no schema for an event type.
var ErrUnknownType = errors.New("no schema for this event type")

// Files are the files of this folder as they are, for serving them.
func Files() fs.FS { return files }

// Set is every schema, compiled. It is safe for concurrent use.
type Set struct {
	names    []string
	raw      map[string][]byte
	compiled map[string]*jsonschema.Schema
	personal map[string][]string
	titles   map[string]string // by location: what a value is meant to be
}

// New compiles the embedded schemas.
func New() (*Set, error) {
	s := &Set{
		raw:      map[string][]byte{},
		compiled: map[string]*jsonschema.Schema{},
		personal: map[string][]string{},
		titles:   map[string]string{},
	}
	paths, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	documents := map[string]any{}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // whatever is not embedded does not exist
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".json")
		if s.raw[name], err = files.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
		if documents[name], err = decode(s.raw[name]); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
		if err := compiler.AddResource(urn+name, documents[name]); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
		collectTitles(s.titles, urn+name+"#", documents[name])
		if name != common {
			s.names = append(s.names, name)
		}
	}
	slices.Sort(s.names)
	for _, name := range s.names {
		if s.compiled[name], err = compiler.Compile(urn + name); err != nil {
			return nil, fmt.Errorf("compile schema %s: %w", name, err)
		}
		walk := personalWalk{documents: documents}
		walk.schema(name, documents[name], "")
		slices.Sort(walk.found)
		s.personal[name] = slices.Compact(walk.found)
	}
	return s, nil
}

// Names lists the event types that have a schema, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Raw is the text of the schema of an event type, or of "common".
func (s *Set) Raw(name string) ([]byte, bool) {
	raw, ok := s.raw[name]
	return slices.Clone(raw), ok
}

// Personal lists the paths of the fields of an event type that are marked
// x-personal, sorted, e.g. "contacts.*.email"; a * stands for any place in a
// list.
func (s *Set) Personal(name string) []string { return slices.Clone(s.personal[name]) }

// Validate checks the data of an event against the schema of its type. The
// error matches ErrUnknownType where there is no schema, and is an *Error
// otherwise. It also refuses what two readers could read differently: a key
// given twice, text that is not UTF-8, numbers other than plain integers.
func (s *Set) Validate(eventType string, data []byte) error {
	schema, ok := s.compiled[eventType]
	if !ok {
		return fmt.Errorf("validate %.80q: %w", eventType, ErrUnknownType)
	}
	value, err := decode(data)
	if err != nil {
		return &Error{Type: eventType, Faults: []Fault{faultOf(err)}}
	}
	err = schema.Validate(value)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("validate %s: %w", eventType, err)
	}
	return &Error{Type: eventType, Faults: s.faults(invalid)}
}
