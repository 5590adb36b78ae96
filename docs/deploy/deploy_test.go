// Package deploy_test holds the files for running the catalogue beside a NATS
// server of its own against the code that they configure.
package deploy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"

	"tenantcatalogue/events/bus"
)

const conf = "nats-server.conf"

// secrets are the passwords the configuration takes from the environment.
var secrets = []string{"NATS_LOG_PASSWORD", "NATS_GATE_PASSWORD", "NATS_OPERATOR_PASSWORD"}

func TestTheServerIsConfiguredAsTheCatalogueWants(t *testing.T) {
	for _, name := range secrets {
		t.Setenv(name, "secret-of-"+name)
	}
	opts, err := server.ProcessConfigFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if !opts.JetStream || !opts.SyncAlways || opts.StoreDir == "" {
		t.Errorf("JetStream %t, SyncAlways %t, store %q: acknowledged events would not be on disk", opts.JetStream, opts.SyncAlways, opts.StoreDir)
	}
	if opts.HTTPPort == 0 {
		t.Error("no monitoring port: the catalogue cannot prove that the server is durable")
	}
}

func TestTheAccountsAreThoseOfTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	operator := bus.Credential{User: "operator", Password: secrets[2]}
	accounts, err := bus.AccountsConfig(secrets[0], secrets[1], operator, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range secrets {
		accounts = strings.ReplaceAll(accounts, `"`+name+`"`, "$"+name)
	}
	raw, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), strings.TrimSpace(accounts)) {
		t.Errorf("%s does not hold the accounts of events/bus; these they are:\n%s", conf, accounts)
	}
}

func TestComposeHandsOverEveryPassword(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Volumes     []string
			Environment map[string]string
		}
	}
	if err := yaml.Unmarshal(raw, &compose); err != nil {
		t.Fatal(err)
	}
	nats := compose.Services["nats"]
	for _, name := range secrets {
		if !strings.HasPrefix(nats.Environment[name], "${"+name+":?") {
			t.Errorf("%s may be missing: %q", name, nats.Environment[name])
		}
	}
	if len(nats.Volumes) == 0 || !strings.HasPrefix(nats.Volumes[0], "./docs/deploy/"+conf+":") {
		t.Errorf("the server does not get %s: %q", conf, nats.Volumes)
	}
	if _, ok := compose.Services["catalogue"]; !ok {
		t.Error("no catalogue")
	}
}
