package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

// kills is how often the tests of crashes kill the daemon.
var kills = flag.Int("kills", 4, "how often to kill the daemon in each test of crashes")

// asMain makes the test binary run the program itself.
const asMain = "CATALOGUE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"catalogue": main})
}

// The program as its users meet it. A script may say, beside testscript's own:
//
//	$WELL               is the URL of a health check that is well
//	serve DIR           run a daemon on DIR, which answers when it returns
//	view DIR ARG…       run catalogue view on DIR, which is caught up when it returns; $VIEW is where it answers
//	stop DIR            send it SIGTERM; it must end by itself, with 0
//	fetch URL FILE      put the answer to an HTTP request into a file
//	exits CODE ARG…     run catalogue, which must exit with that code
//	govern DIR          give the daemon on DIR a policy under which nothing waits, and ana, ben and cleo keys
//	deletes DIR RUN LIST  delete the tenants of a list, which are out of service, in a run; ana plans, ben approves
//	keep VAR PATH       put a value of the last JSON on stdout into $VAR, e.g. tenants.0.tenant
//	shape               replace the last stdout, JSON, by the paths in it with their types
func TestScripts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	running := map[string]*child{}
	place := func(ts *testscript.TestScript, dir string) string { return ts.MkAbs(dir) }
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"NATS_URL", "NATS_CONTEXT", "NATS_CREDS", "NATS_USER", "NATS_PASSWORD"} {
				env.Setenv(name, "")
			}
			env.Setenv("WELL", people.Well())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": func(ts *testscript.TestScript, _ bool, args []string) {
				c, err := startChild(place(ts, args[0]))
				ts.Check(err)
				ts.Defer(c.kill)
				mu.Lock()
				defer mu.Unlock()
				running[c.data] = c
			},
			"view": func(ts *testscript.TestScript, _ bool, args []string) {
				c, err := startView(place(ts, args[0]), ts.MkAbs("."), args[1:]...)
				ts.Check(err)
				ts.Defer(c.kill)
				ts.Setenv("VIEW", c.HTTP)
				mu.Lock()
				defer mu.Unlock()
				running[c.data] = c
			},
			"fetch": func(ts *testscript.TestScript, _ bool, args []string) {
				answer, err := http.Get(args[0]) //nolint:noctx // of a script, which has none
				ts.Check(err)
				raw, err := io.ReadAll(answer.Body)
				ts.Check(errors.Join(err, answer.Body.Close()))
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
			},
			"stop": func(ts *testscript.TestScript, _ bool, args []string) {
				mu.Lock()
				c := running[place(ts, args[0])]
				mu.Unlock()
				if err := c.stop(); err != nil {
					ts.Fatalf("%v", err)
				}
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				var exit *exec.ExitError
				if err := ts.Exec("catalogue", args[1:]...); errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("it exits with %d, %d is wanted", got, want)
				}
			},
			"govern": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(govern(ts.MkAbs("."), place(ts, args[0])))
			},
			"deletes": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(deleteList(ts.MkAbs("."), place(ts, args[0]), args[1], ts.MkAbs(args[2])))
			},
			"keep": func(ts *testscript.TestScript, _ bool, args []string) {
				var v any
				ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
				value, err := at(v, strings.Split(args[1], "."))
				ts.Check(err)
				ts.Setenv(args[0], fmt.Sprint(value))
			},
			"shape": func(ts *testscript.TestScript, _ bool, _ []string) {
				var v any
				ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
				paths := map[string]bool{}
				shapeOf(v, "", paths)
				lines := make([]string, 0, len(paths))
				for p := range paths {
					lines = append(lines, p)
				}
				slices.Sort(lines)
				ts.Check(os.WriteFile(ts.MkAbs("shape"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
			},
		},
	})
}

// at finds a value in decoded JSON.
func at(v any, path []string) (any, error) {
	for _, step := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return nil, fmt.Errorf("there is no %s in a list of %d", step, len(in))
			}
			v = in[i]
		}
	}
	if v == nil {
		return nil, fmt.Errorf("there is no %s", strings.Join(path, "."))
	}
	return v, nil
}

// shapeOf lists the paths in decoded JSON with their types.
func shapeOf(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			shapeOf(value, strings.TrimPrefix(path+"."+key, "."), into)
		}
	case []any:
		into[path+" list"] = true
		for _, value := range v {
			shapeOf(value, path+"[]", into)
		}
	default:
		into[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// child is a daemon in a process of its own.
type child struct {
	ready
	data   string
	in     string // its working directory; the test's if empty
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
	err    error // of its end
}

// startChild runs a daemon on a data directory and waits until it is ready. It
// is embedded unless args say otherwise.
func startChild(data string, args ...string) (*child, error) {
	if len(args) == 0 {
		args = []string{"--nats-listen", "127.0.0.1:0"}
	}
	args = append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "-o", "json"}, args...)
	return start(&child{data: data, ended: make(chan struct{})}, args)
}

// startView runs views in a directory and waits until they are caught up.
func startView(dir, in string, args ...string) (*child, error) {
	c := &child{data: dir, in: in, ended: make(chan struct{})}
	return start(c, append([]string{"view", "--dir", dir, "--listen", "127.0.0.1:0", "-o", "json"}, args...))
}

func start(c *child, args []string) (*child, error) {
	//nolint:noctx // it is stopped or killed by the test
	c.cmd = exec.Command(os.Args[0], args...)
	c.cmd.Dir = c.in
	c.cmd.Env = append(os.Environ(), asMain+"=1", envLog+"=log-password-of-tests", envGate+"=gate-password-of-tests", envOperator+"=operator-password-of-tests")
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, readErr := bufio.NewReader(stdout).ReadBytes('\n')
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	if readErr == nil {
		readErr = json.Unmarshal(line, &c.ready)
	}
	if readErr != nil {
		c.kill()
		return nil, fmt.Errorf("it did not get ready: %w, %w\n%s", readErr, c.err, c.stderr.Bytes())
	}
	return c, nil
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// stop asks it to end and waits for it.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-c.ended
	if c.err != nil {
		return fmt.Errorf("%w\n%s", c.err, c.stderr.Bytes())
	}
	return nil
}

// call runs the program within the process and gives its stdout.
func call(args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	if got := Main(context.Background(), args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); got != exitOK {
		return nil, fmt.Errorf("catalogue %s exits with %d: %s", strings.Join(args, " "), got, errs.Bytes())
	}
	return out.Bytes(), nil
}

// govern makes keys of three persons in a directory, and puts a policy in force under which
// nothing waits.
func govern(dir, data string) error {
	args := []string{"policy", "show", "--default", "--environment", "test", "--check", people.Well(), "-o", "json"}
	for _, person := range []string{"ana", "ben", "cleo"} {
		raw, err := call("keygen", "--person", person, "--out", filepath.Join(dir, person+".key"), "-o", "json")
		if err != nil {
			return err
		}
		file := filepath.Join(dir, person+".json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			return err
		}
		args = append(args, "--member", file)
	}
	raw, err := call(args...)
	if err != nil {
		return err
	}
	var p events.Policy
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	p.DeactivatedFor, p.Bakes = 0, []events.Seconds{0}
	if raw, err = json.Marshal(p); err != nil {
		return err
	}
	file := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	_, err = call("policy", "propose", file, "--author", "ana", "--reason", "begin", "--data", data)
	return err
}

// deleteList takes the tenants of a list through the door.
func deleteList(dir, data, run, list string) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	expect := strconv.Itoa(bytes.Count(raw, []byte("\n")) - 1) // less the header
	raw, err = call("delete", "plan", "--kind", "tenant", "--file", list, "--run", run, "--key", filepath.Join(dir, "ana.key"), "--author", "ana",
		"--supplier", "crm", "--reason", "closed", "--expect", expect, "--data", data, "-o", "json")
	if err != nil {
		return err
	}
	var d api.Deletion
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"approve", "--key", filepath.Join(dir, "ben.key"), "--person", "ben", "--sentence", d.ToSign.Sentence},
		{"rehearse"},
		{"run"},
		{"status", "--follow"},
	} {
		if _, err := call(append([]string{"delete", args[0], d.ID.String(), "--data", data}, args[1:]...)...); err != nil {
			return err
		}
	}
	return nil
}

// run runs the program within the process and gives its stdout.
func run(t testing.TB, want int, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if got := Main(t.Context(), args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); got != want {
		t.Fatalf("catalogue %s exits with %d, %d is wanted\n%s%s", strings.Join(args, " "), got, want, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}
