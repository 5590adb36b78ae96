package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// operator is who plays the drill's operators: by command lines and requests, with files
// and a key of its own, and the operators' credential.
type operator struct {
	sys  *daemon.System
	url  string // of the server on HTTP
	data string // for --data
	dir  string // of its files
	key  string // file with the key of whoever plans
}

// newOperator has a key made, as people have theirs made.
func newOperator(ctx context.Context, sys *daemon.System, url, dir string) (*operator, error) {
	o := &operator{sys: sys, url: url, data: sys.Dir, dir: dir, key: filepath.Join(dir, people.Author+".key")}
	if done := o.run(ctx, "keygen", "--person", people.Author, "--out", o.key); done.code != exitOK {
		return nil, fmt.Errorf("make a key for %s: %s", people.Author, done.said)
	}
	return o, nil
}

func (o *operator) doors() []drill.Door {
	return []drill.Door{
		{Name: "by command", Refused: exited(exitRefused), Plan: o.planByCommand},
		{Name: "by request", Refused: strconv.Itoa(http.StatusUnprocessableEntity), Plan: o.planByRequest},
	}
}

// done is what a command line came to.
type done struct {
	code      int
	out, said string // on stdout and on stderr
}

func exited(code int) string { return fmt.Sprint("exit ", code) }

// run runs a command line of this program as its user does, but for the process and the
// time: that is the drill's.
func (o *operator) run(ctx context.Context, args ...string) done {
	var out, said bytes.Buffer
	a := &app{Streams: Streams{In: strings.NewReader(""), Out: &out, Err: &said}, clock: o.sys.Clock}
	code := a.run(ctx, append(args, "-o", outputJSON))
	return done{code, out.String(), strings.TrimSpace(said.String())}
}

// file writes one of the operator's files.
func (o *operator) file(name string, raw []byte) (path string, err error) {
	path = filepath.Join(o.dir, name)
	return path, os.WriteFile(path, raw, 0o600)
}

// list writes a list of what is to be deleted as CSV.
func (o *operator) list(list []deletion.Asked) (path string, err error) {
	var raw bytes.Buffer
	w := csv.NewWriter(&raw)
	_ = w.Write(listColumns()) // into memory it cannot fail
	for _, asked := range list {
		_ = w.Write([]string{asked.ID, asked.Parent, asked.Name})
	}
	w.Flush()
	return o.file("list.csv", raw.Bytes())
}

func (o *operator) planByCommand(ctx context.Context, ask deletion.Ask) (out drill.Answer, err error) {
	file, err := o.list(ask.Targets)
	if err != nil {
		return out, err
	}
	done := o.run(ctx, "delete", "plan", "--data", o.data, "--kind", string(ask.Kind), "--file", file, "--expect", strconv.Itoa(ask.Expected),
		"--key", o.key, "--author", ask.Author, "--supplier", ask.Supplier, "--reason", ask.Reason, "--run", ask.Run.String())
	out.Code, out.Text = exited(done.code), done.said
	if done.code != exitOK {
		return out, nil
	}
	out.Plan, err = planIn([]byte(done.out))
	return out, err
}

// planIn is the plan in the answer to whoever has planned.
func planIn(raw []byte) (events.PlanID, error) {
	var d api.Deletion
	err := json.Unmarshal(raw, &d)
	return d.ID, err
}

func (o *operator) planByRequest(ctx context.Context, ask deletion.Ask) (out drill.Answer, err error) {
	if ask.ID, err = events.NewID[events.PlanID](uuid.NewV7); err != nil {
		return out, err
	}
	key, err := readKey(o.key)
	if err != nil {
		return out, err
	}
	ask.Signed.Issued = o.sys.Now()
	if ask.Signed, err = deletion.SignAsk(key, drill.Environment, ask); err != nil {
		return out, err
	}
	raw, err := json.Marshal(api.DeletionPlanRequest{
		ID: ask.ID, Kind: ask.Kind, Author: ask.Author, Supplier: ask.Supplier, Run: ask.Run, Reason: ask.Reason, Expected: ask.Expected,
		Targets: ask.Targets, Signed: ask.Signed,
	})
	if err != nil {
		return out, err
	}
	out, body, err := o.post(ctx, "/v1/deletions", "application/json", raw)
	if err == nil && out.Code == strconv.Itoa(http.StatusCreated) {
		out.Plan, err = planIn(body)
	}
	return out, err
}

// post makes a request with the operators' credential.
func (o *operator) post(ctx context.Context, path, media string, raw []byte) (out drill.Answer, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url+path, bytes.NewReader(raw))
	if err != nil {
		return out, nil, err
	}
	r.Header.Set("Content-Type", media)
	r.SetBasicAuth(o.sys.Admin.User, o.sys.Admin.Password)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return out, nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err = io.ReadAll(answer.Body)
	out.Code, out.Text = strconv.Itoa(answer.StatusCode), string(body)
	var p api.Problem
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		out.Text = fmt.Sprintf("%s (%s)", p.Detail, p.Code)
	}
	return out, body, err
}
