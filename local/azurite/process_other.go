//go:build !unix

package azurite

import "os/exec"

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// lock does nothing here: two first starts at the same moment are npm's to sort out.
func lock(string) (unlock func(), err error) { return func() {}, nil }
