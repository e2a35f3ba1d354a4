// Command demo takes a machine from nothing to a running app in a real
// cluster, shows what the three kinds of resource become, and checks each step
// as it goes. `demo down` removes what it made.
//
// With KUBECONFIG set it uses that cluster; see the message that it prints when
// it lacks something. A run ends with the line "demo ok: …", or names the step
// that failed and exits with 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{out: os.Stdout, colour: isTerminal(os.Stdout), now: time.Now}
	var err error
	switch {
	case len(os.Args) == 1:
		err = d.up(ctx)
	case len(os.Args) == 2 && os.Args[1] == "down":
		err = d.down(ctx)
	default:
		err = errors.New("usage: go run ./hack/demo [down]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, d.paint(red, "demo failed: ")+err.Error())
		os.Exit(1) //nolint:gocritic // stop only resets signal handling, which ends with the program
	}
}

// demo is one run: what it talks to, and what later steps need from earlier
// ones.
type demo struct {
	out    io.Writer
	colour bool
	now    func() time.Time

	cluster    *harness.Cluster
	monitoring harness.Monitoring
	applied    []string // the samples, as kind.group/name
	base       string   // URL of the app
	admin      customer // may read the funnel
	closers    []func()
	notes      bytes.Buffer // output of quiet tools, shown when a step fails
}

type step struct {
	title string
	run   func(*demo, context.Context) error
}

var steps = []step{
	{"A cluster", (*demo).findCluster},
	{"Both images, built and loaded", (*demo).buildImages},
	{"The operator, from dist/install.yaml", (*demo).installOperator},
	{"Prometheus and Alertmanager, run by prometheus-operator", (*demo).startMonitoring},
	{"A database and secrets", (*demo).makeSecrets},
	{"The samples: three kinds of resource", (*demo).applySamples},
	{"kubectl get rd,ff,ab", (*demo).showKinds},
	{"A flag, flipped while the app runs", (*demo).flipFlag},
	{"Visitors walk the funnel", (*demo).walkFunnel},
	{"The alert rules, checked by promtool", (*demo).checkRules},
	{"The alert rules, run by Prometheus", (*demo).showLoaded},
	{"A dashboard for Grafana", (*demo).showDashboard},
	{"A wrong flag name is refused", (*demo).refuseFlagName},
	{"A placeholder secret holds the rollout", (*demo).holdPlaceholder},
}

func (d *demo) up(ctx context.Context) error {
	began := d.now()
	defer func() {
		for _, closeIt := range d.closers {
			closeIt()
		}
	}()
	for i, s := range steps {
		d.print("\n%s\n", d.paint(bold, fmt.Sprintf("[%d/%d] %s", i+1, len(steps), s.title)))
		from := d.now()
		d.notes.Reset()
		if err := s.run(d, ctx); err != nil {
			if d.notes.Len() > 0 {
				d.print("%s\n", d.notes.Bytes())
			}
			return fmt.Errorf("step %d, %s: %w", i+1, s.title, err)
		}
		d.ok("done in " + seconds(d.now().Sub(from)))
	}
	d.print("\n%s\n", d.paint(green, fmt.Sprintf("demo ok: %d steps in %s", len(steps), seconds(d.now().Sub(began)))))
	if d.cluster.Local {
		d.print("\nIt is all still running. Look around:\n" +
			"  eval \"$(go run ./hack/cluster env)\"\n" +
			"  kubectl -n rsolv-production get rd,ff,ab,pods\n" +
			"  kubectl -n rsolv-production port-forward svc/rsolv 8080:80\n" +
			"and then: make demo-down\n")
	}
	return nil
}

// down removes the whole local cluster, or only the operator from a given one.
func (d *demo) down(ctx context.Context) error {
	d.cluster = &harness.Cluster{Root: "."}
	if harness.Given() != "" {
		return d.leaveGiven(ctx)
	}
	return d.cluster.Tool(ctx, d.out, "go", "run", "./hack/cluster", "down")
}

const (
	bold  = "\033[1m"
	dim   = "\033[2m"
	green = "\033[32m"
	red   = "\033[31m"
	cyan  = "\033[36m"
	reset = "\033[0m"
)

func (d *demo) paint(code, text string) string {
	if !d.colour {
		return text
	}
	return code + text + reset
}

// print writes to the terminal; a terminal that went away stops nothing.
func (d *demo) print(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format, args...) }

func (d *demo) ok(text string)  { d.print("  %s %s\n", d.paint(green, "ok"), text) }
func (d *demo) say(text string) { d.print("  %s\n", text) }
func (d *demo) ran(text string) { d.print("  %s %s\n", d.paint(dim, "$"), d.paint(cyan, text)) }

func seconds(took time.Duration) string { return fmt.Sprintf("%.1fs", took.Seconds()) }

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("CI") != "true"
}
