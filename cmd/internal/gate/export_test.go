package gate

import "tenantcatalogue/cmd/internal/api"

// Fill makes the gate as busy as it may be.
func (g *Gate) Fill() (release func()) {
	for range cap(g.slots) {
		g.slots <- struct{}{}
	}
	return func() {
		for range cap(g.slots) {
			<-g.slots
		}
	}
}

// Subjects lists what can be asked.
func Subjects() (out []string) {
	for _, e := range endpoints(&api.API{}) {
		out = append(out, e.subject)
	}
	return out
}
