package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
)

// routesCommand says who would be told of the alerts that have the given
// labels. Where Alertmanager's amtool is installed it walks the same routes,
// and a difference is an error.
func routesCommand(args []string, stdin io.Reader, stdout io.Writer) error {
	var files fileList
	flags := flag.NewFlagSet("manager routes", flag.ContinueOnError)
	flags.Var(&files, "f", "`file` or folder with declarations, - for standard input; may be repeated")
	namespace := flags.String("namespace", manifest.DefaultNamespace, "namespace of objects that name none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := parseLabels(flags.Args())
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no routes to walk: name files with -f, or - for standard input")
	}
	validator, err := admission.New(crd.Bases)
	if err != nil {
		return err
	}
	var set manifest.Set
	var errs []error
	for _, file := range files {
		errs = append(errs, loadFile(context.Background(), &set, validator, file, *namespace, stdin))
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	printRow(table, []string{"BASELINE", "ALERT", "SEVERITY", "COMPONENT", "RECEIVER", "TOLD BY", "FIRST AFTER", "AGAIN AFTER"})
	rows := 0
	for _, baseline := range set.Baselines {
		found, err := walkRoutes(table, baseline, wanted)
		rows += found
		errs = append(errs, err)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the routes: %w", err)
	}
	if rows == 0 && errors.Join(errs...) == nil {
		errs = append(errs, fmt.Errorf("no alert has the labels %s", strings.Join(flags.Args(), " ")))
	}
	return errors.Join(errs...)
}

// parseLabels reads name=value, with commas or spaces between.
func parseLabels(args []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, arg := range args {
		for pair := range strings.SplitSeq(arg, ",") {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" {
				return nil, fmt.Errorf("%q is no label: write name=value, for example severity=critical", pair)
			}
			labels[name] = value
		}
	}
	return labels, nil
}

// walkRoutes prints a row for each receiver of each alert of the baseline that
// has the wanted labels, and counts the alerts.
func walkRoutes(out io.Writer, baseline *v1alpha1.AlertBaseline, wanted map[string]string) (int, error) {
	name := baseline.Namespace + "/" + baseline.Name
	plan, routed := routing.Plan{}, baseline.Spec.Routing != nil
	if routed {
		var problem *routing.Problem
		if plan, problem = routing.Make(baseline, nil); problem != nil {
			return 0, fmt.Errorf("AlertBaseline %s: %w", name, problem)
		}
	}
	found := 0
	for _, alert := range routing.Alerts(alerts.Rules(baseline, time.Now()).Groups) {
		if !hasLabels(alert, wanted) {
			continue
		}
		found++
		row := []string{name, alert["alertname"], alert["severity"], alert["component"]}
		if !routed {
			printRow(out, row, "-", "Alertmanager's own routes: the baseline has no routing", "", "")
			continue
		}
		told := plan.Told(alert)
		if len(told) == 0 {
			printRow(out, row, "-", "nobody", "", "")
		}
		for _, route := range told {
			grouping := plan.Grouped(route)
			printRow(out, row, route.Name, strings.Join(route.Ways(), ", "), string(grouping.GroupWait), string(grouping.RepeatEvery))
		}
		if err := askAmtool(baseline, plan, alert); err != nil {
			return found, fmt.Errorf("AlertBaseline %s: %w", name, err)
		}
	}
	return found, nil
}

func hasLabels(alert, wanted map[string]string) bool {
	for name, value := range wanted {
		if alert[name] != value {
			return false
		}
	}
	return true
}

func printRow(out io.Writer, cells []string, more ...string) {
	_, _ = fmt.Fprintln(out, strings.TrimRight(strings.Join(append(cells, more...), "\t"), "\t")) // flushed later, which reports
}

// askAmtool compares a walk with that of Alertmanager's own code.
func askAmtool(baseline *v1alpha1.AlertBaseline, plan routing.Plan, alert map[string]string) error {
	tool, err := exec.LookPath("amtool")
	if err != nil {
		return nil // the walk is tested against amtool; this is a second look where it can be had
	}
	dir, err := os.MkdirTemp("", "manager-routes")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder in the machine's own temporary space
	content, _, _ := unstructured.NestedString(routing.ConfigMap(baseline, plan).Object, "data", routing.ConfigKey)
	file := filepath.Join(dir, routing.ConfigKey)
	if err := os.WriteFile(file, []byte(routing.WithGlobalMail(content)), 0o600); err != nil {
		return err // the error names operation and file
	}
	args := []string{"config", "routes", "test", "--config.file=" + file}
	for name, value := range alert {
		args = append(args, name+"="+value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, tool, args...) //nolint:gosec // the tool of the user's PATH
	var stderr bytes.Buffer
	command.Stderr = &stderr
	answer, err := command.Output()
	if err != nil {
		return fmt.Errorf("amtool: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	if got, want := strings.TrimSpace(string(answer)), strings.Join(plan.Receivers(alert), ","); got != want {
		return fmt.Errorf("amtool leads %s to %s, and this program to %s: please report it", alert["alertname"], got, want)
	}
	return nil
}
