package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLostLog is returned when the log is not the one the data directory belongs
// to: it is gone, it is shorter than it was, it is another, or events of it
// cannot be read any more. Nothing has been changed. Keep the directory and put
// the log's files back from a copy.
var ErrLostLog = errors.New("the log is not what this data directory was built on; nothing was changed: keep the directory, and put nats/ back from a copy")

// ErrLostKeys is returned when there is a log and no key ring: nothing personal in
// it could be read, and what is lost for good would not show before somebody
// needs it.
var ErrLostKeys = errors.New("there is a log and no key ring to it; put keys/ back from its copy")

// logFile remembers which log a data directory belongs to, so that a log that
// is lost together with every view is still missed.
type logFile struct {
	Log string `json:"log"` // its identity
}

const logFileName = "log.json"

func readLogFile(dir string) (l logFile, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, logFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(raw, &l); err != nil || l.Log == "" {
		return l, fmt.Errorf("%s is damaged; remove it if you are sure that nats/ is the log of this catalogue", logFileName)
	}
	return l, nil
}

// check holds the log that is there against the one that is remembered.
func (l logFile) check(identity string) error {
	if l.Log != "" && l.Log != identity {
		return fmt.Errorf("%w: it was %s and is %s", ErrLostLog, l.Log, identity)
	}
	return nil
}

// write remembers the log durably, unless it is remembered already.
func (l logFile) write(dir string, known logFile) error {
	if l == known {
		return nil
	}
	return writeFile(filepath.Join(dir, logFileName), l)
}

// writeFile puts a value, as JSON, in the place of a file, durably and all of it or
// nothing.
func writeFile(path string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(raw, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
