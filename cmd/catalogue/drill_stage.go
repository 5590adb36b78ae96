package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/replay/drill"
)

// stage is the scratch catalogue that a drill is played on, with the doors of a real one.
type stage struct {
	drill.System
	who   *operator
	stops []func(context.Context) error // in the opposite order
}

// openStage opens one in an empty directory, or in a temporary one.
func openStage(ctx context.Context, data string) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	clock := drill.NewClock(drill.Begins, time.Now)
	sys, err := daemon.Open(ctx, daemon.Config{DataDir: data, Clock: clock.Now, Stepped: true, NATSListen: "127.0.0.1:0"})
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, sys.Close)
	url, stop, err := openDoors(ctx, sys, serveFlags{http: "127.0.0.1:0"})
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, stop)
	files, err := os.MkdirTemp("", "catalogue-drill-")
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, func(context.Context) error { return os.RemoveAll(files) })
	if s.who, err = newOperator(ctx, sys, url, files); err != nil {
		return s, err
	}
	s.System = drill.System{
		Service: sys.Service, Runner: sys.Runner, Engine: sys.Restorer(), Log: sys.Log,
		Clock: clock, Tenants: sys.Homes[tenants.Name], Deletions: sys.Deletions(),
		Doors: s.who.doors(), Paths: s.who.paths(),
	}
	s.Author, err = readKey(s.who.key)
	return s, err
}

func (s *stage) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}
