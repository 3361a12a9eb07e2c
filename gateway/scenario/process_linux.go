package scenario

import "syscall"

// attributes keep Ctrl-C from the nodes, which this program stops itself, and
// let them not outlive it, however it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
