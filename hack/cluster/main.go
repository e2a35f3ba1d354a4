// Command cluster runs a real one-node Kubernetes cluster, and a PostgreSQL
// server that its pods can reach, on a bare Linux machine: no container engine
// and no image registry are needed, only Go, root and Debian's packages. It is
// a tool for development and tests, never for production.
//
// Everything it starts it can stop: processes are known by id and start time,
// rules and addresses by name, and what the machine looked like before is
// written down. See docs/local-cluster.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: go run ./hack/cluster COMMAND

  up                  start the cluster, or check and repair the one that runs
  down                stop it and remove every trace
  status              one line a component; exit code 1 unless all is well
  monitoring          start prometheus-operator, Prometheus, Alertmanager and the
                      blackbox exporter in it, or check those that run
  check               run a pod that reaches the API server, PostgreSQL and itself
  env                 shell lines: eval "$(go run ./hack/cluster env)"
  load IMAGE.tar…     import image tar files (OCI layout or docker save)
  binaries [NAME…]    build the Kubernetes binaries into the cache
  binaries --print-dir
                      print the folder they lie in, and build nothing
  psql [ARGS…]        psql in the cluster's database
  postgres-stop       stop the PostgreSQL server, as in an outage
  postgres-start      start it again
  apiserver-stop      stop the API server, as in an outage; up starts it again
  pin MODULE VERSION  renew a module of hack/cluster/modules for a version

settings, from the environment (see docs/local-cluster.md):
`

func main() { os.Exit(exitCode()) }

func exitCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintln(os.Stderr, "cluster:", err)
	return 1
}

// exitError ends the program with a code and no message of its own.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		printUsage(os.Stderr)
		if len(args) == 0 {
			return exitError(2)
		}
		return nil
	}
	// Administration tools lie where a plain user's PATH does not reach.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return fmt.Errorf("extending PATH: %w", err)
	}
	keepToOurselves()
	clock := time.Now //nolint:forbidigo // the one clock of this program; everything below is given it
	out := &progress{out: os.Stderr, now: clock, began: clock(), terminal: isTerminal(os.Stderr)}
	name, rest := args[0], args[1:]
	switch name {
	case "binaries":
		return binariesCommand(ctx, out, rest)
	case "pin":
		return pin(ctx, out, rest)
	}
	command, known := map[string]func(context.Context, *cluster, []string) error{
		"up":             upCommand,
		"down":           downCommand,
		"status":         statusCommand,
		"check":          checkCommand,
		"monitoring":     monitoringCommand,
		"env":            envCommand,
		"load":           loadCommand,
		"psql":           psqlCommand,
		"postgres-stop":  postgresStopCommand,
		"postgres-start": postgresStartCommand,
		"apiserver-stop": apiserverStopCommand,
	}[name]
	if !known {
		printUsage(os.Stderr)
		return fmt.Errorf("unknown command %q", name)
	}
	c, err := newCluster(out)
	if err != nil {
		return err
	}
	return command(ctx, c, rest)
}

func printUsage(out io.Writer) {
	_, _ = io.WriteString(out, usage) // nowhere to report a closed terminal
	for _, s := range settingsTable {
		_, _ = fmt.Fprintf(out, "  %-34s %s (%s)\n", s.env, s.about, s.fallback)
	}
	_, _ = fmt.Fprintf(out, "  %-34s %s\n", cacheEnv, "folder of the built binaries (~/.cache/rsolv-operator)")
}
