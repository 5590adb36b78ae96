package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/deletion/people"
)

// TestReadmeTour runs every command of the README's tour, in one shell, as a
// reader would; each must succeed. Only three things differ: the program is this
// test binary, it picks its ports, and so the health check is another.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tour, found := strings.Cut(string(readme), "\n## A tour")
	if !found {
		t.Fatal("README.md has no tour")
	}
	var script strings.Builder
	script.WriteString("set -emo pipefail\n")
	commands := 0
	for _, line := range fenced(tour) {
		if strings.HasPrefix(line, "go build ") {
			continue
		}
		if strings.Contains(line, "./catalogue") {
			commands++
		}
		script.WriteString(strings.ReplaceAll(line, "http://127.0.0.1:8080/readyz", people.Well()) + "\n")
	}
	if commands < 15 {
		t.Fatalf("only %d commands were found in the tour", commands)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("#!/bin/sh\nexport %s=1\nif [ \"$1\" = serve ]; then set -- \"$@\" --nats-listen 127.0.0.1:0 --http 127.0.0.1:0; fi\nexec %q \"$@\"\n", asMain, self)
	if err := os.WriteFile(filepath.Join(dir, "catalogue"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir = dir
	shell.WaitDelay = 5 * time.Second
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"labs.acme.example.net", "2 tenants", "deleted"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not show %q:\n%s", want, out)
		}
	}
	t.Logf("%s", out)
}

// fenced gives the lines of the shell blocks.
func fenced(markdown string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "```sh":
			inside = true
		case line == "```":
			inside = false
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}
