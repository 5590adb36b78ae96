package events

// Personal is a personal field: a name, an e-mail address, a phone number. In
// the outside form it is the text itself; in the log and the views it is the
// sealed text, which events/seal makes and opens. Schemas mark it x-personal.
type Personal string

// SealedPrefix begins every sealed text. No plain text may begin with it.
const SealedPrefix = "sealed:"

// Sealed tells whether the field is already sealed (or empty).
func (p Personal) Sealed() bool {
	return p == "" || len(p) > len(SealedPrefix) && p[:len(SealedPrefix)] == SealedPrefix
}

// PersonalPayload is a payload with personal fields.
type PersonalPayload interface {
	Payload
	// MapPersonal returns a copy in which every personal field has gone
	// through f; path names the field, e.g. "contacts.0.email".
	MapPersonal(f PersonalMap) (Payload, error)
}

// PersonalEntity is an entity with personal fields.
type PersonalEntity interface {
	Entity
	// MapPersonal is as in PersonalPayload.
	MapPersonal(f PersonalMap) (Entity, error)
}

// KeyOwner is whose key seals the personal fields of an event: its tenant or
// its account. Destroying that key erases them everywhere.
func (e Event) KeyOwner() Aggregate { return e.About }

// PersonalMap turns one personal field into another form of itself; path names
// the field within its payload or entity.
type PersonalMap func(path string, p Personal) (Personal, error)

type personalField struct {
	path  string
	value *Personal
}

func mapFields(f PersonalMap, under string, fields ...personalField) error {
	for _, field := range fields {
		p, err := f(under+field.path, *field.value)
		if err != nil {
			return err
		}
		*field.value = p
	}
	return nil
}
