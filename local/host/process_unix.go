//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// ownGroup takes the process out of our process group: a Ctrl-C at the terminal is for us, who stop it in order.
// Where the system can, the process gets the signal last when we end without having stopped it.
func ownGroup(cmd *exec.Cmd, last syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithUs(cmd, last)
}

// killGroup ends the process with everything that it started.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
