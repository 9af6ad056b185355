// Package contract starts server.py, a source that was written from docs/source-contract.md alone, in another language
// than the client's. A test that fails with it shows where the client expects more than that page documents.
package contract

import (
	"bufio"
	"embed"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed server.py items.json content.json
var server embed.FS

// The credentials that the server accepts.
const (
	User     = "archive-example"
	Password = "pa55-of-the-example"
)

// ForTest starts the server with further arguments and returns its address. The server ends with the test. On a machine
// without Python the test is skipped, or fails if REQUIRE_PYTHON3=1.
func ForTest(t testing.TB, args ...string) *url.URL {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("REQUIRE_PYTHON3") == "1" {
			t.Fatal("python3 is not on PATH, and REQUIRE_PYTHON3=1 demands it")
		}
		t.Skip("LEFT OUT: python3 is not on PATH")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, server); err != nil {
		t.Fatal(err)
	}
	args = append([]string{filepath.Join(dir, "server.py"), "--user", User, "--password", Password}, args...)
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start server.py: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, so this is always an error
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("server.py did not begin to listen: %v", err)
	}
	base, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// Authorize sets the credentials on a request.
func Authorize(r *http.Request) { r.SetBasicAuth(User, Password) }
