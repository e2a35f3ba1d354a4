package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// procfs is the root of a proc file system; tests bring their own.
type procfs string

// process names a process for good: an id is used again, an id with a start
// time is not.
type process struct {
	pid   int
	start uint64 // clock ticks after boot
}

// stat is what the kernel says of a process in /proc/PID/stat.
type stat struct {
	comm  string
	state byte // 'Z' is a process that has ended and waits for its parent
	start uint64
	pages int64 // resident memory
}

// parseStat reads /proc/PID/stat. The name may hold spaces and brackets, so
// the fields are counted from the last bracket.
func parseStat(text string) (stat, error) {
	first, last := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if first < 0 || last < first {
		return stat{}, errors.New("no process name")
	}
	fields := strings.Fields(text[last+1:])
	const startField, pagesField = 19, 21 // fields 22 and 24, without the first two
	if len(fields) <= pagesField {
		return stat{}, fmt.Errorf("%d fields, want more than %d", len(fields), pagesField)
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time: %w", err)
	}
	pages, err := strconv.ParseInt(fields[pagesField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("resident pages: %w", err)
	}
	return stat{comm: text[first+1 : last], state: fields[0][0], start: start, pages: pages}, nil
}

func (p procfs) file(pid int, name string) string {
	return filepath.Join(string(p), strconv.Itoa(pid), name)
}

func (p procfs) stat(pid int) (stat, error) {
	data, err := readFile(p.file(pid, "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(data))
}

// find returns the running process with this id.
func (p procfs) find(pid int) (process, error) {
	s, err := p.stat(pid)
	if err != nil {
		return process{}, err
	}
	return process{pid: pid, start: s.start}, nil
}

// alive says whether this very process still runs.
func (p procfs) alive(who process) bool {
	s, err := p.stat(who.pid)
	// Z is dead and not yet collected, X about to leave the list.
	return err == nil && s.start == who.start && s.state != 'Z' && s.state != 'X'
}

// pids lists the processes of the machine.
func (p procfs) pids() []int {
	entries, err := os.ReadDir(string(p))
	if err != nil {
		return nil // without /proc there is nothing to list
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// args returns the command line of a process; empty when it has ended.
func (p procfs) args(pid int) []string {
	data, err := readFile(p.file(pid, "cmdline"))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(string(bytes.TrimRight(data, "\x00")), "\x00")
}

// workingIn lists the processes whose working directory is dir.
func (p procfs) workingIn(dir string) []int {
	var found []int
	for _, pid := range p.pids() {
		if cwd, err := os.Readlink(p.file(pid, "cwd")); err == nil && cwd == dir {
			found = append(found, pid)
		}
	}
	return found
}

// ours lists the processes of a cluster by their command lines: a program we
// start, with an argument inside the state directory. It finds what no pid
// file tells of: shims, and what a killed command left behind.
func (p procfs) ours(dir string, names map[string]bool) map[process]string {
	found := map[process]string{}
	for _, pid := range p.pids() {
		args := p.args(pid)
		if len(args) == 0 || !names[filepath.Base(args[0])] || !mentions(args[1:], dir) {
			continue
		}
		if who, err := p.find(pid); err == nil && p.alive(who) {
			found[who] = filepath.Base(args[0])
		}
	}
	return found
}

func mentions(args []string, dir string) bool {
	for _, arg := range args {
		if strings.Contains(arg, dir+"/") {
			return true
		}
	}
	return false
}

// foreign lists processes with one of these names that share our network and
// are not among the known ones.
func (p procfs) foreign(names map[string]bool, known map[process]string) []int {
	own, err := os.Readlink(filepath.Join(string(p), "self", "ns", "net"))
	if err != nil {
		return nil // no network namespaces, so no other node on this machine
	}
	var found []int
	for _, pid := range p.pids() {
		who, err := p.find(pid)
		if err != nil || known[who] != "" {
			continue
		}
		args := p.args(pid)
		if len(args) == 0 || !names[filepath.Base(args[0])] {
			continue
		}
		if net, err := os.Readlink(p.file(pid, "ns/net")); err == nil && net == own {
			found = append(found, pid)
		}
	}
	return found
}
