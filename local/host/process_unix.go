//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the process into a process group of its own: a Ctrl-C at the terminal is for this process, which then
// stops the other in order. Where the system supports it, the process gets the signal last if this process ends without
// having stopped it.
func ownGroup(cmd *exec.Cmd, last syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithUs(cmd, last)
}

// killGroup kills the process and everything that it has started.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
