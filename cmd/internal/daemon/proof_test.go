package daemon_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tenantcatalogue/cmd/internal/daemon"
)

// A proof is kept in the data directory, goes on where it ended, also after a
// start, and is made anew when it is gone or damaged.
func TestProofIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir})
	publish(t, s, "one")
	shown(t, s)
	first, err := s.Prove(t.Context())
	if err != nil || !first.OK() || first.Since != 0 || s.Proven().IsZero() {
		t.Fatalf("the first proof: %+v, %v", first, err)
	}
	publish(t, s, "two")
	stop(t, s)
	s = open(t, daemon.Config{DataDir: dir})
	defer func() { stop(t, s) }()
	shown(t, s)
	second, err := s.Prove(t.Context())
	if err != nil || !second.OK() || second.Since != first.Events || second.Events <= first.Events {
		t.Fatalf("after a start: %+v, %v", second, err)
	}
	path := filepath.Join(dir, daemon.ProofFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(good, []byte(`"program":"`), []byte(`"program":"other`), 1)
	for _, spoiled := range [][]byte{nil, []byte("{"), []byte(`{"seq":1}`), other} {
		err := os.Remove(path)
		if spoiled != nil {
			err = os.WriteFile(path, spoiled, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Prove(t.Context())
		if err != nil || !r.OK() || r.Since != 0 || r.Events != second.Events {
			t.Errorf("with %q for a proof: %+v, %v", spoiled, r, err)
		}
	}
}

// shown waits until every view shows the whole log.
func shown(t testing.TB, s *daemon.System) {
	t.Helper()
	head, err := s.Log.Head(t.Context())
	if err == nil {
		err = s.Runner.WaitFor(t.Context(), head)
	}
	if err != nil {
		t.Fatal(err)
	}
}
