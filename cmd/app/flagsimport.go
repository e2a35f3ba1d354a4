package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/flagimport"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// flagsImport declares another system's flags as FeatureFlags. It reads, and
// changes nothing.
func (p *program) flagsImport(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("flags import", flag.ContinueOnError)
	from := set.String("from", "", "fun-with-flags, with the URL of its database, or flagd, with a FILE (required)")
	name := set.String("app", "rsolv", "name of the RsolvDeployment whose flags they become")
	conflict := set.String("on-conflict", "", "enabled or disabled: what counts where rows contradict each other; such flags are left out without it")
	actors := set.String("actors", "", "file with further actors for the proof, one a line, followed by the actor's groups")
	proof := set.String("proof", "", "file to write every compared answer to, as CSV")
	const usage = "app flags import --from fun-with-flags|flagd [--app NAME] [--actors FILE] [--proof FILE] DATABASE_URL|FILE\n" +
		"without DATABASE_URL on the command line, where others see it, the variable of that name is used"
	rest, err := p.parseFiles(set, args, 0, 1, usage)
	if err != nil {
		return err
	}
	if *conflict != "" && *conflict != "enabled" && *conflict != "disabled" {
		return usagef("flags import: --on-conflict is %q: use enabled or disabled", *conflict)
	}
	known, err := readActors(*actors)
	if err != nil {
		return err
	}
	var result flagimport.Result
	switch *from {
	case "fun-with-flags":
		result, err = p.importToggles(ctx, *name, rest, *conflict, known)
	case "flagd":
		result, err = importFlagd(*name, rest, known)
	default:
		return usagef("flags import: --from is %q: use fun-with-flags or flagd", *from)
	}
	if err != nil {
		return err
	}
	if err := writeProof(*proof, &result); err != nil {
		return err
	}
	if err := result.WriteYAML(p.stdout, *name); err != nil {
		return fmt.Errorf("flags import: %w", err)
	}
	return p.importVerdict(&result)
}

// importVerdict fails when something is not as it was.
func (p *program) importVerdict(result *flagimport.Result) error {
	for _, problem := range result.Problems {
		p.errorf("%s is not imported: %s\n", problem.Flag, problem.What)
	}
	different := len(result.Proof.Different())
	switch {
	case different > 0:
		return fmt.Errorf("flags import: %d answers are not those of the original; the table before the flags names them", different)
	case len(result.Problems) > 0:
		return fmt.Errorf("flags import: %d flags are left out", len(result.Problems))
	default:
		return nil
	}
}

func (p *program) importToggles(ctx context.Context, app string, rest []string, conflict string, known []flagimport.Subject) (flagimport.Result, error) {
	url := strings.Join(rest, "")
	if url == "" {
		var err error
		if url, err = p.databaseURL(); err != nil {
			return flagimport.Result{}, err
		}
	}
	toggles, err := flagimport.ReadToggles(ctx, url)
	if err != nil {
		return flagimport.Result{}, fmt.Errorf("flags import: %s", postgres.Redact(err))
	}
	if len(toggles) == 0 {
		return flagimport.Result{}, fmt.Errorf("flags import: fun_with_flags_toggles is empty: is this the database of the original, as %s?", contract.EnvDatabaseURL)
	}
	return flagimport.FunWithFlags(app, toggles, conflict, known), nil
}

func importFlagd(app string, rest []string, known []flagimport.Subject) (flagimport.Result, error) {
	if len(rest) != 1 {
		return flagimport.Result{}, usagef("flags import: --from flagd needs a FILE")
	}
	content, err := readFlagsFile(rest[0])
	if err != nil {
		return flagimport.Result{}, err
	}
	result, err := flagimport.Flagd(app, content, known)
	if err != nil {
		return result, fmt.Errorf("flags import: %s: %w", rest[0], err)
	}
	return result, nil
}

// readActors reads an actor and its groups from each line.
func readActors(name string) ([]flagimport.Subject, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name) //nolint:gosec // the file is whichever the user names
	if err != nil {
		return nil, usagef("%v", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	var known []flagimport.Subject
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 0 {
			known = append(known, flagimport.Subject{Actor: fields[0], Groups: fields[1:]})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return known, nil
}

func writeProof(name string, result *flagimport.Result) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name) //nolint:gosec // the file is whichever the user names
	if err != nil {
		return usagef("%v", err)
	}
	if err := result.Proof.WriteCSV(file); err != nil {
		_ = file.Close() // the first error is the one to tell
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
