//go:build unix && !linux

package host

import (
	"os/exec"
	"syscall"
)

// dieWithUs does nothing: this system can't signal a process when its parent ends.
func dieWithUs(*exec.Cmd, syscall.Signal) {}
