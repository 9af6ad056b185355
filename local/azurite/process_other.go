//go:build !unix

package azurite

import (
	"os"
	"os/exec"
)

// ownGroup does nothing on this system.
func ownGroup(*exec.Cmd) {}

// inheritFile does nothing here: on Windows a process inherits no open files.
func inheritFile(*exec.Cmd, *os.File) {}

// killGroup kills the process; this system has no process groups.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
