package host

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the system send the process a signal when we end without having stopped it, however that comes.
func dieWithUs(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }
