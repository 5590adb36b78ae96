package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

func processRows() []Row {
	return []Row{
		{
			Name: "start-clean", What: "start of serve to ready, after a clean stop",
			Figures: []Figure{{Unit: "s", Target: atMost(5).at(1_000_000)}},
			Run:     startClean,
		},
		{
			Name: "start-killed", What: "start of serve to ready, after kill -9 under load",
			Figures: []Figure{{Unit: "s", Baseline: "nats-server alone recovering the same log", Target: ratioAtMost(1.2)}},
			Run:     startKilled,
		},
		{
			Name: "memory", What: "resident memory of serve after 100,000 lookups and 1,000 queries through the gate",
			Figures: []Figure{
				{Unit: "MiB", Target: atMost(1536).at(1_000_000)},
				{Name: "peak", Unit: "MiB"},
				{Name: "started", Unit: "MiB"},
			},
			Run: memory,
		},
	}
}

// daemonProcess is serve in a process of its own.
type daemonProcess struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	nats   string
	ready  time.Duration // from the start until it said that it is ready
}

// serve runs serve on a directory and waits until it is ready.
func (e *Env) serve(ctx context.Context, dir string) (*daemonProcess, error) {
	args := append(e.program[1:len(e.program):len(e.program)], "serve", "--data", dir, "--nats-listen", listen, "--http", listen, "-o", "json")
	p := &daemonProcess{cmd: exec.CommandContext(ctx, e.program[0], args...)}
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var said struct{ NATS, HTTP string }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &said)
	}
	if err == nil {
		err = answers(ctx, said.HTTP+"/readyz")
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("serve in a process of its own: %w\n%s", err, p.stderr.Bytes())
	}
	p.nats, p.ready = said.NATS, time.Since(began)
	return p, nil
}

// answers waits until a probe answers that all is well.
func answers(ctx context.Context, url string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if err := answer.Body.Close(); err != nil {
			return err
		}
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *daemonProcess) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // it was killed
}

// stop asks it to end and waits until it has, with everything in order.
func (p *daemonProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("serve ends with %w\n%s", err, p.stderr.Bytes())
	}
	return nil
}

func startClean(ctx context.Context, e *Env) ([]Value, error) {
	dir, err := e.Stopped(ctx)
	if err != nil {
		return nil, err
	}
	var ready time.Duration
	for range 2 { // the first brings everything up to date and stops cleanly
		p, err := e.serve(ctx, dir)
		if err != nil {
			return nil, err
		}
		if err := p.stop(); err != nil {
			return nil, err
		}
		ready = p.ready
	}
	return []Value{{Value: ready.Seconds()}}, nil
}

// startKilled kills the daemon twice in the same way: after the first the server
// alone recovers the log, after the second the daemon starts.
func startKilled(ctx context.Context, e *Env) ([]Value, error) {
	dir, err := e.Stopped(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.killUnderLoad(ctx, dir); err != nil {
		return nil, err
	}
	bare, err := recoverAlone(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := e.killUnderLoad(ctx, dir); err != nil {
		return nil, err
	}
	p, err := e.serve(ctx, dir)
	if err != nil {
		return nil, err
	}
	return []Value{{p.ready.Seconds(), bare.Seconds()}}, p.stop()
}

// recoverAlone tells how long the server alone takes to recover a log, with as much
// memory as it wants.
func recoverAlone(ctx context.Context, dir string) (time.Duration, error) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	began := time.Now()
	alone, err := bus.Open(ctx, bus.Config{StoreDir: filepath.Join(dir, "nats"), Listen: bus.Listen{On: true}})
	if err != nil {
		return 0, err
	}
	defer alone.Close()
	return time.Since(began), nil
}

// killUnderLoad starts the daemon, publishes for a moment and kills it.
func (e *Env) killUnderLoad(ctx context.Context, dir string) error {
	p, err := e.serve(ctx, dir)
	if err != nil {
		return err
	}
	defer p.kill()
	nc, err := nats.Connect(p.nats)
	if err != nil {
		return err
	}
	defer nc.Close()
	t := e.traffic()
	for range 20 {
		batch := make([]json.RawMessage, 500)
		for i := range batch {
			if batch[i], err = events.MarshalCloudEvent(t.next()); err != nil {
				return err
			}
		}
		raw, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		m := &nats.Msg{Subject: "catalogue.v1.publish", Data: raw, Header: nats.Header{"Content-Type": {"application/cloudevents-batch+json"}}}
		answer, err := nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		if code := answer.Header.Get("Nats-Service-Error-Code"); code != "" {
			return fmt.Errorf("the gate refuses: %s", answer.Data)
		}
	}
	return nil
}

func memory(ctx context.Context, e *Env) ([]Value, error) {
	dir, err := e.Stopped(ctx)
	if err != nil {
		return nil, err
	}
	p, err := e.serve(ctx, dir)
	if err != nil {
		return nil, err
	}
	started := p.resident("VmRSS")
	if err := e.ask(ctx, p.nats); err != nil {
		p.kill()
		return nil, err
	}
	after, peak := p.resident("VmRSS"), p.resident("VmHWM")
	if after == 0 {
		return nil, errors.Join(errors.New("this system does not tell how much memory a process has"), p.stop())
	}
	return []Value{{Value: after}, {Value: peak}, {Value: started}}, p.stop()
}

// ask has 16 callers look up tenants and query the history through the gate.
func (e *Env) ask(ctx context.Context, url string) error {
	const lookups, queries, callers = 100_000, 1_000, 16
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = inTurns(callers, lookups+queries, func(i int) error {
		subject, ask := "catalogue.v1.tenant.get", any(api.TenantGetRequest{Tenant: e.anyone()})
		if i%(lookups/queries) == 0 {
			subject, ask = "catalogue.v1.history", api.HistoryRequest{Actor: fmt.Sprint("user_", rand.IntN(e.Tenants))}
		}
		raw, err := json.Marshal(ask)
		if err != nil {
			return err
		}
		_, err = nc.RequestWithContext(ctx, subject, raw)
		return err
	})
	return err
}

func (p *daemonProcess) resident(name string) float64 {
	return resident(strconv.Itoa(p.cmd.Process.Pid), name)
}

// resident is a field of /proc/PID/status in MiB; 0 where there is none.
func resident(pid, name string) float64 {
	var kib int
	text := field("/proc/"+pid+"/status", name)
	if _, err := fmt.Sscan(text, &kib); err != nil {
		return 0
	}
	return float64(kib) / 1024
}
