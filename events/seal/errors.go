package seal

import "errors"

// The faults of this package. Match with errors.Is.
var (
	// ErrForged is returned when plain text from a producer begins as sealed
	// text does.
	ErrForged = errors.New("plain text begins as sealed text does")
	// ErrBadSeal is returned when sealed text does not open under its owner's
	// key: it was changed or cut short, or it is another owner's.
	ErrBadSeal = errors.New("sealed text does not open under its owner's key")
	// ErrNoKey is returned when an owner has no key and never had one here. For
	// an event of the log it means that this is not the key ring the log was
	// sealed with.
	ErrNoKey = errors.New("owner has no key in this key ring")
	// ErrErased is returned when an owner's key has been destroyed. What it
	// sealed stays unreadable, and nothing more is sealed for that owner.
	ErrErased = errors.New("owner's personal data has been erased")
	// ErrOwner is returned when a key is asked for what owns no personal data:
	// only tenants and accounts do.
	ErrOwner = errors.New("only a tenant or an account owns personal data")
	// ErrLocked is returned when another process holds the key ring.
	ErrLocked = errors.New("key ring is in use by another process")
	// ErrCorrupt is returned when a file of the key ring is damaged or missing
	// where it was durable. Nothing is repaired: put the files back from a copy.
	ErrCorrupt = errors.New("key ring is damaged")
	// ErrClosed is returned when the key ring has been closed.
	ErrClosed = errors.New("key ring is closed")
)
