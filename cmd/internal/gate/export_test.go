package gate

import "tenantcatalogue/cmd/internal/api"

// Subjects lists what can be asked.
func Subjects() (out []string) {
	for _, e := range endpoints(&api.API{}) {
		out = append(out, e.subject)
	}
	return out
}
