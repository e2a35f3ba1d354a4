package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// get asks a server of this cluster and returns the body of a 200.
func (c *cluster) get(ctx context.Context, url string) ([]byte, error) {
	client, err := newClient(c.path("pki"))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return body, nil
}

func (c *cluster) answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.get(ctx, url)
		return err
	}
}

// nodeReady asks the API server whether the node takes pods.
func (c *cluster) nodeReady(ctx context.Context) error {
	body, err := c.get(ctx, c.apiURL()+"/api/v1/nodes/"+nodeName)
	if err != nil {
		return err
	}
	return parseNodeReady(body)
}

func parseNodeReady(body []byte) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return fmt.Errorf("reading the node: %w", err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		if condition.Status == "True" {
			return nil
		}
		return fmt.Errorf("the node is not ready: %s", condition.Message)
	}
	return errors.New("the node has not reported yet")
}

// serviceAnswers reaches the API server by its cluster address, which only the
// rules of kube-proxy make work.
func (c *cluster) serviceAnswers(ctx context.Context) error {
	_, err := c.get(ctx, "https://"+c.settings.serviceIP()+"/readyz")
	return err
}

// accountReady asks for the account that pods of the default namespace run as;
// without it they are refused.
func (c *cluster) accountReady(ctx context.Context) error {
	_, err := c.get(ctx, c.apiURL()+"/api/v1/namespaces/default/serviceaccounts/default")
	return err
}

// check is one question about the cluster's health.
type check struct {
	name string
	ask  func(context.Context) error
}

// checks lists everything that must hold for the cluster to be well.
func (c *cluster) checks(all []component) []check {
	var list []check
	for _, comp := range all {
		list = append(list, check{comp.name, func(ctx context.Context) error {
			if _, ok := c.running(comp.name); !ok {
				return errors.New("not running")
			}
			return comp.ready(ctx)
		}})
	}
	return append(list,
		check{"network", c.networkIntact},
		check{"node", c.nodeReady},
		check{"services", c.serviceAnswers},
	)
}

// examine asks all questions at once and returns what is wrong, by name.
func examine(ctx context.Context, list []check) map[string]error {
	var (
		mu    sync.Mutex
		wait  sync.WaitGroup
		wrong = map[string]error{}
	)
	for _, question := range list {
		wait.Go(func() {
			if err := attempt(ctx, question.ask, 3*time.Second); err != nil {
				mu.Lock()
				defer mu.Unlock()
				wrong[question.name] = err
			}
		})
	}
	wait.Wait()
	return wrong
}

// waitFor repeats a check until it holds.
func waitFor(ctx context.Context, what string, patience time.Duration, ask func(context.Context) error) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		last := attempt(ctx, ask, oneTry)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if outer.Err() != nil {
				return context.Cause(outer)
			}
			return fmt.Errorf("%s after %s: %w", what, patience, last)
		case <-time.After(pollEvery):
		}
	}
}
