package host

import (
	"os"
	"os/exec"
	"testing"
)

// NeedFunc leaves a test out where the real host, func, is not on PATH, unless REQUIRE_FUNC=1 makes that a failure.
func NeedFunc(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("func"); err == nil {
		return
	}
	if os.Getenv("REQUIRE_FUNC") == "1" {
		t.Fatal("func (Azure Functions Core Tools) is not on PATH, and REQUIRE_FUNC=1 demands it")
	}
	t.Skip("LEFT OUT: func (Azure Functions Core Tools) is not on PATH, so nothing was tried in " +
		"the real Functions host")
}
