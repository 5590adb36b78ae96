package events

import (
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

type entityKindInfo struct {
	name     string
	decode   func([]byte) (Entity, error) // from msgpack
	fromJSON func([]byte) (Entity, error)
}

var entityKinds = map[EntityKind]entityKindInfo{
	EntityTenant:    {"tenant", decodeEntity[Tenant], jsonDecode[Tenant]},
	EntityPlacement: {"placement", decodeEntity[Placement], jsonDecode[Placement]},
	EntityProduct:   {"product", decodeEntity[Product], jsonDecode[Product]},
	EntityApp:       {"app", decodeEntity[App], jsonDecode[App]},
	EntityMember:    {"member", decodeEntity[Member], jsonDecode[Member]},
	EntityGroup:     {"group", decodeEntity[Group], jsonDecode[Group]},
	EntityResource:  {"resource", decodeEntity[Resource], jsonDecode[Resource]},
	EntityAccount:   {"account", decodeEntity[Account], jsonDecode[Account]},
	EntityContact:   {"contact", decodeEntity[Contact], jsonDecode[Contact]},

	EntityClaim:       {"claim", decodeEntity[Claim], jsonDecode[Claim]},
	EntityRestoration: {"restoration", decodeEntity[Restoration], jsonDecode[Restoration]},
}

func decodeEntity[E Entity](raw []byte) (Entity, error) {
	var e E
	if err := Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	return e, nil
}

// EncodeEntity is the stored form of an entity: canonical, so that equal
// entities have equal bytes and a digest can be taken over them.
func EncodeEntity(e Entity) ([]byte, error) { return Marshal(e) }

// DecodeEntity reads what EncodeEntity wrote for an entity of that kind.
func DecodeEntity(kind EntityKind, raw []byte) (Entity, error) {
	d, ok := entityKinds[kind]
	if !ok {
		return nil, malformed("entity", "there is no %s", kind)
	}
	e, err := d.decode(raw)
	if err != nil {
		return nil, fmt.Errorf("decode a %s: %w", d.name, err)
	}
	return e, nil
}

// Entities is the state of an aggregate in key order, as a restored event
// carries it.
type Entities []Entity

// EncodeMsgpack writes an array of alternating kinds and entities.
func (es Entities) EncodeMsgpack(enc *msgpack.Encoder) error {
	if err := enc.EncodeArrayLen(2 * len(es)); err != nil {
		return err
	}
	for _, e := range es {
		if err := enc.EncodeUint(uint64(e.EntityKey().Kind)); err != nil {
			return err
		}
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// DecodeMsgpack reads what EncodeMsgpack wrote.
func (es *Entities) DecodeMsgpack(dec *msgpack.Decoder) error {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n > 0 && n%2 != 0 {
		return malformed("entities", "have a kind without an entity")
	}
	*es = nil
	for range n / 2 {
		kind, err := dec.DecodeUint8()
		if err != nil {
			return err
		}
		raw, err := dec.DecodeRaw()
		if err != nil {
			return err
		}
		e, err := DecodeEntity(EntityKind(kind), raw)
		if err != nil {
			return err
		}
		*es = append(*es, e)
	}
	return nil
}

// jsonEntity is an entity in JSON: {"kind":"product","value":{...}}.
type jsonEntity struct {
	Kind  string          `json:"kind"`
	Value json.RawMessage `json:"value"`
}

// MarshalJSON writes a list of kinds and values.
func (es Entities) MarshalJSON() ([]byte, error) {
	out := make([]jsonEntity, 0, len(es))
	for _, e := range es {
		raw, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		out = append(out, jsonEntity{e.EntityKey().Kind.String(), raw})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (es *Entities) UnmarshalJSON(raw []byte) error {
	var in []jsonEntity
	if err := strictJSON(raw, &in); err != nil {
		return err
	}
	*es = nil
	for i, item := range in {
		e, err := entityFromJSON(item)
		if err != nil {
			return malformed(fmt.Sprintf("entities.%d", i), "%v", err)
		}
		*es = append(*es, e)
	}
	return nil
}

func entityFromJSON(item jsonEntity) (Entity, error) {
	for _, d := range entityKinds {
		if d.name == item.Kind {
			return d.fromJSON(item.Value)
		}
	}
	return nil, malformed("kind", "%.40q is no kind of entity", item.Kind)
}

func jsonDecode[E Entity](raw []byte) (Entity, error) {
	var e E
	if err := strictJSON(raw, &e); err != nil {
		return nil, err
	}
	return e, nil
}

func (es Entities) mapPersonal(f PersonalMap) (Entities, error) {
	out := make(Entities, len(es))
	for i, e := range es {
		out[i] = e
		p, ok := e.(PersonalEntity)
		if !ok {
			continue
		}
		at := func(path string, v Personal) (Personal, error) { return f(fmt.Sprintf("entities.%d.%s", i, path), v) }
		var err error
		if out[i], err = p.MapPersonal(at); err != nil {
			return nil, err
		}
	}
	return out, nil
}
