package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
)

// state reads at each scrape what the system knows of itself.
type state struct {
	sys *daemon.System
	api *api.API

	ready, seq, lag, serving, rebuilding, disk *prometheus.Desc
	verdicts, restored, restoreFails           *prometheus.Desc
	lastRestore, lastVerify                    *prometheus.Desc
}

func newState(sys *daemon.System, a *api.API) *state {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("catalogue_"+name, help, labels, nil)
	}
	return &state{
		sys: sys, api: a,
		ready:        desc("ready", "1 while the catalogue serves everything, else 0."),
		seq:          desc("view_seq", "Seq of the last event that a view has applied.", "view"),
		lag:          desc("view_lag_events", "How many events a view is behind the log.", "view"),
		serving:      desc("view_serving", "1 while a view is in service, else 0.", "view"),
		rebuilding:   desc("view_rebuilding", "1 while a view is rebuilt, else 0.", "view"),
		disk:         desc("view_disk_bytes", "What a view takes on disk.", "view"),
		verdicts:     desc("publish_verdicts_total", "Verdicts on published events, by code; stored and duplicate are no refusals.", "code"),
		restored:     desc("restore_events_total", "Events that restorations have written."),
		restoreFails: desc("restore_failures_total", "Restorations that ended in an error or with tenants that failed."),
		lastRestore:  desc("restore_last_success_timestamp_seconds", "When a restoration was last applied whole."),
		lastVerify:   desc("verify_last_success_timestamp_seconds", "When a verification last found nothing wrong."),
	}
}

// Describe lists what there is.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.ready, s.seq, s.lag, s.serving, s.rebuilding, s.disk, s.verdicts, s.restored, s.restoreFails, s.lastRestore, s.lastVerify,
	} {
		out <- d
	}
}

// Collect reads it.
func (s *state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(s.ready, bit(s.sys.Ready() == nil))
	for _, v := range s.sys.Runner.Status() {
		gauge(s.seq, float64(v.Checkpoint.Seq), v.Name)
		gauge(s.lag, float64(v.Lag), v.Name)
		gauge(s.serving, bit(v.Fault == nil), v.Name)
		gauge(s.rebuilding, bit(v.Rebuilding), v.Name)
		if db, release, err := s.sys.Homes[v.Name].Acquire(); err == nil {
			gauge(s.disk, float64(db.Metrics().DiskBytes), v.Name)
			release()
		}
	}
	counts := s.api.Counts()
	for code, n := range counts.Verdicts {
		count(s.verdicts, n, code)
	}
	count(s.restored, counts.Restored)
	count(s.restoreFails, counts.RestoreFails)
	gauge(s.lastRestore, seconds(counts.LastRestore))
	gauge(s.lastVerify, seconds(counts.LastVerify))
}

func bit(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// seconds is a time as Prometheus has it; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
