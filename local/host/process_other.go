//go:build !unix

package host

import (
	"os/exec"
	"syscall"
)

func ownGroup(*exec.Cmd, syscall.Signal) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
