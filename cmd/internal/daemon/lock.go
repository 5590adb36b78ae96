package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrLocked is returned when another process has the data directory open.
var ErrLocked = errors.New("the data directory is in use")

const lockFile = "lock"

// lockDir takes the data directory. The system lets go of it when the process
// ends, however it ends; what stands in the file says who to look for.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(file, 256)) // best effort: it is for the message only
		err = fmt.Errorf("%w: %s is held by %s; one directory, one process: stop that one, or use another directory",
			ErrLocked, dir, strings.TrimSpace(string(holder)))
	}
	if err == nil {
		err = sign(file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// sign writes into the lock who holds it.
func sign(file *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0)
	return err
}

// tidy removes what a process that was killed has left of its passing work; a
// file on its way in holds personal fields as they were sent.
func tidy(dir string) error {
	var errs []error
	for _, pattern := range []string{"import-*", "rehearsal-*"} {
		left, err := filepath.Glob(filepath.Join(dir, pattern))
		errs = append(errs, err)
		for _, path := range left {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
