package host

import (
	"os/exec"
	"syscall"
)

// dieWithUs makes the system send the process a signal if this process ends without having stopped it.
func dieWithUs(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }
