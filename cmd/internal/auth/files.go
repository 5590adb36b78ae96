package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tenantcatalogue/events/bus"
)

// The files in a data directory.
const (
	AdminFile       = "admin.json"
	CredentialsFile = "credentials.json"
)

// adminUser is the name that operators' events are stamped with.
const adminUser = "admin"

// Admin is how an operator reaches the daemon. The file is in the form of a
// context of the nats CLI, so that `nats --context <file>` works with it.
type Admin struct {
	Description string `json:"description,omitempty"`
	URL         string `json:"url,omitempty"` // empty: the daemon does not listen
	User        string `json:"user"`
	Password    string `json:"password"`
}

// Credential is the operators' credential as the bus takes it.
func (a Admin) Credential() bus.Credential {
	return bus.Credential{User: a.User, Password: a.Password}
}

// OpenAdmin reads the operators' credential of a data directory, or makes one:
// when there is none, or when others could have read it.
func OpenAdmin(dir string) (Admin, error) {
	a, err := ReadAdmin(dir)
	if err == nil {
		return a, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errExposed) {
		return Admin{}, err
	}
	a = Admin{Description: "operator of the tenant catalogue", User: adminUser, Password: rand.Text()}
	return a, a.Write(dir)
}

// ReadAdmin reads the operators' credential of a data directory. The error
// matches fs.ErrNotExist when there is none.
func ReadAdmin(dir string) (a Admin, err error) {
	err = ReadPrivate(filepath.Join(dir, AdminFile), &a)
	return a, err
}

// Write puts the file into the data directory, readable by its owner only.
func (a Admin) Write(dir string) error {
	raw, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", AdminFile, err)
	}
	path := filepath.Join(dir, AdminFile)
	temporary := path + ".new"
	// What an earlier attempt left may be readable by others; a new file is not.
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", AdminFile, err)
	}
	if err := os.WriteFile(temporary, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", AdminFile, err)
	}
	return os.Rename(temporary, path)
}

// ReadCredentials reads the credentials of services of a data directory, a JSON
// array such as
//
//	[{"user": "provisioning", "password": "…", "roles": ["delete"]}]
//
// No file means none. A file that others can read is refused.
func ReadCredentials(dir string) ([]bus.Credential, error) {
	var listed []struct {
		User     string   `json:"user"`
		Password string   `json:"password"`
		Roles    []string `json:"roles"`
	}
	err := ReadPrivate(filepath.Join(dir, CredentialsFile), &listed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	out := make([]bus.Credential, 0, len(listed))
	for _, c := range listed {
		out = append(out, bus.Credential{User: c.User, Password: c.Password, Roles: c.Roles})
	}
	return out, err
}

// errExposed is returned for a secret that others can read.
var errExposed = errors.New("others can read it; chmod 600 it, and change what is in it")

// ReadSecret reads a file that others must not be able to read.
func ReadSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w", path, errExposed)
	}
	return os.ReadFile(path)
}

// ReadPrivate reads a file in JSON that others must not be able to read. Unknown
// fields are refused.
func ReadPrivate(path string, into any) error {
	raw, err := ReadSecret(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
