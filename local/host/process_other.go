//go:build !unix

package host

import (
	"os/exec"
	"syscall"
)

// ownGroup does nothing on this system.
func ownGroup(*exec.Cmd, syscall.Signal) {}

// killGroup kills the process; this system has no process groups.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
