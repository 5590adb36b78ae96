package eventlog

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestQuorum counts replicas.
func TestQuorum(t *testing.T) {
	t.Parallel()
	peers := func(offline ...bool) (out []*jetstream.PeerInfo) {
		for _, off := range offline {
			out = append(out, &jetstream.PeerInfo{Offline: off})
		}
		return out
	}
	for name, c := range map[string]struct {
		cluster *jetstream.ClusterInfo
		lost    bool
	}{
		"alone":           {nil, false},
		"no leader":       {&jetstream.ClusterInfo{Replicas: peers(false, false)}, true},
		"all there":       {&jetstream.ClusterInfo{Leader: "a", Replicas: peers(false, false)}, false},
		"one is offline":  {&jetstream.ClusterInfo{Leader: "a", Replicas: peers(true, false)}, false},
		"two are offline": {&jetstream.ClusterInfo{Leader: "a", Replicas: peers(true, true)}, true},
		"half are gone":   {&jetstream.ClusterInfo{Leader: "a", Replicas: peers(true)}, true},
	} {
		if err := quorum(c.cluster); errors.Is(err, ErrQuorum) != c.lost {
			t.Errorf("%s: %v", name, err)
		}
	}
}
