package people

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Well is the URL of a health check that is always well, of a server that is started at the
// first call and ends with the process.
var Well = sync.OnceValue(func() string {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("listen for health checks: " + err.Error()) // on a port of its own choice
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = server.Serve(listen) }() // until the process ends
	return "http://" + listen.Addr().String() + "/well"
})
