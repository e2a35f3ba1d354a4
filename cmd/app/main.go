// Command app is the RSOLV application: it serves the API and the site, keeps
// its schema up to date, and answers questions about the funnel.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // the image has no file system to read time zones from

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/worker"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// version is set by the linker.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	p := &program{
		stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv, now: time.Now,
		terminationLog: contract.TerminationLogPath,
	}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is one run of the command, with everything of the outside that it
// touches.
type program struct {
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	now            func() time.Time
	terminationLog string
	// started, when set, learns the addresses that serve listens on.
	started func(public, admin string)
}

const usage = `usage: app COMMAND [flags]

  serve            serve the API and the site
  preflight        find what keeps this version from serving here
  migrate          bring the database schema up to date, or verify it
  smoke-test       walk a customer through the running app
  funnel summary   print the conversion funnel
  funnel daily     print the funnel of each day
  funnel ordered   count persons by how far they come, in order and in time
  funnel timing    tell how long customers take between the stages
  funnel drop-off  tell where customers stall, and who
  funnel cohorts   tell how far the signups of each week come
  funnel sources   tell what comes of each source or campaign
  funnel journeys  list the way of each customer
  funnel export    write events as CSV or Parquet
  funnel dead-letters list, funnel dead-letters replay
                   list the events that the database refused, or try them again
  flags catalog    print the flags that this build knows, with a digest
  flags lint       check flags files and manifests against them
  flags diff       say what would change between two flags files
  flags import     declare another system's flags as FeatureFlags, with proof
  admin grant      give an account's keys the permission admin, and leave it out of the funnel
  billing parked   list Stripe's events that could not be processed, or try one again
  version          print the version

app COMMAND -h explains a command. The database is named by DATABASE_URL.
`

// usageError says that the command line or the environment is wrong: running
// the same again cannot help.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// run runs one command and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	var wrong *usageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		p.errorf("%v\n", err)
		return contract.ExitUsage
	default:
		p.errorf("%v\n", err)
		return contract.ExitFailed
	}
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	name := strings.Join(args[:min(1, len(args))], "")
	rest := args[min(1, len(args)):]
	if name == "funnel" {
		return p.funnel(ctx, rest)
	}
	if name == "admin" || name == "flags" || name == "billing" {
		name += " " + strings.Join(rest[:min(1, len(rest))], "")
		rest = rest[min(1, len(rest)):]
	}
	switch name {
	case contract.CommandServe:
		return p.serve(ctx, rest)
	case contract.CommandMigrate:
		return p.migrate(ctx, rest)
	case contract.CommandPreflight:
		return p.preflight(ctx, rest)
	case contract.CommandSmokeTest:
		return p.smokeTest(ctx, rest)
	case "flags catalog":
		return p.flagsCatalogue(rest)
	case "flags lint":
		return p.flagsLint(rest)
	case "flags diff":
		return p.flagsDiff(rest)
	case "flags import":
		return p.flagsImport(ctx, rest)
	case "admin grant":
		return p.adminGrant(ctx, rest)
	case "billing parked":
		return p.billingParked(ctx, rest)
	case worker.Command:
		return worker.Main(os.Stdin, os.Stdout)
	case "version":
		p.printf("%s\n", appVersion())
		return nil
	case "", "-h", "--help", "help":
		p.printf("%s", usage)
		return nil
	default:
		return usagef("unknown command %q\n\n%s", strings.TrimSpace(name), usage)
	}
}

// parse parses a command's flags, which take no further arguments.
func (p *program) parse(set *flag.FlagSet, args []string) error {
	set.SetOutput(p.stderr)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usagef("%s: see app %s -h", set.Name(), set.Name()) // the flag package printed the reason
	case set.NArg() > 0:
		return usagef("%s takes no argument, got %q", set.Name(), set.Arg(0))
	default:
		return nil
	}
}

func (p *program) getenv(name string) string {
	value, _ := p.lookupEnv(name)
	return value
}

func (p *program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stdout, format, args...) // nowhere left to complain
}

func (p *program) errorf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stderr, format, args...) // nowhere left to complain
}

func appVersion() string {
	if version != "" {
		return version
	}
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" && build.Main.Version != "(devel)" {
		return build.Main.Version
	}
	return "dev"
}
