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

// lockFile waits for the file's advisory lock, which the system releases when the process ends.
func lockFile(file string) (unlock func(), err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
