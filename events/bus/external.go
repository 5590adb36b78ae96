package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Login is how to enter an account of an external server: a credentials file,
// or a user and password.
type Login struct {
	Creds          string
	User, Password string
}

func (l Login) options() []nats.Option {
	if l.Creds != "" {
		return []nats.Option{nats.UserCredentials(l.Creds)}
	}
	return []nats.Option{nats.UserInfo(l.User, l.Password)}
}

// External is a NATS server or cluster that somebody else runs. It needs the
// accounts of AccountsConfig, and one of System and Monitor to prove that it
// writes to disk before it acknowledges.
type External struct {
	URL     string
	Log     Login    // enters the account that owns the stream
	Gate    Login    // enters the gate's account
	System  *Login   // enters the system account
	Monitor []string // the monitoring address of every server, e.g. http://127.0.0.1:8222
}

// ErrSyncUnproven is returned when a server does not prove that it writes an
// event to disk before it acknowledges it.
var ErrSyncUnproven = errors.New("the NATS server does not prove that it writes to disk before it acknowledges; " +
	"set sync_interval: always in its jetstream block, and give the system account's credentials or the monitoring addresses")

// Remote is an external bus whose durability is proven.
type Remote struct{ external External }

// Dial looks whether every JetStream server of the external bus has
// sync_interval: always. The error matches ErrSyncUnproven if one has not, did
// not answer, or cannot be asked. No default is taken on trust: NATS writes to
// disk every two minutes.
func Dial(ctx context.Context, external External) (*Remote, error) {
	r := &Remote{external: external}
	nc, err := r.LogConn()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	var servers map[string]server.JSInfo
	switch {
	case external.System != nil:
		servers, err = r.askSystem(ctx)
	case len(external.Monitor) > 0:
		servers, err = askMonitors(ctx, external.Monitor)
	default:
		err = errors.New("neither system credentials nor a monitoring address are given")
	}
	if err == nil {
		err = proven(servers, nc.ConnectedServerId())
	}
	if err != nil {
		return nil, fmt.Errorf("use %s: %w: %w", external.URL, ErrSyncUnproven, err)
	}
	return r, nil
}

// proven holds the servers' own words against the rule: all of the cluster
// have answered, the one we talk to among them, and all sync always.
func proven(servers map[string]server.JSInfo, connected string) error {
	if _, ok := servers[connected]; !ok {
		return fmt.Errorf("the server that %s connects to is not among the %d that answered", connected, len(servers))
	}
	for id, info := range servers {
		if info.Meta != nil && info.Meta.Size > len(servers) {
			return fmt.Errorf("%d servers of %d answered", len(servers), info.Meta.Size)
		}
		if !info.Disabled && !info.Config.SyncAlways {
			return fmt.Errorf("server %s syncs every %s", id, info.Config.SyncInterval)
		}
	}
	return nil
}

// quiet is how long the system account is listened to after an answer.
const quiet = 500 * time.Millisecond

// askSystem asks all servers at once through the system account.
func (r *Remote) askSystem(ctx context.Context) (map[string]server.JSInfo, error) {
	nc, err := nats.Connect(r.external.URL, append(connOptions("system"), r.external.System.options()...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the system account: %w", err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, err
	}
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", sub.Subject, nil); err != nil {
		return nil, err
	}
	out := map[string]server.JSInfo{}
	for {
		wait, cancel := context.WithTimeout(ctx, quiet)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return out, ctx.Err()
		}
		var answer struct {
			Data server.JSInfo `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return nil, fmt.Errorf("answer of the system account: %w", err)
		}
		if answer.Data.ID != "" {
			out[answer.Data.ID] = answer.Data
		}
	}
}

// askMonitors asks each server over HTTP.
func askMonitors(ctx context.Context, addresses []string) (map[string]server.JSInfo, error) {
	out := map[string]server.JSInfo{}
	for _, address := range addresses {
		info, err := askMonitor(ctx, strings.TrimSuffix(address, "/")+"/jsz")
		if err != nil {
			return nil, err
		}
		out[info.ID] = info
	}
	return out, nil
}

func askMonitor(ctx context.Context, url string) (info server.JSInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return info, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return info, fmt.Errorf("%s: %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil {
		return info, fmt.Errorf("%s: %w", url, err)
	}
	return info, nil
}

// LogConn connects to the account that owns the stream.
func (r *Remote) LogConn() (*nats.Conn, error) { return r.connect("log", r.external.Log) }

// GateConn connects to the gate's account.
func (r *Remote) GateConn() (*nats.Conn, error) { return r.connect("gate", r.external.Gate) }

func (r *Remote) connect(name string, login Login) (*nats.Conn, error) {
	nc, err := nats.Connect(r.external.URL, append(connOptions(name), login.options()...)...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", name, r.external.URL, err)
	}
	return nc, nil
}

// URL is where clients connect.
func (r *Remote) URL() string { return r.external.URL }

// Close does nothing: the server is somebody else's, the connections are their
// users'.
func (r *Remote) Close() {}
