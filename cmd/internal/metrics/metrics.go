// Package metrics tells Prometheus how the catalogue is doing. What the daemon
// knows anyway (views, verdicts, restorations) is read at each scrape; what
// passes through the doors is counted as it passes.
//
// No label holds an id: their values are names of views, codes, route patterns
// and methods, of which there are few.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tenantcatalogue/cmd/internal/api"
)

// Metrics is a registry of its own, with everything the catalogue tells. It is
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec

	// FeedClients is how many follow the feed over HTTP.
	FeedClients prometheus.Gauge
	// FeedEvents counts the events sent to them.
	FeedEvents prometheus.Counter
	// FeedCut counts those that were cut off because they did not keep up.
	FeedCut prometheus.Counter
}

// The values of the label door.
const (
	DoorHTTP = "http"
	DoorNATS = "nats"
)

// New makes the metrics of a running system. version is the program's.
func New(a *api.API, version string) *Metrics {
	return newMetrics(version, newViews(a.From()), newState(a))
}

// NewLocal makes those of a sidecar. live tells whether the catalogue can be
// reached.
func NewLocal(views api.Views, live func() bool, version string) *Metrics {
	return newMetrics(version, newViews(views), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "catalogue_sidecar_live", Help: "1 while the catalogue can be reached, else 0: what is shown may be old then.",
	}, func() float64 { return bit(live()) }))
}

func newMetrics(version string, states ...prometheus.Collector) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "catalogue_request_seconds", Help: "How long requests took, by door (http or nats), endpoint and HTTP status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"door", "endpoint", "status"}),
		FeedClients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "catalogue_feed_clients", Help: "Clients that follow the feed over HTTP.",
		}),
		FeedEvents: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "catalogue_feed_events_total", Help: "Events sent to clients that follow the feed over HTTP.",
		}),
		FeedCut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "catalogue_feed_cut_total", Help: "Clients of the feed that were cut off because they did not keep up.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "catalogue_build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.requests, m.FeedClients, m.FeedEvents, m.FeedCut, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registry.MustRegister(states...)
	return m
}

// Request counts a request: the door it came through, the endpoint, the HTTP
// status of its answer and how long it took.
func (m *Metrics) Request(door, endpoint string, status int, took time.Duration) {
	m.requests.WithLabelValues(door, endpoint, strconv.Itoa(status)).Observe(took.Seconds())
}

// Handler serves the metrics. What cannot be gathered is left out.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, EnableOpenMetrics: true,
	})
}
