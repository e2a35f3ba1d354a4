package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// listener is an address a component is about to listen on, and the variable
// that moves it elsewhere.
type listener struct {
	host string
	port int
	env  string
}

// checkPorts says which port is taken, by whom, and how to choose another.
func checkPorts(ctx context.Context, proc procfs, wanted []listener) error {
	var problems []error
	for _, l := range wanted {
		config := net.ListenConfig{Control: freeBind}
		open, err := config.Listen(ctx, "tcp", net.JoinHostPort(l.host, strconv.Itoa(l.port)))
		if err == nil {
			err = open.Close()
		}
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			problems = append(problems, fmt.Errorf("port %d on %s is taken%s: stop it, or set %s to another port",
				l.port, l.host, proc.describeListener(l.port), l.env))
		case err != nil:
			problems = append(problems, fmt.Errorf("listening on %s port %d (%s): %w", l.host, l.port, l.env, err))
		}
	}
	return errors.Join(problems...)
}

// freeBind lets the check bind the node's address before the machine has it.
func freeBind(_, _ string, conn syscall.RawConn) error {
	const ipFreeBind = 15 // IP_FREEBIND; named here so that other systems compile this
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipFreeBind, 1)
	})
	return errors.Join(err, failed)
}

// describeListener names the process that listens on a port, if it can be known.
func (p procfs) describeListener(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		data, err := readFile(filepath.Join(string(p), "net", table))
		if err != nil {
			continue // no IPv6, perhaps
		}
		for _, inode := range listeningInodes(string(data), port) {
			inodes[inode] = true
		}
	}
	for _, pid := range p.pids() {
		for inode := range p.sockets(pid) {
			if s, err := p.stat(pid); err == nil && inodes[inode] {
				return fmt.Sprintf(" by %s (pid %d)", s.comm, pid)
			}
		}
	}
	return ""
}

// sockets lists the inodes of the sockets a process has open.
func (p procfs) sockets(pid int) map[string]bool {
	files, err := os.ReadDir(p.file(pid, "fd"))
	if err != nil {
		return nil // gone, or not ours to look into
	}
	found := map[string]bool{}
	for _, file := range files {
		target, err := os.Readlink(p.file(pid, filepath.Join("fd", file.Name())))
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if err == nil && isSocket {
			found[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return found
}

// unixPaths reads /proc/net/unix and returns the paths below a folder of the
// sockets with these inodes. Columns: number, references, protocol, flags,
// type, state, inode, path.
func unixPaths(table, below string, inodes map[string]bool) []string {
	var paths []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) == 8 && inodes[fields[6]] && strings.HasPrefix(fields[7], below) {
			paths = append(paths, fields[7])
		}
	}
	return paths
}

// listeningInodes reads /proc/net/tcp and returns the socket inodes that
// listen on a port. Columns: number, local address, remote address, state, …;
// 0A is LISTEN, and the inode is the tenth.
func listeningInodes(table string, port int) []string {
	var inodes []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" {
			continue
		}
		_, hexPort, ok := strings.Cut(fields[1], ":")
		raw, err := hex.DecodeString(hexPort)
		if !ok || err != nil || len(raw) != 2 || int(raw[0])<<8|int(raw[1]) != port {
			continue
		}
		inodes = append(inodes, fields[9])
	}
	return inodes
}
