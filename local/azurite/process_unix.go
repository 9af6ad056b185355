//go:build unix

package azurite

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup puts the emulator into a process group of its own: a Ctrl-C at the terminal is for this process, and the
// emulator must keep running until its users have ended.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// inheritFile passes the open file to the process.
func inheritFile(cmd *exec.Cmd, f *os.File) { cmd.ExtraFiles = append(cmd.ExtraFiles, f) }

// killGroup kills the process and everything that it has started.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
