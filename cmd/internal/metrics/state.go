package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenantcatalogue/cmd/internal/api"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("catalogue_"+name, help, labels, nil)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// views reads at each scrape where the views stand.
type views struct {
	from api.Views

	ready, seq, lag, serving, rebuilding, disk *prometheus.Desc
}

func newViews(from api.Views) *views {
	return &views{
		from:       from,
		ready:      desc("ready", "1 while the catalogue serves everything, else 0."),
		seq:        desc("view_seq", "Seq of the last event that a view has applied.", "view"),
		lag:        desc("view_lag_events", "How many events a view is behind the log.", "view"),
		serving:    desc("view_serving", "1 while a view is in service, else 0.", "view"),
		rebuilding: desc("view_rebuilding", "1 while a view is rebuilt, else 0.", "view"),
		disk:       desc("view_disk_bytes", "What a view takes on disk.", "view"),
	}
}

// Describe lists what there is.
func (v *views) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{v.ready, v.seq, v.lag, v.serving, v.rebuilding, v.disk} {
		out <- d
	}
}

// Collect reads it.
func (v *views) Collect(out chan<- prometheus.Metric) {
	gauge(out, v.ready, bit(v.from.Ready() == nil))
	for _, at := range v.from.Status() {
		gauge(out, v.seq, float64(at.Checkpoint.Seq), at.Name)
		gauge(out, v.lag, float64(at.Lag), at.Name)
		gauge(out, v.serving, bit(at.Fault == nil), at.Name)
		gauge(out, v.rebuilding, bit(at.Rebuilding), at.Name)
		home, found := v.from.Home(at.Name)
		if !found {
			continue
		}
		if db, release, err := home.Acquire(); err == nil {
			gauge(out, v.disk, float64(db.Metrics().DiskBytes), at.Name)
			release()
		}
	}
}

// state reads at each scrape what the API has counted.
type state struct {
	api *api.API

	verdicts, restored, restoreFails *prometheus.Desc
	alarms, halts                    *prometheus.Desc
	lastRestore, lastVerify          *prometheus.Desc
}

func newState(a *api.API) *state {
	return &state{
		api:          a,
		verdicts:     desc("publish_verdicts_total", "Verdicts on published events, by code; stored and duplicate are no refusals.", "code"),
		restored:     desc("restore_events_total", "Events that restorations have written."),
		restoreFails: desc("restore_failures_total", "Restorations that ended in an error or with tenants that failed."),
		alarms:       desc("alarms_total", "Alarms about deletions, by kind.", "kind"),
		halts:        desc("halts_total", "Halts of all deletions that nobody has asked for, by cause.", "cause"),
		lastRestore:  desc("restore_last_success_timestamp_seconds", "When a restoration was last applied whole."),
		lastVerify:   desc("verify_last_success_timestamp_seconds", "When a verification last found nothing wrong."),
	}
}

// Describe lists what there is.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.verdicts, s.restored, s.restoreFails, s.alarms, s.halts, s.lastRestore, s.lastVerify} {
		out <- d
	}
}

// Collect reads it.
func (s *state) Collect(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counts := s.api.Counts()
	for code, n := range counts.Verdicts {
		count(s.verdicts, n, code)
	}
	for kind, n := range counts.Alarms {
		count(s.alarms, n, string(kind))
	}
	for cause, n := range counts.Halts {
		count(s.halts, n, string(cause))
	}
	count(s.restored, counts.Restored)
	count(s.restoreFails, counts.RestoreFails)
	gauge(out, s.lastRestore, seconds(counts.LastRestore))
	gauge(out, s.lastVerify, seconds(counts.LastVerify))
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
