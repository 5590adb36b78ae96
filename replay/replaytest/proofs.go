package replaytest

import (
	"sync"

	"tenantcatalogue/replay"
)

// Proofs keeps the last proof in memory.
type Proofs struct {
	mu   sync.Mutex
	last replay.Proof
}

// Load gives the proof that was kept last.
func (p *Proofs) Load() replay.Proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Keep keeps a proof.
func (p *Proofs) Keep(proof replay.Proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = proof
}
