//go:build !unix

package azurite

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

// inheritFile does nothing here: Windows has no open files to inherit.
func inheritFile(*exec.Cmd, *os.File) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// lockFile does nothing here: two first starts at the same moment are npm's to sort out.
func lockFile(string) (unlock func(), err error) { return func() {}, nil }
