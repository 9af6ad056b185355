package azurite

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestStartAndStop(t *testing.T) {
	root, err := repositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a, err := Start(t.Context(), Options{Root: root, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{a.BlobURL, a.QueueURL, a.TableURL} {
		if !listens(t, address) {
			t.Errorf("nothing listens at %s", address)
		}
		if !strings.Contains(a.ConnectionString(), address+";") {
			t.Errorf("the connection string lacks %s", address)
		}
	}
	if shared := ForTest(t); shared.BlobURL == a.BlobURL {
		t.Error("two instances have one port")
	}
	a.Stop()
	a.Stop()
	select {
	case <-a.Ended():
	default:
		t.Error("it has not ended after Stop")
	}
	if listens(t, a.BlobURL) {
		t.Error("the blob service listens after Stop")
	}
	if _, err := os.Stat(filepath.Join(dir, "__azurite_db_blob__.json")); err != nil {
		t.Errorf("no data in the folder: %v", err)
	}
}

// TestEndsWithItsParent kills a process that has started Azurite, as a developer's kill -9 or the
// system's lack of memory does, and sees the emulator go.
func TestEndsWithItsParent(t *testing.T) {
	const role = "O2ARCHIVER_TEST_PARENT"
	if os.Getenv(role) != "" {
		a := ForTest(t)
		os.Stdout.WriteString("at " + a.BlobURL + "\n")
		select {}
	}
	if runtime.GOOS == "windows" {
		t.Skip("a child's pipe ends with its parent there, too, but this test's way of starting one is not tried")
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEndsWithItsParent$")
	parent.Env = append(os.Environ(), role+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		address, _ = strings.CutPrefix(lines.Text(), "at ")
	}
	if !listens(t, address) {
		t.Fatalf("nothing listens at %q", address)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for deadline := time.Now().Add(10 * time.Second); listens(t, address); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the emulator has outlived its parent")
		}
	}
}

func TestClearErrors(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-ins for node and npm are shell scripts")
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "local"), 0o755); err != nil {
		t.Fatal(err)
	}
	lock := `{"packages":{"node_modules/azurite":{"version":"3.37.0"}}}`
	if err := os.WriteFile(filepath.Join(root, "local", "package-lock.json"), []byte(lock), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, node, npm string // scripts; "" for none on PATH
		want            string
	}{
		{"no node", "", "", "node is not on PATH: install Node.js 20 or newer"},
		{"old node", "echo v18.19.1", "exit 0", "node is v18.19.1: install Node.js 20 or newer"},
		{"broken node", "exit 3", "exit 0", "ask node for its version: exit status 3"},
		{"no npm", "echo v20.20.2", "", "npm is not on PATH: install Node.js 20 or newer"},
		{"no registry", "echo v22.1.0", "echo ENOTFOUND; exit 1", "ENOTFOUND"},
		{"npm lies", "echo v22.1.0", "exit 0", "version 3.37.0 is not in local/node_modules"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			for name, script := range map[string]string{"node": tt.node, "npm": tt.npm} {
				if script == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin)
			_, err := Start(t.Context(), Options{Root: root, Log: io.Discard})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Start(ctx, Options{Root: root}); err == nil {
			t.Error("no error")
		}
	})
}

// TestLockNamesNoRegistry: a lock file that names one would make every other machine go there.
func TestLockNamesNoRegistry(t *testing.T) {
	root, err := repositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, "local", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), `"resolved"`) {
		t.Error("make it with npm install --omit-lockfile-registry-resolved")
	}
}

func listens(t *testing.T, address string) bool {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
