package schemas

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Fault is one rule of a schema that the data breaks.
type Fault struct {
	Path string // e.g. data.contacts.0.email
	Rule string // e.g. "is not an e-mail address"; never the value
}

// Error is returned when data does not satisfy the schema of its event type.
type Error struct {
	Type   string  // the event type
	Faults []Fault // at least one, by path
}

// shownFaults is how many faults the text of an Error names.
const shownFaults = 5

// Error names the paths and the rules.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Type)
	for i, f := range e.Faults {
		if i == shownFaults {
			fmt.Fprintf(&b, "; and %d more", len(e.Faults)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Path + " " + f.Rule)
	}
	return b.String()
}

// faults lists the innermost causes of a verdict.
func (s *Set) faults(invalid *jsonschema.ValidationError) []Fault {
	var out []Fault
	var collect func(*jsonschema.ValidationError)
	collect = func(e *jsonschema.ValidationError) {
		if _, named := e.ErrorKind.(*kind.PropertyNames); !named && len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				collect(cause)
			}
			return
		}
		out = append(out, Fault{Path: pathOf(e.InstanceLocation), Rule: s.rule(e)})
	}
	collect(invalid)
	slices.SortFunc(out, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule)) })
	return slices.Compact(out)
}

// rule says in words which rule is broken. Values stay out of it: it is the
// one place where those of personal fields could get into a log.
func (s *Set) rule(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return "lacks " + quoted(k.Missing)
	case *kind.AdditionalProperties:
		return "has the unknown field " + quoted(k.Properties)
	case *kind.PropertyNames:
		return "has a key with a character that is not allowed, or too long"
	case *kind.Type:
		return fmt.Sprintf("is of JSON type %s, %s is wanted", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return fmt.Sprintf("is none of %v", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, at most %d are allowed", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d items, at most %d are allowed", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("has %d keys, at most %d are allowed", k.Got, k.Want)
	case *kind.MinProperties:
		return "says nothing"
	case *kind.UniqueItems:
		return fmt.Sprintf("has the same item at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Minimum:
		return "is below " + k.Want.RatString()
	case *kind.Maximum:
		return "is above " + k.Want.RatString()
	}
	if title := s.titles[e.SchemaURL]; title != "" {
		return "is not " + title
	}
	return "breaks the rule " + strings.Join(e.ErrorKind.KeywordPath(), "/")
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%.40q", n)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func pathOf(location []string) string {
	return strings.Join(append([]string{"data"}, location...), ".")
}

func faultOf(err error) Fault {
	var e *decodeError
	if !errors.As(err, &e) {
		return Fault{Path: "data", Rule: "cannot be read"}
	}
	location := slices.Clone(e.path)
	slices.Reverse(location)
	return Fault{Path: pathOf(location), Rule: e.rule}
}
