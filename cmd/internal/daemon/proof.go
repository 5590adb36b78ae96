package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tenantcatalogue/projectors"
	"tenantcatalogue/replay"
)

// proofFile keeps the last proof in the data directory. It is of use to the
// program that made it: another one may fold otherwise, and what has not changed
// since the proof is not folded again.
type proofFile struct {
	path   string
	clock  func() time.Time
	logger zerolog.Logger

	mu      sync.Mutex
	program string // hash of this program's file; empty: not taken yet
}

// ProofFile is its name. Whoever trusts no proof removes it.
const ProofFile = "proof.json"

// kept is what is in the file.
type kept struct {
	replay.Proof

	At      time.Time `json:"at"`      // when it was proven
	Program string    `json:"program"` // that proved it: hash of its file
}

// read reads the file; one that cannot be read is none.
func (f *proofFile) read() (k kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k
	}
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		f.logger.Warn().Err(err).Msg("the last proof cannot be read; everything is verified next time")
		return kept{}
	}
	return k
}

// Load gives the last proof, if this program has made it.
func (f *proofFile) Load() replay.Proof {
	if k := f.read(); k.Program == f.self() {
		return k.Proof
	}
	return replay.Proof{}
}

// Keep puts a proof in the place of the one before. It is no loss if that fails.
func (f *proofFile) Keep(p replay.Proof) {
	self := f.self()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := writeFile(f.path, kept{p, f.clock(), self}); err != nil {
		f.logger.Warn().Err(err).Msg("the proof cannot be kept; the next one begins where this one did")
	}
}

// self is the hash of this program's file.
func (f *proofFile) self() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.program == "" {
		sum, err := hashOfProgram()
		if err != nil {
			f.logger.Warn().Err(err).Msg("this program's file cannot be read; proofs are good until it ends")
			sum = fmt.Sprintf("process %d of %s", os.Getpid(), f.clock())
		}
		f.program = sum
	}
	return f.program
}

func hashOfProgram() (sum string, err error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	_, err = io.Copy(h, file)
	return hex.EncodeToString(h.Sum(nil)), err
}

// Proven is when it was last proven that every view is what the log makes of it;
// zero: never.
func (s *System) Proven() time.Time { return s.proofs.read().At }

// Prove is Verify for the views, from the last proof on: what has come since, and
// every row. Without a proof it is everything.
func (s *System) Prove(ctx context.Context) (report replay.Report, err error) {
	pinned, err := s.Runner.Pin()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, pinned.Close()) }()
	head, err := s.Log.Head(ctx)
	if err == nil && head > 0 && pinned.Seq == 0 {
		err = fmt.Errorf("%w: they stand before the first event, and are being filled", projectors.ErrBehind)
	}
	if err != nil {
		return report, err
	}
	report, err = replay.VerifySince(ctx, s.Log, replay.Subjects(pinned), s.proofs.Load(), replay.Options{Spare: s.Runner.Spare, Genesis: s.genesis})
	if err != nil {
		return report, err
	}
	s.watching.verifiedAs(report, false)
	if !report.Proof.IsZero() {
		s.proofs.Keep(report.Proof)
	}
	return report, nil
}

// proveAgain is how long a proof that could not be made is put off.
const proveAgain = time.Minute

// proveEvery keeps the last proof from growing old, so that a certificate has not
// far to go and damage is found before somebody needs what is damaged.
func (s *System) proveEvery(ctx context.Context, every time.Duration) {
	wait := time.NewTimer(max(proveAgain, every-s.Clock().Sub(s.Proven())))
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		wait.Reset(every)
		report, err := s.Prove(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			wait.Reset(proveAgain)
			s.Logger.Warn().Err(err).Msg("the views could not be verified; it is tried again")
		case !report.OK():
			s.Logger.Error().Int("faults", len(report.Faults)).Stringer("first", report.Faults[0]).
				Msg("a view is not what the log makes of it, or the log is damaged; run catalogue verify")
		default:
			s.Logger.Info().Stringer("seq", report.Events).Stringer("since", report.Since).Str("anew", report.Anew).Msg("every view is proven")
		}
	}
}
