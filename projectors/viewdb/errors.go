package viewdb

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// The faults of this package. Match with errors.Is.
var (
	// ErrQuarantined is returned by every call after a fault; the cause, such
	// as ErrNoSpace or ErrCorrupt, is in the same chain.
	ErrQuarantined = errors.New("view is quarantined")
	// ErrCorrupt is returned when the files do not hold what was written.
	ErrCorrupt = errors.New("view is corrupt")
	// ErrNoSpace is returned when the disk is full.
	ErrNoSpace = errors.New("no space left for the view")
	// ErrFormat is returned when the directory holds another view, or this
	// view in another format.
	ErrFormat = errors.New("view has another format")
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("view is closed")
	// ErrReadOnly is returned for a write to a view opened read-only.
	ErrReadOnly = errors.New("view is read-only")
	// ErrKey is returned when a key is empty or starts with the store's own
	// prefix byte 0.
	ErrKey = errors.New("key is not allowed")
	// ErrUnsorted is returned by Load when keys do not ascend.
	ErrUnsorted = errors.New("keys do not ascend")
	// ErrNotEmpty is returned by Load when the view already has rows.
	ErrNotEmpty = errors.New("view is not empty")
	// ErrBackwards is returned by a commit whose checkpoint lies before the
	// one the view stands at.
	ErrBackwards = errors.New("checkpoint would move backwards")
	// ErrStop is returned by a scan's function to end the scan early; the
	// scan then returns nil.
	ErrStop = errors.New("stop the scan")
)

// FaultError says which view is out of service, and why.
type FaultError struct {
	Name string // of the view
	Dir  string // where its files are
	Err  error  // the first fault
}

// Error names the view and says what to do.
func (e *FaultError) Error() string {
	return fmt.Sprintf("view %s is quarantined: %v; %s", e.Name, e.Err, e.hint())
}

func (e *FaultError) hint() string {
	switch {
	case errors.Is(e.Err, ErrNoSpace):
		return "free space on the disk of " + e.Dir + " and open it again"
	case errors.Is(e.Err, ErrCorrupt):
		return "rebuild it from the log; the files stay in " + e.Dir
	}
	return "open " + e.Dir + " again once the cause is gone, or rebuild it"
}

// Is makes every FaultError match ErrQuarantined.
func (*FaultError) Is(target error) bool { return target == ErrQuarantined }

// Unwrap gives the first fault.
func (e *FaultError) Unwrap() error { return e.Err }

// classify adds the sentinel that says what kind of fault an error of Pebble
// or of the file system is.
func classify(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNoSpace), errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// fromSystem tells whether an error is the system's, such as EIO, and not a
// judgement on what was read. A file that is missing is such a judgement.
func fromSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist)
}
