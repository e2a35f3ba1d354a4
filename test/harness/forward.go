package harness

import (
	"bufio"
	"context"
	"fmt"
	"regexp"
	"time"
)

var forwarding = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)

// Forward makes a port of a Service, or of a pod, reachable from here, as
// `kubectl port-forward` does, and returns its base URL. stop ends it.
func (c *Cluster) Forward(ctx context.Context, target string, port int) (url string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := c.command(ctx, c.kubectl, "-n", Namespace, "port-forward", target, fmt.Sprintf(":%d", port))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forwarding to %s: %w", target, err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, fmt.Errorf("forwarding to %s: %w", target, err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // it was told to stop: how it says so does not matter
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() { // on to the end, so that kubectl never blocks on a full pipe
			if match := forwarding.FindStringSubmatch(lines.Text()); match != nil {
				select {
				case found <- "http://127.0.0.1:" + match[1]:
				default:
				}
			}
		}
		close(found)
	}()
	select {
	case url, ok := <-found:
		if ok {
			return url, stop, nil
		}
	case <-time.After(15 * time.Second):
	}
	stop()
	return "", nil, fmt.Errorf("kubectl port-forward %s did not start", target)
}
