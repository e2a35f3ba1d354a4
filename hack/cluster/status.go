package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
)

// statusCommand prints one line a component. The exit code is 1 unless all is well.
func statusCommand(ctx context.Context, c *cluster, _ []string) error {
	if !c.exists() {
		fmt.Println("no cluster: run the command up")
		return exitError(1)
	}
	if err := requireRoot(); err != nil {
		return err
	}
	t, _ := findTools() // a missing tool shows as a component that is down
	all := c.components(t)
	wrong := examine(ctx, c.checks(all))
	rows := []string{"NAME\tPID\tSTATE\tMEMORY"}
	for _, comp := range all {
		pid, memory := "-", "-"
		if who, ok := c.running(comp.name); ok {
			pid = fmt.Sprint(who.pid)
			if s, err := c.proc.stat(who.pid); err == nil {
				memory = fmt.Sprintf("%d MiB", s.pages*int64(os.Getpagesize())>>20)
			}
		}
		rows = append(rows, strings.Join([]string{comp.name, pid, stateOf(wrong[comp.name]), memory}, "\t"))
	}
	for _, name := range []string{"network", "node", "services"} {
		rows = append(rows, strings.Join([]string{name, "-", stateOf(wrong[name]), "-"}, "\t"))
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, err := table.Write([]byte(strings.Join(rows, "\n") + "\n"))
	if err := errors.Join(err, table.Flush()); err != nil {
		return fmt.Errorf("printing the status: %w", err)
	}
	fmt.Printf("kubeconfig %s\n", c.adminKubeconfig())
	if len(wrong) > 0 {
		return exitError(1)
	}
	return nil
}

func stateOf(err error) string {
	if err == nil {
		return "up"
	}
	return "down: " + strings.ReplaceAll(err.Error(), "\n", " ")
}

// envCommand prints lines for a shell. It holds the database password, which
// only root can read.
func envCommand(_ context.Context, c *cluster, _ []string) error {
	if !c.exists() {
		return errors.New("the cluster is not up: run the command up first")
	}
	address, err := c.databaseURL()
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\n", c.adminKubeconfig())
	fmt.Printf("export PATH=%s:\"$PATH\"\n", shellQuote(binaryDir(c.cache)))
	fmt.Printf("export RSOLV_DATABASE_URL=%s\n", shellQuote(address))
	fmt.Printf("export RSOLV_NODE_IP=%s\n", c.settings.NodeIP)
	// Clients on this machine must not ask a proxy for the cluster's addresses.
	own := strings.Join([]string{c.settings.NodeIP, c.settings.ServiceCIDR, c.settings.PodCIDR}, ",")
	fmt.Printf("export NO_PROXY=\"${NO_PROXY:+$NO_PROXY,}%s\"\n", own)
	return nil
}

func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
