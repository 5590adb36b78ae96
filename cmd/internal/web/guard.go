package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
)

// The codes of refusals that only HTTP has.
const (
	errHost      client.Code = "wrong_host"
	errOrigin    client.Code = "wrong_origin"
	errMethod    client.Code = "method_not_allowed"
	errMediaType client.Code = "unsupported_media_type"
	errFailed    client.Code = "failed"
)

// admit says who asks, or why it is refused.
func (s *Server) admit(route route, r *http.Request) (auth.Caller, error) {
	if route.access == anybody {
		return auth.Anonymous(), nil
	}
	if !s.knownHost(r.Host) {
		return auth.Caller{}, refuse(http.StatusMisdirectedRequest, errHost, fmt.Sprintf("this server is not called %.100q", r.Host),
			"use localhost or 127.0.0.1, or start the daemon with that name among its hosts")
	}
	if !sameOrigin(r) {
		return auth.Caller{}, refuse(http.StatusForbidden, errOrigin, "a page of another origin may not ask this",
			"ask from a page of this server, or from a program that sends no Origin")
	}
	who, err := s.caller(r)
	switch {
	case err != nil:
		return who, err
	case route.access == operators && !who.Operator && r.Header.Get("Authorization") == "":
		return who, refuse(http.StatusUnauthorized, client.ErrUnauthorized, "this is for operators",
			"use the credential in "+auth.AdminFile+" of the daemon's data directory")
	case route.access == operators && !who.Operator:
		return who, refuse(http.StatusForbidden, client.ErrForbidden, who.Name+" is not an operator",
			"use the credential in "+auth.AdminFile+" of the daemon's data directory")
	}
	return who, nil
}

// caller is whose credential comes with the request.
func (s *Server) caller(r *http.Request) (auth.Caller, error) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		if fromHere(r.RemoteAddr) {
			return auth.Anonymous(), nil
		}
		return auth.Caller{}, refuse(http.StatusUnauthorized, client.ErrUnauthorized, "a credential is needed from another machine",
			"use HTTP basic authentication with a credential of this catalogue")
	}
	user, password, ok := r.BasicAuth()
	if !ok || len(given) > 1 {
		return auth.Caller{}, refuse(http.StatusUnauthorized, client.ErrUnauthorized, "the header Authorization is not one of HTTP basic authentication",
			"send it once, as Basic and a credential of this catalogue")
	}
	if s.auth == nil {
		return auth.Caller{}, refuse(http.StatusUnauthorized, client.ErrUnauthorized, "this server knows no credentials",
			"ask without one, from this machine")
	}
	return s.auth.Check(user, password)
}

// knownHost tells whether a Host names this server. A name that somebody else
// has pointed at this address does not.
func (s *Server) knownHost(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() {
		return true
	}
	return name == "localhost" || name != "" && slices.ContainsFunc(s.cfg.Hosts, func(known string) bool { return strings.EqualFold(known, name) })
}

// sameOrigin tells whether no page, or a page of this server, has asked.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	origin, err := url.Parse(origins[0])
	return err == nil && len(origins) == 1 && (origin.Scheme == "http" || origin.Scheme == "https") && strings.EqualFold(origin.Host, r.Host)
}

// fromHere tells whether the client is on this machine.
func fromHere(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
