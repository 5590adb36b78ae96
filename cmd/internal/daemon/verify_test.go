package daemon_test

import (
	"testing"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/projectors/heads"
)

func TestVerifyCoversTheHeads(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{})
	defer stop(t, s)
	publish(t, s, "one")
	head, err := s.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Verify(t.Context(), nil)
	if err != nil || !report.OK() {
		t.Fatalf("%v, %v", report.Faults, err)
	}
	for _, v := range report.Views {
		if v.Name == heads.Name && (v.Seq != head || v.Rows == 0) {
			t.Errorf("the heads were verified at event %d of %d, in %d rows", v.Seq, head, v.Rows)
		}
	}
	if n := len(report.Views); n != 10 {
		t.Errorf("%d views were verified", n)
	}
}
