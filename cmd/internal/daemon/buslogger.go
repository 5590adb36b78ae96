package daemon

import "github.com/rs/zerolog"

// busLogger passes on what the embedded server has to say, as far as it is about
// something wrong.
type busLogger struct{ log zerolog.Logger }

// Noticef is left out: the server tells how it starts and stops.
func (busLogger) Noticef(string, ...any) {}

// Debugf is left out.
func (busLogger) Debugf(string, ...any) {}

// Tracef is left out.
func (busLogger) Tracef(string, ...any) {}

// Warnf passes a warning on.
func (l busLogger) Warnf(format string, args ...any) {
	l.log.Warn().Str("from", "bus").Msgf(format, args...)
}

// Errorf passes an error on.
func (l busLogger) Errorf(format string, args ...any) {
	l.log.Error().Str("from", "bus").Msgf(format, args...)
}

// Fatalf passes on why the server stops. The process lives: whoever waits for
// the server sees that it has stopped.
func (l busLogger) Fatalf(format string, args ...any) {
	l.log.Error().Str("from", "bus").Msgf(format, args...)
}
