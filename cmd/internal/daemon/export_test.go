package daemon

import (
	"context"
	"time"

	"tenantcatalogue/events"
)

// AskCheck asks a health check, which has so much time to answer.
func AskCheck(ctx context.Context, s *System, within time.Duration, check string, id events.PlanID, wave int) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.check(ctx, check, id, wave)
}
