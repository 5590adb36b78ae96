package bench

import (
	"encoding/json"
	"fmt"
	"os"
)

// Rivals are figures of what people would use instead, as rivals/run.sh leaves
// them in a file.
type Rivals struct {
	Tenants int                `json:"tenants"`
	Machine string             `json:"machine"`
	Figures map[string]float64 `json:"figures"`
}

// ReadRivals reads the file.
func ReadRivals(path string) (*Rivals, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Rivals{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%s: %w; make bench-rivals writes it", path, err)
	}
	return r, nil
}

// find is a rival's figure; why says when there is none, or when it was not
// taken on the same data.
func (r *Rivals) find(name string, tenants int) (v float64, why string) {
	switch {
	case r == nil:
		return 0, "rival not measured: run make bench-rivals"
	case r.Figures[name] == 0:
		return 0, fmt.Sprintf("the rivals have no %s", name)
	case r.Tenants != tenants:
		return r.Figures[name], fmt.Sprintf("the rival had %s tenants", grouped(r.Tenants))
	}
	return r.Figures[name], ""
}
