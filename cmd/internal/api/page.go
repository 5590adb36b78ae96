package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// token is what a page token holds.
type token struct {
	Query [8]byte    // of the query it belongs to
	Seq   events.Seq // that the pages are pinned to
	After []byte     // where the next page begins
}

// Fields lists the fields in the order of the wire.
func (t *token) Fields(w *wire.Coder) {
	wire.Fixed(w, t.Query[:])
	wire.Uint(w, &t.Seq)
	wire.Bytes(w, &t.After)
}

func (t token) String() string {
	raw, err := events.Marshal(&t)
	if err != nil {
		return "" // of fixed fields, it cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseToken reads the token of a query; an empty text is the first page's.
func parseToken(text string, query any) (t token, err error) {
	own, err := fingerprint(query)
	if err != nil {
		return t, err
	}
	if text == "" {
		return token{Query: own}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = events.Unmarshal(raw, &t)
	}
	if err != nil {
		return t, badField("page", "is no page token; take next of the page before, as it is")
	}
	if t.Query != own {
		return t, badField("page", "belongs to another query; ask for the first page of this one")
	}
	return t, nil
}

func fingerprint(query any) (out [8]byte, err error) {
	raw, err := json.Marshal(query)
	if err != nil {
		return out, err
	}
	sum := sha256.Sum256(raw)
	copy(out[:], sum[:])
	return out, nil
}
