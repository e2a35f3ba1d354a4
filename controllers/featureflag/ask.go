package featureflag

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const (
	// askTimeout is how long a pod has to say what it runs.
	askTimeout = time.Second
	// answerLimit bounds what is read of a pod's answer, in bytes.
	answerLimit = 4 << 20
)

// Asker asks the pods of an app, one by its IP, what they run and what they
// were asked for.
type Asker interface {
	// Status tells which flags a pod runs.
	Status(ctx context.Context, ip string) (contract.FlagsStatus, error)
	// Usage tells what a pod was asked for.
	Usage(ctx context.Context, ip string) (contract.FlagsUsage, error)
}

// NewAsker asks over HTTP, on a port of the pods that is never public.
func NewAsker(port int) Asker {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: askTimeout}).DialContext,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * time.Minute, Proxy: nil,
	}
	return &asker{port: strconv.Itoa(port), client: &http.Client{Transport: transport, Timeout: askTimeout}}
}

type asker struct {
	port   string
	client *http.Client
}

func (a *asker) Status(ctx context.Context, ip string) (status contract.FlagsStatus, err error) {
	return status, a.ask(ctx, ip, contract.FlagsStatusPath, &status)
}

func (a *asker) Usage(ctx context.Context, ip string) (usage contract.FlagsUsage, err error) {
	return usage, a.ask(ctx, ip, contract.FlagsUsagePath, &usage)
}

func (a *asker) ask(ctx context.Context, ip, path string, into any) error {
	address := net.JoinHostPort(ip, a.port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking %s: %w", address, err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", address, cause(err))
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answers %s", address, path, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerLimit)).Decode(into); err != nil {
		return fmt.Errorf("%s%s does not answer in JSON: %w", address, path, err)
	}
	return nil
}

// cause leaves out what changes from one attempt to the next, such as the
// local port: it ends in a condition.
func cause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if wrapped, ok := errors.AsType[net.Error](err); ok && wrapped.Timeout() {
		return errors.New("no answer in time")
	}
	if wrapped, ok := errors.AsType[*net.OpError](err); ok {
		return wrapped.Err
	}
	return err
}
