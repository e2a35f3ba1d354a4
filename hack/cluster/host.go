package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// run executes a command and returns its standard output. The error carries
// the last lines of standard error.
func run(ctx context.Context, name string, args ...string) (string, error) {
	return runInput(ctx, "", name, args...)
}

// runInput is run with text on standard input.
func runInput(ctx context.Context, input, name string, args ...string) (string, error) {
	return runEnv(ctx, nil, input, name, args...)
}

// runEnv is runInput with an environment of its own; nil is this program's.
func runEnv(ctx context.Context, env []string, input, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // running programs is what this tool is for
	cmd.Env, cmd.Stdin = env, strings.NewReader(input)
	return output(cmd)
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w%s", filepath.Base(cmd.Path), err, indentTail(stderr.String(), 20))
	}
	return stdout.String(), nil
}

// indentTail formats the last n lines of a program's output for an error.
func indentTail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return "\n    " + strings.Join(lines, "\n    ")
}

// readFile reads a file whose path this program made up.
func readFile(path string) ([]byte, error) {
	return os.ReadFile(path) //nolint:gosec // paths come from our own settings and from /proc
}

// writeFile writes a file in one go: readers see the old or the new content.
// An unchanged file is left alone.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if old, err := readFile(path); err == nil && bytes.Equal(old, data) {
		return os.Chmod(path, mode)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// makeDir creates a directory that only its owner may read.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return nil
}

// bootID changes with each start of the machine.
func bootID() (string, error) {
	data, err := readFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("reading the boot id: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
