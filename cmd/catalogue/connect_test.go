package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// TestOperatorsOnly asks what only operators may, as a service: the server
// refuses the subject and answers nothing, and the command must not wait.
func TestOperatorsOnly(t *testing.T) {
	t.Parallel()
	c, err := startChild(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, stderr bytes.Buffer
	code := Main(ctx, []string{"restore", "list", "--server", c.NATS}, Streams{Out: &out, Err: &stderr})
	if code != exitRefused || !strings.Contains(stderr.String(), "only an operator") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}
