//go:build unix

package azurite

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup takes the emulator out of our process group: a Ctrl-C at the terminal is for us, and
// the emulator has to be there until those who use it have ended.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// inheritFile gives the process the open file.
func inheritFile(cmd *exec.Cmd, f *os.File) { cmd.ExtraFiles = append(cmd.ExtraFiles, f) }

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// lockFile waits for the file's advisory lock, which the system gives up when the process ends.
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
