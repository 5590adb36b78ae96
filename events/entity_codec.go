package events

import (
	"encoding/json"
	"fmt"

	"tenantcatalogue/events/wire"
)

type entityKindInfo struct {
	name     string
	write    func(*wire.Coder, Entity)
	read     func(*wire.Coder) Entity
	fromJSON func([]byte) (Entity, error)
}

var entityKinds = map[EntityKind]*entityKindInfo{
	EntityTenant:    entityKind[Tenant]("tenant"),
	EntityPlacement: entityKind[Placement]("placement"),
	EntityProduct:   entityKind[Product]("product"),
	EntityApp:       entityKind[App]("app"),
	EntityMember:    entityKind[Member]("member"),
	EntityGroup:     entityKind[Group]("group"),
	EntityResource:  entityKind[Resource]("resource"),
	EntityAccount:   entityKind[Account]("account"),
	EntityContact:   entityKind[Contact]("contact"),

	EntityClaim:       entityKind[Claim]("claim"),
	EntityRestoration: entityKind[Restoration]("restoration"),

	EntityDeletion: entityKind[Deletion]("deletion"),
	EntityDoor:     entityKind[Door]("door"),
	EntityPassage:  entityKind[Passage]("passage"),
	EntityPolicy:   entityKind[InForce]("policy"),
	EntityProposal: entityKind[Proposal]("proposal"),
	EntityClock:    entityKind[Clock]("clock"),
	EntityLiens:    entityKind[Liens]("liens"),

	EntityDeactivation: entityKind[Deactivation]("deactivation"),

	EntityRestoreTarget: entityKind[RestoreTarget]("restore_target"),
}

func entityKind[E Entity, P interface {
	*E
	wire.Fields
}](name string) *entityKindInfo {
	f := new(form[E, P])
	return &entityKindInfo{
		name: name,
		write: func(w *wire.Coder, entity Entity) {
			e, ok := entity.(E)
			if !ok {
				w.Fail(malformed("entity", "a %T is no %s", entity, name))
				return
			}
			f.write(w, e)
		},
		read: func(w *wire.Coder) Entity { return f.read(w) },
		fromJSON: func(raw []byte) (Entity, error) {
			var e E
			if err := strictJSON(raw, &e); err != nil {
				return nil, err
			}
			return e, nil
		},
	}
}

// EncodeEntity is the stored form of an entity: canonical, so that equal
// entities have equal bytes and a digest can be taken over them.
func EncodeEntity(e Entity) ([]byte, error) { return AppendEntity(nil, e) }

// AppendEntity appends the stored form of an entity to dst.
func AppendEntity(dst []byte, e Entity) ([]byte, error) {
	w := wire.NewWriter()
	defer w.Release()
	if k, ok := entityKinds[kindOf(e)]; ok {
		k.write(w, e)
	} else {
		w.Fail(malformed("entity", "there is no %T", e))
	}
	written, err := w.Written()
	if err != nil {
		return dst, fmt.Errorf("encode a %T: %w", e, err)
	}
	return append(dst, written...), nil
}

// DecodeEntity reads what EncodeEntity wrote for an entity of that kind. The
// error matches ErrMalformed.
func DecodeEntity(kind EntityKind, raw []byte) (Entity, error) {
	k, ok := entityKinds[kind]
	if !ok {
		return nil, malformed("entity", "there is no %s", kind)
	}
	w := wire.NewReader(raw)
	defer w.Release()
	w.ShareTexts()
	e := k.read(w)
	if err := w.End(); err != nil {
		return nil, fmt.Errorf("decode a %s: %w: %w", k.name, ErrMalformed, err)
	}
	return e, nil
}

// Entities is the state of an aggregate in key order, as a restored event
// carries it.
type Entities []Entity

// Wire codes an array of alternating kinds and entities.
func (es *Entities) Wire(w *wire.Coder) { wire.Pairs(w, (*[]Entity)(es), kindAndEntity) }

func kindAndEntity(e *Entity, w *wire.Coder) {
	kind := kindOf(*e)
	wire.Uint(w, &kind)
	k, ok := entityKinds[kind]
	switch {
	case !ok:
		w.Fail(malformed("entity", "there is no %s", kind))
	case w.Reading():
		*e = k.read(w)
	default:
		k.write(w, *e)
	}
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
