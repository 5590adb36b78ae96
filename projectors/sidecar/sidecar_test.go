package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

func serve(t *testing.T, log []events.Stored) (*stub, *client.Client) {
	t.Helper()
	s, err := newStub(context.WithoutCancel(t.Context()), "log@1", slices.Clone(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	c, err := client.Connect(client.Options{URL: s.bus.URL(), Name: "test", Attempt: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

func config(dir string) sidecar.Config {
	return sidecar.Config{Dir: dir, Views: []projectors.Projector{tenants.New(), history.New()}}
}

func open(t *testing.T, c *client.Client, dir string) *sidecar.Sidecar {
	t.Helper()
	s, err := sidecar.Open(t.Context(), c, config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func reach(t *testing.T, s *sidecar.Sidecar, seq events.Seq) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.WaitFor(ctx, seq); err != nil {
		t.Fatalf("%v: %+v", err, s.Status())
	}
}

// digests are those of every view, at one Seq.
func digests(t *testing.T, s *sidecar.Sidecar) (seq events.Seq, out []string) {
	t.Helper()
	p, err := s.Pin()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range p.Views {
		sum, err := viewdb.SumOf(v.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s", v.Projector.Name(), sum))
	}
	return p.Seq, errorless(t, out, p.Close())
}

func errorless[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFollow catches up, follows, stops, misses some, and goes on; in the end its
// views are those of a sidecar that began with everything there.
func TestFollow(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 1500)
	n := events.Seq(len(log))
	third := n / 3
	catalogue, c := serve(t, log[:third])
	dir := t.TempDir()
	first := open(t, c, dir)
	reach(t, first, third)
	if err := catalogue.publish(log[third : 2*third]...); err != nil {
		t.Fatal(err)
	}
	reach(t, first, 2*third)
	if at := first.Status(); at.Seq() != 2*third || at.Lag() != 0 || !at.Live || at.Err != nil || at.Log != "log@1" {
		t.Errorf("%+v", at)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.WaitFor(t.Context(), n); !errors.Is(err, sidecar.ErrStopped) {
		t.Errorf("waiting for one that is closed: %v", err)
	}
	if err := catalogue.publish(log[2*third:]...); err != nil {
		t.Fatal(err)
	}
	again := open(t, c, dir)
	if at := again.Status().Seq(); at < 2*third {
		t.Errorf("it begins at %d again", at)
	}
	reach(t, again, n)
	whole := open(t, c, t.TempDir())
	reach(t, whole, n)
	seq, got := digests(t, again)
	if at, want := digests(t, whole); seq != n || at != n || !slices.Equal(got, want) {
		t.Errorf("at %d of %d, %d:\n%s\n%s", seq, n, at, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestAlone opens views while no catalogue answers: they show what they have, and
// go on when it does.
func TestAlone(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(9), 100)
	n := events.Seq(len(log))
	catalogue, c := serve(t, log[:50])
	dir := t.TempDir()
	s := open(t, c, dir)
	reach(t, s, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	catalogue.silent(true)
	s = open(t, c, dir)
	if at := s.Status(); at.Live || at.Err != nil || at.Seq() != 50 || at.Log != "log@1" {
		t.Errorf("%+v", at)
	}
	if seq, _ := digests(t, s); seq != 50 {
		t.Errorf("it shows what there was at %d", seq)
	}
	catalogue.be("log@1", log)
	catalogue.silent(false)
	reach(t, s, n)
}

// TestMissed has the feed lose events: the head tells, and they are read.
func TestMissed(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(2), 200)
	n := events.Seq(len(log))
	catalogue, c := serve(t, log[:100])
	s := open(t, c, t.TempDir())
	reach(t, s, 100)
	catalogue.be("log@1", log) // without the feed
	if err := catalogue.tell(client.Head{Seq: n, Log: "log@1"}); err != nil {
		t.Fatal(err)
	}
	reach(t, s, n)
}

// TestRefused begins on views of a log that is not, or no more, the catalogue's.
func TestRefused(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(3), 120)
	other := catalogtest.History(t, catalogtest.Seeded(4), 200) // longer
	n := events.Seq(len(log))
	for name, now := range map[string]struct {
		name string
		log  []events.Stored
		want error
	}{
		"another log":             {"log@2", log, projectors.ErrOtherLog},
		"another event there":     {"log@1", other[:n], projectors.ErrOtherLog},
		"a log that has lost":     {"log@1", log[:n-1], client.ErrAhead},
		"an empty one":            {"log@1", nil, client.ErrAhead},
		"an empty one, set anew":  {"log@2", nil, projectors.ErrOtherLog},
		"another past, same last": {"log@1", append(slices.Clone(other[:n-1]), log[n-1]), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalogue, c := serve(t, log)
			dir := t.TempDir()
			s := open(t, c, dir)
			reach(t, s, n)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			catalogue.be(now.name, now.log)
			s = open(t, c, dir)
			if now.want == nil {
				// Nothing has come yet that could be compared.
				if err := catalogue.publish(other[n]); err != nil {
					t.Fatal(err)
				}
				now.want = projectors.ErrOtherLog
			}
			stops(t, s, now.want, catalogue)
		})
	}
}

// stops waits for a sidecar to stop by itself, telling it to look meanwhile.
func stops(t *testing.T, s *sidecar.Sidecar, want error, catalogue *stub) {
	t.Helper()
	for range 100 {
		select {
		case <-s.Done():
			if err := s.Err(); !errors.Is(err, want) {
				t.Errorf("it stopped: %v", err)
			}
			if at := s.Status(); at.Err == nil || at.Live {
				t.Errorf("%+v", at)
			}
			return
		case <-time.After(100 * time.Millisecond):
			if err := catalogue.tell(client.Head{Seq: 1 << 40}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("it goes on")
}

// TestSpoiled has the catalogue answer with what does not fit.
func TestSpoiled(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(5), 300)
	other := catalogtest.History(t, catalogtest.Seeded(6), 300)
	for name, how := range map[string]struct {
		spoil func(*client.Pages)
		want  error
	}{
		"another log": {func(p *client.Pages) { p.Log = "log@2" }, client.ErrOtherLog},
		"a gap": {func(p *client.Pages) {
			p.Pages = [][]byte{events.AppendPage(nil, log[150:160]), events.AppendPage(nil, log[170:180])}
		}, client.ErrInternal},
		"what was not asked for": {func(p *client.Pages) { p.Pages = [][]byte{events.AppendPage(nil, log[200:210])} }, client.ErrInternal},
		"nothing":                {func(p *client.Pages) { p.Pages = nil }, client.ErrInternal},
		"no page":                {func(p *client.Pages) { p.Pages = [][]byte{[]byte("nonsense")} }, events.ErrMalformed},
		"a changed event": {func(p *client.Pages) {
			if len(p.Pages) > 0 {
				p.Pages = [][]byte{events.AppendPage(nil, other[150:200]), events.AppendPage(nil, log[200:])}
			}
		}, projectors.ErrOtherLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalogue, c := serve(t, log[:150])
			s := open(t, c, t.TempDir())
			reach(t, s, 150)
			catalogue.spoiled(how.spoil)
			catalogue.be("log@1", log)
			stops(t, s, how.want, catalogue)
			if _, got := digests(t, s); len(got) != 2 {
				t.Errorf("the views cannot be read: %v", got)
			}
		})
	}
}

// TestForged has somebody tell a head that is made up: it costs a read.
func TestForged(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(7), 60)
	n := events.Seq(len(log))
	catalogue, c := serve(t, log[:50])
	s := open(t, c, t.TempDir())
	reach(t, s, 50)
	for _, head := range []client.Head{{Seq: 1 << 50}, {Seq: 1 << 50, Log: "log@1"}, {Seq: 3, Log: "log@2"}} {
		if err := catalogue.tell(head); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(catalogue.publish(log[50:]...), catalogue.tell(client.Head{Seq: n, Log: "log@1"})); err != nil {
		t.Fatal(err)
	}
	reach(t, s, n)
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// TestDamage opens a view whose tables are damaged: it is made again.
func TestDamage(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(8), 800)
	n := events.Seq(len(log))
	_, c := serve(t, log)
	dir := t.TempDir()
	s := open(t, c, dir)
	reach(t, s, n)
	_, want := digests(t, s)
	for _, v := range s.Views() {
		if err := v.Home.Current().Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, tenants.Name, "*", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v, %v", tables, err)
	}
	for _, table := range tables {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(raw) {
			raw[i] ^= 0x55
		}
		if err := os.WriteFile(table, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, c, dir)
	reach(t, again, n)
	for began := time.Now(); ; {
		_ = again.View(tenants.Name, func(v *viewdb.Snapshot) error {
			return v.Scan(nil, nil, func(_, _ []byte) error { return nil }) // meets the damage
		})
		at := again.Status()
		if at.Views[0].Fault == nil && !at.Views[0].Rebuilding && at.Views[0].Checkpoint.Seq == n {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("it is not mended: %+v", at)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, got := digests(t, again); !slices.Equal(got, want) {
		t.Errorf("%v\n%v", got, want)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := sidecar.Open(t.Context(), nil, sidecar.Config{Views: []projectors.Projector{tenants.New(), tenants.New()}, CacheBytes: -1})
	for _, want := range []string{"Dir is missing", "names tenants twice", "CacheBytes is -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if err := (sidecar.Config{Dir: "x"}).Validate(); err == nil {
		t.Error("no views are enough")
	}
}
