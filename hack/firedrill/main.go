// Command firedrill makes every alert of the API, the database and the webhooks
// fire in the local cluster: it drives load and faults at the real app, and
// prints for each alert when it fired, who was told by mail, and which alert
// another one kept quiet. The times of the sample baselines are divided by
// -factor, so that it takes minutes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/drill"
	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fire drill failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	factor := flag.Int("factor", 60, "divide the times of the baseline by this")
	flag.Parse()
	if *factor < 1 {
		return fmt.Errorf("-factor is %d: times are divided by at least 1", *factor)
	}
	cluster, err := harness.Find(ctx, ".", os.Stderr)
	if err != nil {
		return err
	}
	if err := cluster.Images(ctx, os.Stderr); err != nil {
		return err
	}
	if err := cluster.Install(ctx, os.Stderr); err != nil {
		return err
	}
	d := &drill.Drill{Cluster: cluster, Factor: *factor, Out: os.Stdout, Now: time.Now}
	return d.Run(ctx)
}
