package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"tenantcatalogue/replay"
)

// proofFile keeps the last proof in the data directory.
type proofFile struct {
	path  string
	clock func() time.Time
	mu    sync.Mutex
}

// ProofFile is its name. Whoever trusts no proof removes it.
const ProofFile = "proof.json"

// kept is what is in the file.
type kept struct {
	replay.Proof

	At time.Time `json:"at"` // when it was proven
}

func (f *proofFile) read() (k kept, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil && json.Unmarshal(raw, &k) != nil {
		return kept{}, nil
	}
	return k, err
}

// Load gives the proof; one that cannot be read is none.
func (f *proofFile) Load() (replay.Proof, error) {
	k, err := f.read()
	return k.Proof, err
}

// Keep puts a proof in the place of the one before.
func (f *proofFile) Keep(p replay.Proof) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return writeFile(f.path, kept{p, f.clock()})
}

// Proven is when it was last proven that every view is what the log makes of it;
// zero: never.
func (s *System) Proven() time.Time {
	k, err := s.proofs.read()
	if err != nil {
		s.Logger.Error().Err(err).Msg("the last proof cannot be read")
	}
	return k.At
}

// Prove is Verify for the views, from the last proof on: what has come since, and
// every row. Without a proof it is everything.
func (s *System) Prove(ctx context.Context) (report replay.Report, err error) {
	pinned, err := s.Runner.Pin()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, pinned.Close()) }()
	last, err := s.proofs.Load()
	if err != nil {
		return report, err
	}
	report, err = replay.VerifySince(ctx, s.Log, replay.Subjects(pinned), last, nil)
	if err != nil || report.Proof.IsZero() {
		return report, err
	}
	return report, s.proofs.Keep(report.Proof)
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
			s.Logger.Info().Stringer("seq", report.Events).Stringer("since", report.Since).Msg("every view is proven")
		}
	}
}
