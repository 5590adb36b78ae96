package schemas

import (
	"strconv"
	"strings"
)

// collectTitles notes the title of every schema in a document by its location.
func collectTitles(titles map[string]string, location string, node any) {
	switch n := node.(type) {
	case map[string]any:
		if title, ok := n["title"].(string); ok {
			titles[location] = title
		}
		for key, child := range n {
			collectTitles(titles, location+"/"+key, child)
		}
	case []any:
		for i, child := range n {
			collectTitles(titles, location+"/"+strconv.Itoa(i), child)
		}
	}
}

// personalWalk finds the fields marked x-personal, through every reference.
type personalWalk struct {
	documents map[string]any
	found     []string
}

func (w *personalWalk) schema(document string, node any, path string) {
	object, ok := node.(map[string]any)
	if !ok {
		return
	}
	if personal, ok := object["x-personal"].(bool); ok && personal {
		w.found = append(w.found, path)
	}
	if ref, ok := object["$ref"].(string); ok {
		w.reference(document, ref, path)
	}
	if properties, ok := object["properties"].(map[string]any); ok {
		for name, child := range properties {
			w.schema(document, child, join(path, name))
		}
	}
	w.schema(document, object["items"], join(path, "*"))
	for _, keyword := range []string{"if", "then", "else"} {
		w.schema(document, object[keyword], path)
	}
	if all, ok := object["allOf"].([]any); ok {
		for _, child := range all {
			w.schema(document, child, path)
		}
	}
}

// reference follows urn:tenantcatalogue:schema:<name>#/a/b, or #/a/b within
// the document.
func (w *personalWalk) reference(document, ref, path string) {
	base, pointer, _ := strings.Cut(ref, "#")
	if base != "" {
		document = strings.TrimPrefix(base, urn)
	}
	node := w.documents[document]
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		object, ok := node.(map[string]any)
		if !ok {
			return
		}
		node = object[step]
	}
	w.schema(document, node, path)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
