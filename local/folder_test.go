package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"o2archiver/local/filelock"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// holdVariable names the folder that a process of this test binary holds until it is killed; see TestMain.
const holdVariable = "LOCAL_TEST_HOLD"

func TestMain(m *testing.M) {
	dir := os.Getenv(holdVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	f, err := holdFolder(context.Background(), dir, io.Discard)
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("held\n")
	time.Sleep(time.Minute)
	f.release()
}

// holding starts a process that holds the folder, and returns when it does.
func holding(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), holdVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return cmd
}

// TestStorageHasOneUser: a second start with the same folder ends at once and changes nothing. A lock is never stale:
// after a kill the next start has the folder.
func TestStorageHasOneUser(t *testing.T) {
	a := newArchive(t)
	other := holding(t, a.dir)
	before := listed(t, a.dir)
	code, stdout, stderr := a.run()
	if code != 1 || stdout != "" || !strings.Contains(stderr, "another start (process ") ||
		!strings.Contains(stderr, a.dir) {
		t.Errorf("exit code %d, standard output %q, standard error:\n%s", code, stdout, stderr)
	}
	if strings.Contains(stderr, "Building") {
		t.Errorf("the error came after the build:\n%s", stderr)
	}
	if after := listed(t, a.dir); after != before {
		t.Errorf("the folder held %s, and holds %s", before, after)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed
	f, err := holdFolder(t.Context(), a.dir, io.Discard)
	if err != nil {
		t.Fatalf("after the other was killed: %v", err)
	}
	f.release()
}

func listed(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestEmulatorOfKilledStart: the data are used when the emulator of an earlier start no longer has them, and not
// before.
func TestEmulatorOfKilledStart(t *testing.T) {
	dir := t.TempDir()
	emulator, err := filelock.Try(filepath.Join(dir, emulatorLock))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	ended := time.AfterFunc(time.Second, func() { _ = emulator.Close() })
	defer ended.Stop()
	f, err := holdFolder(t.Context(), dir, &said)
	if err != nil {
		t.Fatal(err)
	}
	f.release()
	if !strings.Contains(said.String(), "Waiting for the storage emulator") {
		t.Errorf("it was not waited for: %q", said.String())
	}
}
