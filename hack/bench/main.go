// Command bench runs the benchmarks that stand behind the figures and prints
// one line a figure: name, value, unit, and where a peer or a limit was
// measured in the same run, that too, with the ratio of the two.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
)

// figure is one line of the output.
type figure struct {
	name      string
	pkg       string
	benchmark string
	metric    string  // as the benchmark reports it, such as ns/op
	scale     float64 // from the metric's unit to the printed one
	unit      string
	// peer is a benchmark of the same package to stand beside, if any.
	peer     string
	peerName string
	// cluster is, for a figure that needs a cluster, the stories of test/e2e
	// that print it; benchmark and pkg are as for the others.
	cluster string
}

// figures are printed in this order; each room keeps its own list, in a file
// named after it.
var figures = slices.Concat(alertFigures, apiFigures, flagFigures, funnelFigures, rolloutFigures, analysisFigures)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stop only resets signal handling, which ends with the program
	}
}

func run(ctx context.Context) error {
	measured := map[string]result{}
	for _, f := range figures {
		if _, done := measured[f.pkg]; done {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", f.pkg)
		r, err := f.measure(ctx)
		if err != nil {
			return err
		}
		measured[f.pkg] = r
	}
	for _, f := range figures {
		if f.cluster != "" && measured[f.pkg] == nil {
			fmt.Println(f.name, "not measured: no cluster is up (make cluster-up, or set KUBECONFIG)")
			continue
		}
		line, err := f.line(measured[f.pkg])
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return nil
}

// result maps a benchmark's name to its metrics.
type result map[string]map[string]float64

func clusterUp(ctx context.Context) bool {
	return os.Getenv("KUBECONFIG") != "" || exec.CommandContext(ctx, "go", "run", "./hack/cluster", "status").Run() == nil
}

// measure returns nil for a figure that needs a cluster where none is up.
func (f figure) measure(ctx context.Context) (result, error) {
	if f.cluster == "" {
		return measure(ctx, f.pkg)
	}
	if !clusterUp(ctx) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "e2e", "-count", "1", "-timeout", "20m", "-v", "-run", f.cluster, f.pkg) //nolint:gosec // packages of the table above
	cmd.Env = append(os.Environ(), "RSOLV_BENCH=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("measuring in a cluster: %w\n%s", err, out)
	}
	return parse(out), nil
}

func measure(ctx context.Context, pkg string) (result, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-timeout", "30m", "-run", "^$", "-bench", ".", "-benchmem", pkg) //nolint:gosec // packages of the table above
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w\n%s", pkg, err, out)
	}
	return parse(out), nil
}

// parse reads the lines of `go test -bench`: name-procs, iterations, then
// pairs of value and metric.
func parse(out []byte) result {
	r := result{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(fields[0], "-")
		r[name] = map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r[name][fields[i+1]] = value
			}
		}
	}
	return r
}

func (f figure) line(r result) (string, error) {
	own, ok := r[f.benchmark][f.metric]
	if !ok {
		return "", fmt.Errorf("%s in %s reported no %s", f.benchmark, f.pkg, f.metric)
	}
	line := fmt.Sprintf("%s %.4g %s", f.name, own*f.scale, f.unit)
	if f.peer == "" {
		return line, nil
	}
	peer, ok := r[f.peer][f.metric]
	if !ok {
		return "", fmt.Errorf("%s in %s reported no %s", f.peer, f.pkg, f.metric)
	}
	if peer == 0 { // a share may be none at all
		return fmt.Sprintf("%s | %s 0 %s", line, f.peerName, f.unit), nil
	}
	return fmt.Sprintf("%s | %s %.4g %s | %.3g", line, f.peerName, peer*f.scale, f.unit, own/peer), nil
}
