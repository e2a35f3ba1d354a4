// Command manager is the operator. `manager run` reconciles in a cluster;
// `manager render` prints, without one, what would be applied,
// `manager routes` who would be told of which alert, and `manager backtest`
// what the alerts would have done in the past.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
)

// version is set by the linker.
var version = "dev"

const usage = `manager: the rsolv operator

  manager run      [--namespaces=a,b] [--leader-elect] …  reconcile in a cluster (the default)
  manager render   -f FILE…                               print what would be applied
  manager routes   -f FILE… [severity=critical …]         say who would be told of which alert
  manager backtest -f FILE… --prometheus URL              say what the alerts would have done
  manager flags diff -f FILE…                             say what flags would change for those asked about lately
  manager version

'manager COMMAND -h' lists a command's flags.
`

func main() {
	err := dispatch(os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func dispatch(args []string, stdin io.Reader, stdout io.Writer) error {
	command := "run"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "run":
		return run(ctrl.SetupSignalHandler(), args)
	case "render":
		return renderCommand(args, stdin, stdout)
	case "routes":
		return routesCommand(args, stdin, stdout)
	case "backtest":
		return backtestCommand(ctrl.SetupSignalHandler(), args, stdin, stdout, time.Now())
	case "flags":
		if len(args) == 0 || args[0] != "diff" {
			return errors.New("usage: manager flags diff -f FILE…")
		}
		return flagsDiffCommand(ctrl.SetupSignalHandler(), args[1:], stdin, stdout)
	case "version":
		_, err := fmt.Fprintln(stdout, version)
		return err
	default:
		return fmt.Errorf("unknown command %q\n\n%s", command, usage)
	}
}
