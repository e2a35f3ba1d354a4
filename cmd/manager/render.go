package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rsolv-dev/rsolv-operator/config/crd"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
	"github.com/rsolv-dev/rsolv-operator/internal/manifest"
)

// renderCommand prints what the controllers would apply for the declarations
// in files. Notes and errors go to standard error; with an error the exit code
// is 1, and what is right has been printed all the same.
func renderCommand(args []string, stdin io.Reader, stdout io.Writer) error {
	var files fileList
	flags := flag.NewFlagSet("manager render", flag.ContinueOnError)
	flags.Var(&files, "f", "`file` or folder with declarations, - for standard input; may be repeated")
	namespace := flags.String("namespace", manifest.DefaultNamespace, "namespace of objects that name none")
	ruleTests := flags.String("rule-tests", "", "`folder` to write tests of the alert rules to, for promtool")
	if err := flags.Parse(args); err != nil {
		return err
	}
	files = append(files, flags.Args()...)
	if len(files) == 0 {
		return errors.New("nothing to render: name files with -f, or - for standard input")
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
	now := time.Now()
	rendered, err := manifest.Render(set, now)
	errs = append(errs, err)
	if *ruleTests != "" {
		errs = append(errs, writeRuleTests(*ruleTests, set, now, os.Stderr))
	}
	if err := manifest.Write(stdout, rendered.Objects); err != nil {
		return err
	}
	for _, note := range rendered.Notes {
		fmt.Fprintln(os.Stderr, "note:", note)
	}
	return errors.Join(errs...)
}

// loadFile adds one file to the set, or every YAML file of a folder, but for a
// kustomization.
func loadFile(ctx context.Context, set *manifest.Set, validator *admission.Validator, name, namespace string, stdin io.Reader) error {
	if name == "-" {
		return set.Load(ctx, validator, "standard input", namespace, stdin)
	}
	names := []string{name}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if names, err = filepath.Glob(filepath.Join(name, "*.yaml")); err != nil {
			return fmt.Errorf("listing %s: %w", name, err)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return filepath.Base(n) == "kustomization.yaml" })
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, loadOne(ctx, set, validator, name, namespace))
	}
	return errors.Join(errs...)
}

func loadOne(ctx context.Context, set *manifest.Set, validator *admission.Validator, name, namespace string) error {
	file, err := os.Open(name) //nolint:gosec // the user's own choice of file
	if err != nil {
		return err // the error names operation and file
	}
	defer file.Close() //nolint:errcheck // it was only read
	return set.Load(ctx, validator, name, namespace, file)
}

// fileList is a flag that may be repeated.
type fileList []string

func (f *fileList) String() string { return fmt.Sprint([]string(*f)) }

func (f *fileList) Set(name string) error {
	*f = append(*f, name)
	return nil
}
