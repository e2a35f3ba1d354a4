package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// flagsCatalogue prints the flags that this build knows.
func (p *program) flagsCatalogue(args []string) error {
	set := flag.NewFlagSet("flags catalog", flag.ContinueOnError)
	digest := set.Bool("digest", false, "print the digest alone")
	if err := p.parse(set, args); err != nil {
		return err
	}
	if *digest {
		p.printf("%s\n", flags.CatalogueDigest())
		return nil
	}
	document := struct {
		Digest string          `json:"digest"`
		Flags  json.RawMessage `json:"flags"`
	}{Digest: flags.CatalogueDigest()}
	if err := json.Unmarshal(flags.Manifest(), &document); err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("printing the catalogue: %w", err)
	}
	return nil
}

// flagsLint checks files against the catalogue.
func (p *program) flagsLint(args []string) error {
	set := flag.NewFlagSet("flags lint", flag.ContinueOnError)
	files, err := p.parseFiles(set, args, 1, -1, "app flags lint FILE...")
	if err != nil {
		return err
	}
	var keys []string
	findings := 0
	for _, name := range files {
		content, err := readFlagsFile(name)
		if err != nil {
			return err
		}
		declared, err := flags.Lint(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, finding := range declared.Findings {
			p.printf("%s: %s: %s\n", name, finding.Flag, finding.Problem)
		}
		keys, findings = append(keys, declared.Keys...), findings+len(declared.Findings)
	}
	for _, known := range flags.Missing(keys) {
		p.printf("note: %s is not declared and has its default, %v\n", known.Key, known.Default)
	}
	if findings > 0 {
		return fmt.Errorf("flags lint: %d of the declared flags do not fit this app", findings)
	}
	return nil
}

// flagsDiff says what would change between two files.
func (p *program) flagsDiff(args []string) error {
	set := flag.NewFlagSet("flags diff", flag.ContinueOnError)
	contexts := set.String("contexts", "", "file with one evaluation context in JSON on each line; default: one context about nobody")
	exit := set.Bool("exit-code", false, "fail when anything changes")
	files, err := p.parseFiles(set, args, 2, 2, "app flags diff [--contexts FILE] [--exit-code] OLD NEW")
	if err != nil {
		return err
	}
	subjects, err := p.readContexts(*contexts)
	if err != nil {
		return err
	}
	var contents [2][]byte
	for i, name := range files {
		if contents[i], err = readFlagsFile(name); err != nil {
			return err
		}
	}
	changes, err := flags.Diff(contents[0], contents[1], subjects)
	if err != nil {
		return fmt.Errorf("flags diff: %w", err)
	}
	for _, change := range changes {
		p.printf("%s: %s -> %s for %d of %d contexts (%.1f %%)\n", change.Key, change.Before, change.After,
			change.Contexts, len(subjects), 100*float64(change.Contexts)/float64(len(subjects)))
	}
	if *exit && len(changes) > 0 {
		return fmt.Errorf("flags diff: %d flags answer otherwise", len(changes))
	}
	return nil
}

// parseFiles parses a command's flags and returns its other arguments, of
// which there must be least to most; most -1 is no bound.
func (p *program) parseFiles(set *flag.FlagSet, args []string, least, most int, usage string) ([]string, error) {
	set.SetOutput(p.stderr)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, usagef("%s: see app %s -h", set.Name(), set.Name()) // the flag package printed the reason
	case set.NArg() < least || most >= 0 && set.NArg() > most:
		return nil, usagef("usage: %s", usage)
	default:
		return set.Args(), nil
	}
}

// readFlagsFile reads a file and not a byte more than a flags file may have.
func readFlagsFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the file is whichever the user names
	if err != nil {
		return nil, usagef("%v", err)
	}
	content, err := io.ReadAll(io.LimitReader(file, flagd.MaxFileBytes+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return content, nil
}

// readContexts reads contexts of now, one a line.
func (p *program) readContexts(name string) ([]*flagd.Context, error) {
	now := p.now()
	if name == "" {
		return []*flagd.Context{{Time: now}}, nil
	}
	content, err := os.ReadFile(name) //nolint:gosec // the file is whichever the user names
	if err != nil {
		return nil, usagef("%v", err)
	}
	var contexts []*flagd.Context
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, flagd.MaxFileBytes)
	for line := 1; lines.Scan(); line++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		context, err := newContext(lines.Bytes(), now)
		if err != nil {
			return nil, usagef("%s, line %d: %v", name, line, err)
		}
		contexts = append(contexts, context)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(contexts) == 0 {
		return nil, usagef("%s has no contexts; write one in JSON on each line, for example {\"targetingKey\": \"customer:42\"}", name)
	}
	return contexts, nil
}

func newContext(raw []byte, now time.Time) (*flagd.Context, error) {
	context := &flagd.Context{Time: now}
	if err := json.Unmarshal(raw, &context.Attributes); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	context.TargetingKey, _ = context.Attributes["targetingKey"].(string)
	return context, nil
}
