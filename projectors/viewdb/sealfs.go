package viewdb

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sealFS stands between Pebble and the disk. Pebble panics when its write-ahead
// log cannot be written or rotated, in places where a recovered panic leaves a
// locked mutex, and retries a failing flush for ever. So it never learns of a
// failed write: the first one is reported and the directory is sealed. From
// then on writes are taken and dropped, what is on disk stays as it was, and
// Pebble comes to rest, so that it can be closed. The caller must refuse every
// result from then on.
//
// Only the view's own directory is guarded; a copy made elsewhere reports its
// errors in the ordinary way.
type sealFS struct {
	vfs.FS
	dir    string
	report func(error) // called for every write that fails
	sealed atomic.Bool
}

// write runs a change to the directory, or drops it when sealed.
func (s *sealFS) write(change func() error) error {
	if s.sealed.Load() {
		return nil
	}
	err := change()
	if err == nil || errors.Is(err, vfs.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.sealed.Store(true)
	s.report(err)
	return nil
}

// openForWrite opens a file to write, or one that drops everything when sealed.
func (s *sealFS) openForWrite(name string, open func() (vfs.File, error)) (vfs.File, error) {
	if !s.guards(name) {
		return open()
	}
	var f vfs.File
	err := s.write(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	if f == nil {
		return &droppedFile{File: vfs.NewMemFile(nil)}, nil
	}
	return &sealFile{File: f, fs: s}, nil
}

func (s *sealFS) guards(name string) bool {
	rest, ok := strings.CutPrefix(name, s.dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]))
}

func (s *sealFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return s.openForWrite(name, func() (vfs.File, error) { return s.FS.Create(name, c) })
}

func (s *sealFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return s.openForWrite(name, func() (vfs.File, error) { return s.FS.OpenReadWrite(name, c, opts...) })
}

func (s *sealFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return s.openForWrite(newname, func() (vfs.File, error) { return s.FS.ReuseForWrite(oldname, newname, c) })
}

// OpenDir is guarded for the directory's Sync.
func (s *sealFS) OpenDir(name string) (vfs.File, error) {
	f, err := s.FS.OpenDir(name)
	if err != nil || !s.guards(name) {
		return f, err
	}
	return &sealFile{File: f, fs: s}, nil
}

func (s *sealFS) Link(oldname, newname string) error {
	return s.change(newname, func() error { return s.FS.Link(oldname, newname) })
}

func (s *sealFS) Remove(name string) error {
	return s.change(name, func() error { return s.FS.Remove(name) })
}

func (s *sealFS) RemoveAll(name string) error {
	return s.change(name, func() error { return s.FS.RemoveAll(name) })
}

func (s *sealFS) Rename(oldname, newname string) error {
	return s.change(newname, func() error { return s.FS.Rename(oldname, newname) })
}

func (s *sealFS) MkdirAll(dir string, perm os.FileMode) error {
	return s.change(dir, func() error { return s.FS.MkdirAll(dir, perm) })
}

func (s *sealFS) Unwrap() vfs.FS { return s.FS }

func (s *sealFS) change(name string, f func() error) error {
	if !s.guards(name) {
		return f()
	}
	return s.write(f)
}

// sealFile is a file of a guarded directory.
type sealFile struct {
	vfs.File
	fs *sealFS
}

func (f *sealFile) Write(p []byte) (int, error) {
	return len(p), f.fs.write(func() error { _, err := f.File.Write(p); return err })
}

func (f *sealFile) WriteAt(p []byte, off int64) (int, error) {
	return len(p), f.fs.write(func() error { _, err := f.File.WriteAt(p, off); return err })
}

func (f *sealFile) Preallocate(off, n int64) error {
	return f.fs.write(func() error { return f.File.Preallocate(off, n) })
}

func (f *sealFile) Sync() error     { return f.fs.write(f.File.Sync) }
func (f *sealFile) SyncData() error { return f.fs.write(f.File.SyncData) }

func (f *sealFile) SyncTo(n int64) (full bool, err error) {
	err = f.fs.write(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, err
}

// Close closes the file even when sealed: the descriptor must go.
func (f *sealFile) Close() error {
	err := f.File.Close()
	return f.fs.write(func() error { return err })
}

// droppedFile takes the place of a file that is not to be written any more.
type droppedFile struct{ vfs.File }

func (*droppedFile) Write(p []byte) (int, error)            { return len(p), nil }
func (*droppedFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (*droppedFile) Sync() error                            { return nil }
func (*droppedFile) SyncData() error                        { return nil }
func (*droppedFile) SyncTo(int64) (bool, error)             { return false, nil }
func (*droppedFile) Preallocate(_, _ int64) error           { return nil }
func (*droppedFile) Close() error                           { return nil }
