package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// checkTime is how long a health check may take to answer.
const checkTime = 10 * time.Second

// maxCheck bounds the answer of a health check that is read.
const maxCheck = 4 << 10

// CheckRequest is what a health check is asked, over NATS as JSON, over HTTP as
// parameters: whether all is well after a wave; 0: before the first one.
type CheckRequest struct {
	Plan events.PlanID `json:"plan"`
	Wave int           `json:"wave"`
}

// CheckAnswer is a health check's answer over NATS. Over HTTP the status says it: any of
// 200 to 299 is well, and the beginning of the body is the detail.
type CheckAnswer struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitzero"` // what is not well
}

// check asks one health check of the policy.
func (s *System) check(ctx context.Context, check string, id events.PlanID, wave int) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	ask := CheckRequest{Plan: id, Wave: wave}
	if subject, ok := strings.CutPrefix(check, "nats:"); ok {
		return s.checkNATS(ctx, subject, ask)
	}
	return checkHTTP(ctx, check, ask)
}

func (s *System) checkNATS(ctx context.Context, subject string, ask CheckRequest) error {
	raw, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	conn, err := s.Bus.GateConn()
	if err != nil {
		return fmt.Errorf("%w: %w", deletion.ErrSilent, err)
	}
	defer conn.Close()
	m, err := conn.RequestWithContext(ctx, subject, raw)
	if err != nil {
		return fmt.Errorf("%w: %w", deletion.ErrSilent, err)
	}
	var answer CheckAnswer
	if err := json.Unmarshal(m.Data[:min(len(m.Data), maxCheck)], &answer); err != nil {
		return fmt.Errorf("the answer is not {\"ok\": …}: %w", err)
	}
	if !answer.OK {
		return errors.New("it answers: " + answer.Detail)
	}
	return nil
}

// checkClient follows no redirect: what answers must be what was asked.
var checkClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func checkHTTP(ctx context.Context, check string, ask CheckRequest) (err error) {
	address, err := url.Parse(check)
	if err != nil {
		return err
	}
	query := address.Query()
	query.Set("plan", ask.Plan.String())
	query.Set("wave", strconv.Itoa(ask.Wave))
	address.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	answer, err := checkClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", deletion.ErrSilent, err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	detail, err := io.ReadAll(io.LimitReader(answer.Body, maxCheck))
	if err != nil {
		return fmt.Errorf("%w: %w", deletion.ErrSilent, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("it answers %s: %s", answer.Status, detail)
	}
	return nil
}
