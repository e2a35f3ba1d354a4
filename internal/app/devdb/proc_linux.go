package devdb

import "syscall"

// sysProcAttr runs a program as the account and in a process group of its own,
// so that Ctrl-C reaches it through Stop alone; and ends it when this process
// is killed.
func sysProcAttr(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids of the user database
	}
	return attr
}
