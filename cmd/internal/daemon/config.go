// Package daemon puts the catalogue together: it is the only place where the
// log, the views, the Service and the keys meet. [Open] starts everything in
// order and [System.Close] stops it in the opposite one.
//
// # The data directory
//
//	lock             held while the daemon runs; says which process holds it
//	log.json         which log the directory belongs to, once there is one
//	watch.json       how far the log was watched
//	proof.json       up to where every view was last proven; written by verifying
//	admin.json       the operators' credential, 0600 (see package auth)
//	credentials.json the services' credentials, 0600, written by hand; optional
//	nats/            the embedded server's files: the log; none with an external bus
//	keys/            the key ring: without it nothing personal can be read
//	heads/           the write side's store
//	views/<name>/    the views
//
// nats and keys are to be backed up; heads and views are made from the log again
// whenever they are missing, damaged or of another format. What is never made
// again is the log: when anything in the directory says that there was one and
// it is gone, shorter or another, Open refuses and says what to do.
package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events/bus"
)

// Config says how to run a catalogue.
type Config struct {
	// DataDir is where everything is kept. Empty: a scratch directory that
	// Close removes.
	DataDir string
	// NATSListen is host:port of the embedded server; port 0 picks one. Empty:
	// connections within the process only.
	NATSListen string
	// External, when set, is a bus that somebody else runs, in place of the
	// embedded server.
	External *External
	// Credentials are services' credentials beside those in the data directory.
	Credentials []bus.Credential
	// Clock gives recorded times; time.Now if nil.
	Clock func() time.Time
	// CacheBytes is the memory for blocks and memtables of all stores: a quarter for
	// the heads, a quarter for the history, half for the other views; 256 MiB if 0.
	CacheBytes int64
	// SnapshotBytes is the memory for states of tenants with long histories, which
	// reads as of a Seq begin at; 96 MiB if 0.
	SnapshotBytes int64
	// Paused leaves the views where they stand: the write side is measured by
	// itself then, or a bulk load comes first and the views after it.
	Paused bool
	// Stepped leaves deletions to whoever steps through them, and time unmarked: a
	// drill does both by itself.
	Stepped bool
	// Genesis is what the first policy of the log is held against.
	Genesis deletion.Genesis
	// Webhooks are http or https URLs that alarms are posted to.
	Webhooks []string
	// VerifyEvery is how often the views are verified, from the last time on; 0:
	// when somebody asks.
	VerifyEvery time.Duration
	// Logger hears of faults; the zero Logger is quiet.
	Logger zerolog.Logger

	scratch *scratch // nil: a catalogue of its own
}

const (
	defaultCacheBytes = 256 << 20
	// headsBlockBytes is the block of the heads, of which every decision reads a few
	// rows that may be anywhere: decisions from cold are half as fast again as with
	// blocks for whoever reads many rows. For the views it makes no difference.
	headsBlockBytes = 4 << 10
	// DefaultSnapshotBytes is what Config.SnapshotBytes is if 0.
	DefaultSnapshotBytes = 96 << 20
	// reserveBytes is how much of the disk is left free: what the views, the
	// heads and a clean stop may still need when the log takes no more.
	reserveBytes = 64 << 20
)

// Validate lists every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.listen(); err != nil {
		errs = append(errs, err)
	}
	if c.External != nil && c.NATSListen != "" {
		errs = append(errs, errors.New("NATSListen is for the embedded server; an external one listens where it does"))
	}
	if c.External != nil && c.DataDir == "" {
		errs = append(errs, errors.New("DataDir is missing; the keys of a log that outlives the process must too"))
	}
	if c.VerifyEvery < 0 {
		errs = append(errs, fmt.Errorf("VerifyEvery is %s; give a time, or 0 for never", c.VerifyEvery))
	}
	if c.CacheBytes < 0 {
		errs = append(errs, fmt.Errorf("CacheBytes is %d; give a size, or 0 for the default", c.CacheBytes))
	}
	if c.SnapshotBytes < 0 {
		errs = append(errs, fmt.Errorf("SnapshotBytes is %d; give a size, or 0 for the default", c.SnapshotBytes))
	}
	return errors.Join(errs...)
}

func (c Config) listen() (bus.Listen, error) {
	if c.NATSListen == "" {
		return bus.Listen{}, nil
	}
	host, port, err := net.SplitHostPort(c.NATSListen)
	if err != nil {
		return bus.Listen{}, fmt.Errorf("NATSListen: %w; give host:port, e.g. 127.0.0.1:4222", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return bus.Listen{}, fmt.Errorf("NATSListen: %q is no port", port)
	}
	return bus.Listen{Host: host, Port: int(n), On: true}, nil
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = DefaultSnapshotBytes
	}
	return c
}

// makeDataDir makes the data directory; a scratch one is removed by cleanup.
func (c Config) makeDataDir() (dir string, cleanup func() error, err error) {
	if c.DataDir == "" {
		dir, err = os.MkdirTemp("", "catalogue-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	return c.DataDir, func() error { return nil }, os.MkdirAll(c.DataDir, 0o700)
}
