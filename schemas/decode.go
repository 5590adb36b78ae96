package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxIntegerLen is the length of the longest integer any schema allows, with
// its sign; a longer one is refused before anything computes with it.
const maxIntegerLen = 20

// decode reads one JSON value as the validator wants it, and refuses what two
// readers could read differently. Its error is a *decodeError.
func decode(raw []byte) (any, error) {
	switch {
	case !utf8.Valid(raw):
		return nil, &decodeError{rule: "is not UTF-8"}
	case !json.Valid(raw):
		return nil, &decodeError{rule: "is not JSON, or more than one JSON value"}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return decodeValue(dec)
}

func decodeValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, &decodeError{rule: "is not JSON"}
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(dec)
		}
		return decodeArray(dec)
	case json.Number:
		if len(t) > maxIntegerLen || strings.ContainsAny(t.String(), ".eE") {
			return nil, &decodeError{rule: "is a number that is no plain integer"}
		}
	case string:
		// A lone surrogate is read as this character too.
		if strings.ContainsRune(t, utf8.RuneError) {
			return nil, &decodeError{rule: "has a character that is no character of Unicode"}
		}
	}
	return token, nil
}

func decodeObject(dec *json.Decoder) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, &decodeError{rule: "is not JSON"}
		}
		if _, twice := object[key]; twice {
			return nil, &decodeError{path: []string{key}, rule: "is given twice"}
		}
		if object[key], err = decodeValue(dec); err != nil {
			return nil, under(err, key)
		}
	}
	return object, closing(dec)
}

func decodeArray(dec *json.Decoder) (any, error) {
	array := []any{}
	for dec.More() {
		value, err := decodeValue(dec)
		if err != nil {
			return nil, under(err, strconv.Itoa(len(array)))
		}
		array = append(array, value)
	}
	return array, closing(dec)
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return &decodeError{rule: "is not JSON"}
	}
	return nil
}

// decodeError says where a JSON text is at fault.
type decodeError struct {
	path []string // the innermost first
	rule string
}

// Error names the rule.
func (e *decodeError) Error() string { return fmt.Sprintf("%s: %s", faultOf(e).Path, e.rule) }

func under(err error, key string) error {
	if e, ok := errors.AsType[*decodeError](err); ok {
		e.path = append(e.path, key)
	}
	return err
}
